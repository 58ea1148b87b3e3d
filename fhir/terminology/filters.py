"""Filters of value sets: which concepts of a code system they let through (valueset.html#ValueSet.compose.include)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fhir.terminology.concepts import CodeSystem, Concept, text_of, value_of
from fhir.terminology.patterns import matches
from pacsd.faults import Fault, PacsdError

Test = Callable[[Concept], bool]
_THE_CODE = ("concept", "code", "parent-of-self")
_ABOVE = ("is-a", "descendent-of")


def tests(system: CodeSystem, filters: Sequence[Mapping[str, Any]]) -> list[Test]:
    """One test for each filter. Raises PacsdError UNSUPPORTED for operators that are not known."""
    return [_test(system, one) for one in filters]


def selected(system: CodeSystem, filters: Sequence[Mapping[str, Any]], words: Sequence[str]) -> Iterator[Concept]:
    """Concepts that pass all filters and have all words, in the order of the code system."""
    from_above = next((one for one in filters if one.get("op") in _ABOVE and one.get("property") in _THE_CODE), None)
    held = tests(system, [one for one in filters if one is not from_above])
    below = None if from_above is None else str(from_above.get("value", ""))
    if from_above is not None and from_above.get("op") == "is-a":
        top = system.get(str(below))
        if top is not None and all(test(top) for test in held) and all(word in top.searched for word in words):
            yield top
    for one in system.select(below=below, words=words):
        if all(test(one) for test in held):
            yield one


def _test(system: CodeSystem, row: Mapping[str, Any]) -> Test:
    name, operator, value = row.get("property", ""), row.get("op", ""), str(row.get("value", ""))
    if name in _THE_CODE and operator in _HIERARCHY:
        holds = _HIERARCHY[operator]
        return lambda one: holds(system, one.code, value)
    if operator not in _VALUES:
        raise PacsdError(Fault.UNSUPPORTED, f"the filter operator {operator!r} on {name!r} is not looked for")
    if operator == "regex":
        matches(value, "")               # so that a bad one is refused whatever it is held against
    among, said = _VALUES[operator], _reader(system, name)
    return lambda one: among(said(one), value)


_HIERARCHY: dict[str, Callable[[CodeSystem, str, str], bool]] = {
    "is-a": lambda system, code, value: code == value or system.is_below(code, value),
    "descendent-of": lambda system, code, value: system.is_below(code, value),
    "is-not-a": lambda system, code, value: code != value and not system.is_below(code, value),
    "generalizes": lambda system, code, value: code == value or system.is_below(value, code),
}


def _listed(value: str) -> list[str]:
    return [one.strip() for one in value.split(",")]


_VALUES: dict[str, Callable[[list[str], str], bool]] = {
    "=": lambda said, value: value in said,
    "in": lambda said, value: any(one in _listed(value) for one in said),
    "not-in": lambda said, value: not any(one in _listed(value) for one in said),
    "regex": lambda said, value: any(matches(value, one) for one in said),
    "exists": lambda said, value: bool(said) is (value == "true"),
}


def _reader(system: CodeSystem, name: str) -> Callable[[Concept], list[str]]:
    """Values of a property; some are said by the concept itself (codesystem.html#defined-props)."""
    if name in _THE_CODE:
        return lambda one: [one.code]
    if name == "display":
        return lambda one: [one.display]
    if name in ("parent", "subsumedBy"):
        return lambda one: list(one.parents)
    if name == "child":
        return lambda one: list(system.children(one.code))
    if name == "inactive":
        return lambda one: [text_of(one.inactive)]
    return lambda one: [text_of(value_of(row)) for row in one.properties if row.get("code") == name]
