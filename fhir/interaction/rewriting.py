"""References of a transaction's resources, as they read when it is done (http://hl7.org/fhir/R4/http.html#trules).

What names an entry by its fullUrl (urn:uuid, urn:oid, or a URL) names the resource instead, wherever a reference, a
value of type uri, url, oid or uuid, or a link of a narrative says so. Values of other types stay, canonical among them:
the same text may be the value of an identifier.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import orjson

from fhir.definitions.structures import structures
from fhir.path.references import target

_RELATIVE = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}")
_RESTFUL = re.compile(r"(https?://.+/)[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}")
_CONDITIONAL = re.compile(r"[A-Z][A-Za-z]{1,63}\?.+", re.DOTALL)
_LINK = re.compile(r"""((?:href|src)\s*=\s*)("([^"]*)"|'([^']*)')""", re.IGNORECASE)

Say = Callable[[str], str | None]        # what a link reads from now on; None: as it does


class _Plan(NamedTuple):
    """What there is to do about the values of a structure's keys, only where there may be something."""

    links: frozenset[str]
    narratives: frozenset[str]
    inner: Mapping[str, str]             # to the name of another structure; empty: of any resource
    alone: bool                          # only references are asked for, here and further in


@cache
def _plan(name: str, alone: bool = False) -> _Plan:
    links, narratives, inner = set(), set(), {}
    for key, (_, kind) in structures()[name].keys.items():
        told = structures().get(kind)
        if (name == "Reference" and key == "reference") or (not alone and _is_link(kind)):
            links.add(key)
        elif kind == "xhtml" and not alone:
            narratives.add(key)
        elif told is not None and told.kind == "resource":
            inner[key] = ""
        elif told is not None and not told.primitive:
            inner[key] = kind
    return _Plan(frozenset(links), frozenset(narratives), inner, alone)


def _is_link(kind: str) -> bool:
    return structures().is_a(kind, "uri") and not structures().is_a(kind, "canonical")


def rewritten(resource: dict[str, Any], names: Mapping[str, str], *, full_url: str = "") -> dict[str, Any]:
    """The resource with the links that `names` has other words for. What did not change is shared with the given one.

    `full_url` is that of the entry: relative references are looked for beside it (bundle.html#references).
    """
    root = _RESTFUL.fullmatch(full_url)

    def say(link: str) -> str | None:
        found = names.get(link)
        if found is None and root is not None and _RELATIVE.fullmatch(link):
            found = names.get(root[1] + link)
        return found

    told: dict[str, Any] = _resource(resource, say)
    return told


def relative(resource: dict[str, Any], base: str) -> dict[str, Any]:
    """The resource with references by URLs of this server as relative ones: they say the same
    (http://hl7.org/fhir/R4/references.html#literal), and are found, chained and included as one. Within a Bundle they
    stay: there fullUrl decides what a relative one means. http and https lead to the same (http.html#root)."""
    root = f"{base.partition('://')[2]}/"
    if resource["resourceType"] == "Bundle" or not _mentions(resource, root):
        return resource

    def say(link: str) -> str | None:
        scheme, _, rest = link.partition("://")
        here = scheme in ("http", "https") and rest.startswith(root) and target(link).base == f"{scheme}://{root}"
        return rest.removeprefix(root) if here else None

    told: dict[str, Any] = _resource(resource, say, alone=True)
    return told


def _mentions(resource: dict[str, Any], text: str) -> bool:
    """Whether a text may be somewhere in a resource."""
    try:
        return text.encode() in orjson.dumps(resource, default=str)
    except orjson.JSONEncodeError:       # more depth or digits than it writes
        return True


def conditional(resource: dict[str, Any]) -> Iterator[str]:
    """The references of a resource that are searches: `Patient?identifier=…`."""
    found: list[str] = []

    def note(link: str) -> None:
        if _CONDITIONAL.fullmatch(link):
            found.append(link)

    _resource(resource, note)
    return iter(found)


def _resource(told: Any, say: Say, *, alone: bool = False) -> Any:
    kind = told.get("resourceType") if isinstance(told, dict) else None
    if not isinstance(kind, str) or kind not in structures().resource_types:
        return told
    return _object(told, _plan(kind, alone), say)


def _object(told: dict[str, Any], plan: _Plan, say: Say) -> dict[str, Any]:
    changed = told
    for key, value in told.items():
        new = _value(key, value, plan, say)
        if new is not value:
            changed = dict(told) if changed is told else changed
            changed[key] = new
    return changed


def _value(key: str, value: Any, plan: _Plan, say: Say) -> Any:
    if key in plan.links:
        return _each(value, lambda one: _link(one, say))
    if (kind := plan.inner.get(key)) is not None:
        if kind:
            inner = _plan(kind, plan.alone)
            return _each(value, lambda one: _object(one, inner, say) if isinstance(one, dict) else one)
        return _each(value, lambda one: _resource(one, say, alone=plan.alone))
    if key in plan.narratives and isinstance(value, str):
        return _narrative(value, say)
    if key[:1] == "_" and isinstance(value, (dict, list)):       # id and extensions of a primitive
        extended = _plan("Element", plan.alone)
        return _each(value, lambda one: _object(one, extended, say) if isinstance(one, dict) else one)
    return value


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if not isinstance(value, list):
        return change(value)
    told = [change(one) for one in value]
    return told if any(new is not old for new, old in zip(told, value, strict=True)) else value


def _link(value: Any, say: Say) -> Any:
    found = say(value) if isinstance(value, str) else None
    return value if found is None else found


def _narrative(text: str, say: Say) -> str:
    if "urn:" not in text and "http" not in text:
        return text

    def link(found: re.Match[str]) -> str:
        new = say(found[3] or found[4] or "")
        return found[0] if new is None else f'{found[1]}"{new}"'

    new = _LINK.sub(link, text)
    return text if new == text else new
