"""Rules of the definitions, as FHIRPath expressions that must be true of an element
(http://hl7.org/fhir/R4/conformance-rules.html#constraints)."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from fhir.definitions.structures import Constraint
from fhir.path import Context, Node, compile  # noqa: A004
from fhir.path.equality import key
from fhir.validation.contained import RULES as OF_CONTAINED
from fhir.validation.report import Report
from pacsd.faults import PacsdError

Rule = Callable[[Any, Any, Report], None]        # a value, and what stands under `_name` beside it
Predicate = Callable[[Mapping[str, Any]], bool]

# Checked without an expression, in modules of their own
ELSEWHERE = OF_CONTAINED | {"txt-1", "txt-2", "ref-1", "ele-1"}
MISTAKEN = frozenset(("cid-0",))         # of an element `name` that a ChargeItemDefinition does not have
BEST_PRACTICE = frozenset(("dom-6",))



def _extension(told: Mapping[str, Any]) -> bool:
    return ("extension" in told) != any(key[:5] == "value" or key[:6] == "_value" for key in told)


def _narrated(told: Mapping[str, Any]) -> bool:
    text = told.get("text")
    return isinstance(text, dict) and "div" in text


def _component_codes(told: Mapping[str, Any]) -> bool:
    """Over a set: the expression looks at each code of the observation again for each of a component."""
    if not any(key[:5] == "value" or key[:6] == "_value" for key in told):
        return True
    own = {_key(one) for one in _codings(told.get("code"))}
    components = told.get("component", ())
    return not any(_key(one) in own for component in components for one in _codings(component.get("code")))


def _codings(concept: Any) -> list[Any]:
    return list(concept.get("coding", ())) if isinstance(concept, dict) else []


def _key(coding: Any) -> Hashable:
    return key(Node(coding, "Coding"))


# Rules that each resource meets many times, or that take long, without a detour by FHIRPath; a test compares both.
DIRECT: Mapping[str, Predicate] = {
    "extension.exists() != value.exists()": _extension,
    "code.empty() or system.exists()": lambda told: ("code" not in told and "_code" not in told) or (
        "system" in told or "_system" in told),
    "value.empty() or system.exists()": lambda told: ("value" not in told and "_value" not in told) or (
        "system" in told or "_system" in told),
    "text.`div`.exists()": _narrated,
    "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()": _component_codes,
}


def rules_of(constraints: Iterable[Constraint], kind: str) -> tuple[Rule, ...]:
    """The rules of an element of some type, each compiled once."""
    return tuple(rule_of(one, kind) for one in constraints if one.key not in ELSEWHERE | MISTAKEN)


def rule_of(constraint: Constraint, kind: str) -> Rule:
    """A rule: it reports the element that breaks it; a warning where there is no telling whether it does."""
    severity = "information" if constraint.key in BEST_PRACTICE else constraint.severity
    problem = (severity, "invariant", f"{constraint.key}: {constraint.human}")
    direct = DIRECT.get(constraint.expression)
    if direct is not None:
        def directly(value: Any, beside: Any, report: Report) -> None:
            if not direct(value):
                report.add(problem)
        return directly
    expression = compile(constraint.expression)

    def evaluated(value: Any, beside: Any, report: Report) -> None:
        try:
            if expression.holds(Node(value, kind, beside), Context(report.resource, report.root)):
                return
        except PacsdError as error:
            report.add(("warning", "invariant", f"{constraint.key} cannot be told: {error.message}"))
            return
        report.add(problem)
    return evaluated
