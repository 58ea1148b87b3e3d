"""Checks of objects, compiled from the definitions: one for each structure, made when it is first needed."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fhir.definitions.structures import Key, structures
from fhir.path import Node
from fhir.validation.codes import Verdict, code_test, concept_test, unit_problem
from fhir.validation.contained import check_contained
from fhir.validation.invariants import Rule, rules_of
from fhir.validation.narratives import check_narrative
from fhir.validation.primitives import Test, test_of
from fhir.validation.references import reference_check
from fhir.validation.report import Report, contained_by, wrong

Check = Callable[[Any, Report], None]
Plan = Callable[[Any, dict[str, Any], Report], None]     # a key's value, and the object it stands in

_NO_OBJECT = wrong("structure", "a JSON object is expected here")
_NO_LIST = wrong("structure", "a JSON array is expected here")
_EMPTY_OBJECT = wrong("structure", "an object is never empty")
_EMPTY_LIST = wrong("structure", "an array is never empty")
_NULL = wrong("structure", "null stands only where an id or extension takes a value's place")
_SAYS_NOTHING = wrong("invariant", "ele-1: an element has a value or children")
_UNKNOWN = wrong("structure", "there is no such element")


class ObjectCheck:
    """What the objects of one structure must be like."""

    def __init__(self, name: str) -> None:
        structure = structures()[name]
        self._name = name
        self._resource = structure.kind == "resource"
        self._plans: Mapping[str, Plan] | None = None
        self._required = [
            (element.name, frozenset(f"{mark}{key}" for key, _ in structure.key_of[element.name] for mark in ("", "_")))
            for element in structure.elements.values() if element.min]
        self._choices = [
            (element.name, frozenset(key for key, _ in structure.key_of[element.name]))
            for element in structure.elements.values() if element.choice]
        self._rules: tuple[Rule, ...] = rules_of(structure.constraints, name)

    def __call__(self, told: Any, report: Report) -> None:
        """All that is wrong with an object."""
        if type(told) is not dict:
            report.add(_NO_OBJECT)
            return
        plans = self._plans
        if plans is None:
            plans = self._plans = _plans(self._name)
        found = report.found
        first = len(found)
        for key, value in told.items():
            plan = plans.get(key)
            before = len(found)
            if plan is None:
                self._unknown(key, report)
            else:
                plan(value, told, report)
            if len(found) != before:
                report.under(before, _place(self._name, key))
        for name, keys in self._required:
            if keys.isdisjoint(told):
                report.add(wrong("required", f"{self._name} must have {name}"))
        for name, keys in self._choices:
            if len(keys & told.keys()) > 1:
                report.add(wrong("structure", f"there is but one {name}[x]"))
        if not self._resource and len(told) < 2 and (not told or "id" in told):
            report.add(_SAYS_NOTHING if told else _EMPTY_OBJECT)
        if self._rules and report.ruled and all(one[1] != "structure" for one in found[first:]):
            for rule in self._rules:
                rule(told, None, report)

    def _unknown(self, key: str, report: Report) -> None:
        if key != "resourceType" or not self._resource:
            report.add(_UNKNOWN)


@cache
def object_check(name: str) -> ObjectCheck:
    """The check of a structure's objects."""
    return ObjectCheck(name)


def check_resource(value: Any, report: Report) -> None:
    """A resource, or one in a Bundle or Parameters: what it contains is its own."""
    _resource(value, report, inside=False)


def _resource(value: Any, report: Report, *, inside: bool) -> None:
    if type(value) is not dict:
        report.add(_NO_OBJECT)
        return
    name = value.get("resourceType")
    if type(name) is not str or name not in structures().resource_types:
        report.add(wrong("structure", "this names no resource type of R4"), ".resourceType")
        return
    before = report.resource, report.root, report.contained
    report.resource = Node(value, name)
    if not inside:
        report.root = report.resource
        report.contained = contained_by(value) if "contained" in value else {}
    object_check(name)(value, report)
    if not inside and type(value.get("contained")) is list:
        check_contained(value, report)
    report.resource, report.root, report.contained = before


def _place(name: str, key: str) -> str:
    """A key as FHIRPath names the element: a choice with its type."""
    known = structures()[name].keys.get(key.removeprefix("_"))
    if known is not None and known.element.choice:
        return f".{known.element.name}.ofType({known.type})"
    bare = key.removeprefix("_")[:64]
    return f".{bare}" if bare.isidentifier() else f".`{bare}`"


def _plans(name: str) -> Mapping[str, Plan]:
    plans: dict[str, Plan] = {}
    structure = structures()[name]
    for key, known in structure.keys.items():
        if not structures()[known.type].primitive:
            plans[key] = _complex(known)
            continue
        test = _test(structure.kind, key, known)
        rules = _own_rules(known)
        plans[key] = _primitives(key, test, rules) if known.element.repeats else _primitive(key, test, rules)
        attribute = (key == "id" and structure.kind != "resource") or (name, key) == ("Extension", "url")
        if not attribute and known.type != "xhtml":
            plans[f"_{key}"] = _shadows(key) if known.element.repeats else _shadow(key)
        if known.type == "xhtml":
            plans[key] = _narrative
    return plans


