"""Parts of resources a client asks for: `_summary` and `_elements` (http://hl7.org/fhir/R4/search.html#summary)."""

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any

from fhir.definitions.structures import Element, structures

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_ALWAYS = ("resourceType", "id", "meta")

Wanted = Callable[[Element], bool]


class Summary(Enum):
    """Values of `_summary`."""

    TRUE = "true"
    TEXT = "text"
    DATA = "data"
    COUNT = "count"                      # of a search: its Bundle without entries
    FALSE = "false"


def summary(resource: Mapping[str, Any], asked: Summary) -> dict[str, Any]:
    """What of a resource is asked for, tagged as incomplete where something may be left out.

    Elements that must be there, and those that change what others mean, stay in each of them.
    """
    if asked is Summary.FALSE:
        return dict(resource)
    if asked is Summary.TRUE:
        return tagged(_nested(resource, str(resource["resourceType"]), lambda element: element.summary))
    if asked is Summary.TEXT:
        return tagged(_top(resource, lambda element: element.name == "text"))
    if asked is Summary.DATA:
        return tagged({key: value for key, value in resource.items() if key not in ("text", "_text")})
    return tagged({key: value for key, value in resource.items() if key not in ("entry", "text", "_text")})


def elements(resource: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The elements of these names (`name`, `Patient.name`, `value` for a choice), and those that must be there."""
    kind = str(resource["resourceType"])
    wanted = {name.removeprefix(f"{kind}.").removesuffix("[x]") for name in names}
    return tagged(_top(resource, lambda element: element.name in wanted))


def _needed(element: Element) -> bool:
    return element.min > 0 or element.modifier


def _top(resource: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    keys = structures()[str(resource["resourceType"])].keys
    return {key: value for key, value in resource.items() if key in _ALWAYS or (
        (row := keys.get(key.removeprefix("_"))) is not None and (_needed(row.element) or wanted(row.element)))}


def _nested(told: Mapping[str, Any], kind: str, wanted: Wanted) -> dict[str, Any]:
    """The same at each level: elements of backbones and data types have flags of their own."""
    keys = structures()[kind].keys
    kept = {}
    for key, value in told.items():
        row = keys.get(key.removeprefix("_"))
        if key in _ALWAYS and structures()[kind].kind == "resource":
            kept[key] = value
        elif row is not None and (_needed(row.element) or wanted(row.element)):
            part = _part(value, row.type, wanted)
            if part not in ({}, []):
                kept[key] = part
    return kept


def _part(value: Any, kind: str, wanted: Wanted) -> Any:
    if isinstance(value, list):
        return [part for one in value if (part := _part(one, kind, wanted)) != {}]
    if not isinstance(value, dict) or structures()[kind].primitive:
        return value
    return _nested(value, str(value.get("resourceType", kind)) if kind == "Resource" else kind, wanted)


def tagged(told: dict[str, Any]) -> dict[str, Any]:
    """With the tag that says so (http://hl7.org/fhir/R4/resource.html#Meta.tag), meta made where there is none."""
    meta = dict(told.get("meta") or {})
    tags = [one for one in meta.get("tag", ()) if one != SUBSETTED]
    before = {key: told[key] for key in ("resourceType", "id") if key in told}
    return before | {"meta": meta | {"tag": [*tags, SUBSETTED]}} | {
        key: value for key, value in told.items() if key not in _ALWAYS}
