"""SMART scopes, versions 1 and 2, as structures (SMART App Launch 2.2, "SMART Scopes for FHIR resources")."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, quote

INTERACTIONS = "cruds"                   # create, read, update, delete, search, in the order scopes write them

_PLAIN = "/:|,.$"                        # what stands in a query as it is
_VERSION_1 = {"read": "rs", "write": "cud", "*": INTERACTIONS}
_SCOPE = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]{1,63})\."
    r"(?P<what>read|write|\*|c?r?u?d?s?)(?:\?(?P<query>[\x21\x23-\x5b\x5d-\x7e]{1,1024}))?"
)


@dataclass(frozen=True, slots=True)
class SmartScope:
    """What one scope allows: interactions with resources of a type, `*` for all, as far as a search finds them.

    `context`: patient, those about the patient in context; user, those the user may see; system, without a user.
    """

    context: str
    type: str
    interactions: frozenset[str]
    search: tuple[tuple[str, str], ...] = ()

    def covers(self, other: "SmartScope") -> bool:
        """Whether everything that another allows is allowed by this one."""
        return (
            self.context == other.context
            and self.type in ("*", other.type)
            and other.interactions <= self.interactions
            and set(self.search) <= set(other.search)
        )

    def __str__(self) -> str:
        letters = "".join(one for one in INTERACTIONS if one in self.interactions)
        query = "&".join(f"{quote(name, safe=_PLAIN)}={quote(value, safe=_PLAIN)}" for name, value in self.search)
        return f"{self.context}/{self.type}.{letters}" + (f"?{query}" if query else "")


@lru_cache(maxsize=4096)
def parse(scope: str) -> SmartScope | None:
    """The structure of a scope; None for one that is about no resources, such as openid, or is none."""
    found = _SCOPE.fullmatch(scope)
    if found is None or not found["what"]:
        return None
    letters = _VERSION_1.get(found["what"], found["what"])
    if found["query"] is None:
        return SmartScope(found["context"], found["type"], frozenset(letters))
    if found["what"] in _VERSION_1:      # version 1 knows no searches
        return None
    try:
        search = parse_qsl(found["query"], keep_blank_values=True, strict_parsing=True, max_num_fields=16)
    except ValueError:
        return None
    return SmartScope(found["context"], found["type"], frozenset(letters), tuple(search))


def smart_scopes(scopes: Iterable[str]) -> tuple[SmartScope, ...]:
    """Those of some scopes that are about resources."""
    return tuple(found for found in map(parse, scopes) if found is not None)


def is_allowed(scope: str, allowed: Iterable[str]) -> bool:
    """Whether a client that may ask for `allowed` may ask for `scope`: it is named, or within one that is."""
    offered = tuple(allowed)
    if scope in offered:
        return True
    asked = parse(scope)
    return asked is not None and any(one.covers(asked) for one in smart_scopes(offered))
