"""Codes that bindings allow (http://hl7.org/fhir/R4/terminologies.html#binding)."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from fhir.definitions.structures import Binding
from fhir.definitions.value_sets import required_codes
from fhir.validation.grammars import GRAMMARS, LANGUAGES, UCUM, UNITS, is_unit
from fhir.validation.report import Problem, wrong

Verdict = Callable[[Any], Problem | None]


@cache
def _codes(value_set: str) -> frozenset[str] | None:
    told = required_codes().get(value_set)
    return None if told is None else frozenset(code for codes in told.values() for code in codes)


def code_test(binding: Binding | None) -> Verdict | None:
    """A test of values of type code by their binding; None where nothing is to be tested.

    The languages of R4 are a preferred list, but at most those of BCP 47 (its maxValueSet).
    """
    if binding is None or (binding.strength != "required" and binding.value_set != LANGUAGES):
        return None
    problem = wrong("code-invalid", f"this is no code of {binding.value_set}")
    grammar, codes = GRAMMARS.get(binding.value_set), _codes(binding.value_set)
    if grammar is not None:
        return lambda value: problem if type(value) is str and not grammar(value) else None
    if codes is None:
        return None
    return lambda value: problem if type(value) is str and value not in codes else None


def concept_test(binding: Binding | None) -> Verdict | None:
    """A test of CodeableConcept and Coding by their binding: one of the codings is of the value set.

    Where a binding is extensible, another code is worth a warning: there may be a code for it in the value set.
    """
    if binding is None or binding.strength not in ("required", "extensible"):
        return None
    if binding.value_set == UNITS:
        def allows(system: Any, code: Any) -> bool:
            return system == UCUM and isinstance(code, str) and is_unit(code)
    else:
        systems = required_codes().get(binding.value_set)
        if systems is None:
            return None

        def allows(system: Any, code: Any) -> bool:
            return isinstance(system, str) and isinstance(code, str) and code in systems.get(system, ())
    severity = "error" if binding.strength == "required" else "warning"
    problem = (severity, "code-invalid", f"none of the codings is of {binding.value_set}")

    def test(value: Any) -> Problem | None:
        codings = list(codings_of(value))
        if severity == "warning" and not codings:
            return None
        return None if any(allows(one.get("system"), one.get("code")) for one in codings) else problem
    return test


def codings_of(value: Any) -> Iterator[dict[str, Any]]:
    """The codings of a CodeableConcept, or the Coding or Quantity itself."""
    if isinstance(value, dict):
        told = value.get("coding", () if "text" in value or "code" not in value else (value,))
        yield from (one for one in told if isinstance(one, dict)) if isinstance(told, list | tuple) else ()


def unit_problem(value: Any) -> Problem | None:
    """What is wrong with the code of a Quantity that says it is one of UCUM."""
    if type(value) is dict and value.get("system") == UCUM:
        code = value.get("code")
        if type(code) is str and not is_unit(code):
            return ("warning", "code-invalid", "this is no unit as UCUM writes them")
    return None
