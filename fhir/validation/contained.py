"""Resources in resources (http://hl7.org/fhir/R4/references.html#contained, rules dom-2 to dom-5)."""

from collections.abc import Mapping
from typing import Any

from fhir.validation.report import Report, wrong

RULES = frozenset(("dom-2", "dom-3", "dom-4", "dom-5"))
_STATED = ("versionId", "lastUpdated")   # of meta, by the server that keeps a resource


def check_contained(resource: Mapping[str, Any], report: Report) -> None:
    """What a resource contains has an id, is referred to or refers back, and contains nothing itself."""
    mentioned = _mentioned({key: value for key, value in resource.items() if key != "contained"})
    told = [one for one in resource["contained"] if isinstance(one, dict)]
    for one in told:
        mentioned |= _mentioned(one)
    seen: set[Any] = set()
    for number, one in enumerate(resource["contained"]):
        if isinstance(one, dict):
            for text in _problems(one, mentioned, seen):
                report.add(wrong("invariant", text), f".contained[{number}]")


def _problems(one: Mapping[str, Any], mentioned: set[str], seen: set[Any]) -> list[str]:
    found = []
    name = one.get("id")
    if not isinstance(name, str):
        found.append("a contained resource has an id")
    elif name in seen:
        found.append("another contained resource has this id")
    elif f"#{name}" not in mentioned and "#" not in _mentioned(one):
        found.append("dom-3: nothing refers to this resource, and it does not refer to the one around it")
    seen.add(name if isinstance(name, str) else None)
    if "contained" in one:
        found.append("dom-2: a contained resource contains no other")
    meta = one.get("meta")
    if isinstance(meta, dict):
        if any(key in meta for key in _STATED):
            found.append("dom-4: a contained resource has no version of its own")
        if "security" in meta:
            found.append("dom-5: a contained resource has no security label of its own")
    return found


def _mentioned(told: Any) -> set[str]:
    """All values that begin with #, as references, canonicals and addresses to contained resources do."""
    found: set[str] = set()
    waiting = [told]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and one[:1] == "#":
            found.add(one)
    return found
