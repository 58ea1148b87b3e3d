"""What an interaction is asked for, and what it answers: from HTTP, or from an entry of a batch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from fhir.definitions.structures import structures
from fhir.definitions.value_sets import required_codes
from fhir.outcome import FhirError, Issue
from fhir.store.search import Hit
from fhir.store.stored import Name, Stored
from pacsd.access.asking import Access
from pacsd.access.operations import Operation
from pacsd.access.scope import Scope
from pacsd.faults import Fault

_MOST_KNOWN = 1_000
MAX_VERSION = 2_147_483_647
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")        # http://hl7.org/fhir/R4/datatypes.html#id


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf something is asked: what it may see, and whose what it writes will be."""

    scope: Scope
    organisation: int
    access: Access | None = None         # of who sent a request; the server itself may do everything in its scope

    def permitted(self, operation: Operation) -> "Asker":
        """The asker as far as the operation reaches. Raises PacsdError UNAUTHENTICATED, FORBIDDEN."""
        if self.access is None:
            return self
        scope = self.access.permitted(operation).scope
        return self if scope is self.scope else replace(self, scope=scope)


def asker_of(access: Access) -> Asker:
    """The asker of an admitted request."""
    return Asker(access.scope, access.peer.organisation, access)


class Askers:
    """Askers of admitted requests; an access is good for some seconds, and so is its asker, made once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[Access, Asker]] = {}

    def of(self, access: Access, address: str) -> Asker:
        """The asker of a request that came from that address."""
        key = id(access), address
        known = self._known.get(key)
        if known is not None and known[0] is access:
            return known[1]
        made = asker_of(access.at(address))
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = access, made
        return made


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditional headers as they came; empty where there was none (http.html#concurrency, #cread, #ccreate)."""

    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: str = ""
    if_none_exist: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One interaction as it is asked for. `parameters`: of the URL (and of a form), in their order, those that say
    how the answer is written left out."""

    asker: Asker
    base: str                            # [base] of URLs that are given out, without a slash at its end
    method: str
    type: str = ""
    id: str = ""
    version: str = ""
    operation: str = ""                  # name of an operation, without the dollar sign
    compartment: str = ""                # what of a compartment is looked for: a type, or *
    parameters: tuple[tuple[str, str], ...] = ()
    resource: dict[str, Any] | None = None
    content: bytes = b""                 # of a patch, as it came
    content_type: str = ""
    conditions: Conditions = Conditions()
    handling: str = ""                   # Prefer: handling=
    returning: str = ""                  # Prefer: return=

    @property
    def name(self) -> Name:
        """The resource that is meant."""
        return Name(self.type, self.id)

    def body(self) -> dict[str, Any]:
        """The resource that came. Raises FhirError MALFORMED where none did."""
        if self.resource is None:
            raise FhirError(Fault.MALFORMED, "there is no resource in the body", code="required")
        return self.resource


@dataclass(frozen=True, slots=True)
class Raw:
    """Content that goes out as it is."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: a version as it is kept (`stored`), another resource, issues, or nothing.

    `about` is the version that ETag, Last-Modified and (with `located`) Location tell of.
    """

    status: int
    stored: Stored | None = None
    resource: Mapping[str, Any] | None = None
    issues: tuple[Issue, ...] = ()
    about: Stored | None = None
    located: bool = False
    written: bool = False                # Prefer: return= decides what of it is given out
    raw: Raw | None = None               # what is no resource at all
    headers: Mapping[str, str] = field(default_factory=dict)
    shown: Sequence[Hit] = ()            # of a page: all resources in it, as they are kept


@cache
def kept_types() -> Mapping[str, None]:
    """Resource types that are kept, in alphabetical order: those of R4, not what later ones only send."""
    known = required_codes()["http://hl7.org/fhir/ValueSet/resource-types"] or {}
    codes = frozenset().union(*known.values())
    return {name: None for name in structures().resource_types if name in codes}


def checked_type(name: str) -> str:
    """A resource type of R4. Raises FhirError NOT_FOUND for another."""
    if name not in kept_types():
        raise FhirError(Fault.NOT_FOUND, f"{name[:64]!r} is no resource type of FHIR R4", code="not-supported")
    return name


def checked_id(text: str) -> str:
    """A logical id. Raises FhirError MALFORMED for what can be none."""
    if not _ID.fullmatch(text):
        raise FhirError(Fault.MALFORMED, "an id has 1 to 64 letters, digits, hyphens and dots", code="value")
    return text


def etag(stored: Stored) -> str:
    """The version as an entity tag (http.html#versioning)."""
    return f'W/"{stored.version}"'


def location(base: str, stored: Stored) -> str:
    """Where a version is read."""
    return f"{base}/{stored.type}/{stored.id}/_history/{stored.version}"