def _test(kind: str, key: str, known: Key) -> Test:
    """A test of values: of the type, and of the codes its binding allows."""
    of_type = test_of("id" if key == "id" and kind == "resource" else known.type)
    of_codes = code_test(known.element.binding) if known.type == "code" else None
    if of_codes is None:
        return of_type
    return lambda value: of_type(value) or of_codes(value)


def _own_rules(known: Key) -> tuple[Rule, ...]:
    """Rules that stand at the element and not at its type."""
    of_type = structures()[known.type].constraints
    return rules_of([one for one in known.element.constraints if one not in of_type], known.type)


def _primitive(key: str, test: Test, rules: tuple[Rule, ...]) -> Plan:
    def plan(value: Any, told: dict[str, Any], report: Report) -> None:
        problem = test(value)
        if problem is not None:
            report.add(problem)
        elif rules:
            for rule in rules:
                rule(value, told.get(f"_{key}"), report)
    return plan


def _primitives(key: str, test: Test, rules: tuple[Rule, ...]) -> Plan:
    def plan(value: Any, told: dict[str, Any], report: Report) -> None:
        if type(value) is not list or not value:
            report.add(_NO_LIST if type(value) is not list else _EMPTY_LIST)
            return
        beside = told.get(f"_{key}")
        for number, one in enumerate(value):
            if one is None:
                if type(beside) is not list or number >= len(beside) or beside[number] is None:
                    report.add(_NULL, f"[{number}]")
                continue
            problem = test(one)
            if problem is not None:
                report.add(problem, f"[{number}]")
            elif rules:
                before = len(report.found)
                for rule in rules:
                    rule(one, None, report)
                report.under(before, f"[{number}]")
    return plan


def _shadow(key: str) -> Plan:
    def plan(value: Any, told: dict[str, Any], report: Report) -> None:
        _element(value, key in told, report)
    return plan


def _shadows(key: str) -> Plan:
    def plan(value: Any, told: dict[str, Any], report: Report) -> None:
        if type(value) is not list or not value:
            report.add(_NO_LIST if type(value) is not list else _EMPTY_LIST)
            return
        values = told.get(key, ())
        if type(values) is list and len(value) > len(values):
            report.add(wrong("structure", "there are more ids and extensions than values"))
        for number, one in enumerate(value):
            if one is not None:
                before = len(report.found)
                has_value = type(values) is list and number < len(values) and values[number] is not None
                _element(one, has_value, report)
                report.under(before, f"[{number}]")
            elif key not in told:
                report.add(_NULL, f"[{number}]")
    return plan


def _element(value: Any, has_value: bool, report: Report) -> None:
    """The id and extensions of a primitive."""
    if type(value) is dict and has_value and len(value) == 1 and "id" in value:
        value = {**value, "extension": [{"url": "urn:x", "valueBoolean": True}]}
    object_check("Element")(value, report)


def _narrative(value: Any, told: dict[str, Any], report: Report) -> None:
    check_narrative(value, report)


def _complex(known: Key) -> Plan:
    check = _complete(known)
    if not known.element.repeats:
        def single(value: Any, told: dict[str, Any], report: Report) -> None:
            check(value, report)
        return single
    most = known.element.max

    def repeated(value: Any, told: dict[str, Any], report: Report) -> None:
        if type(value) is not list or not value:
            report.add(_NO_LIST if type(value) is not list else _EMPTY_LIST)
            return
        if most is not None and len(value) > most:
            report.add(wrong("structure", f"there are at most {most} of them"))
        found = report.found
        for number, one in enumerate(value):
            before = len(found)
            check(one, report)
            if len(found) != before:
                report.under(before, f"[{number}]")
    return repeated


def _complete(known: Key) -> Check:
    """The check of one value: of its type, and what the element asks beyond it."""
    if known.type == "Resource":
        inside = known.element.name == "contained"
        return lambda value, report: _resource(value, report, inside=inside)
    of_type = object_check(known.type)
    more = [*_more(known)]
    if not more:
        return of_type

    def complete(value: Any, report: Report) -> None:
        of_type(value, report)
        if type(value) is dict:
            for one in more:
                one(value, report)
    return complete


def _more(known: Key) -> list[Check]:
    found: list[Check] = []
    if known.type == "Reference":
        found.append(reference_check(known.element.targets))
    if known.type in ("CodeableConcept", "Coding"):
        found += _verdicts(concept_test(known.element.binding))
    if structures().is_a(known.type, "Quantity"):
        found += _verdicts(unit_problem)
    found += [_ruled(rule) for rule in _own_rules(known)]
    return found


def _verdicts(test: Verdict | None) -> list[Check]:
    if test is None:
        return []

    def check(value: Any, report: Report) -> None:
        problem = test(value)
        if problem is not None:
            report.add(problem)
    return [check]


def _ruled(rule: Rule) -> Check:
    return lambda value, report: rule(value, None, report)
