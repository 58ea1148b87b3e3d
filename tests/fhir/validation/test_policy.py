"""What is refused depends on the setting; what could not be searched or written again always is."""

from typing import Any

import pytest

from fhir.path import Expression
from fhir.validation.check import Validator
from fhir.validation.policy import Mode, policy

RULES: dict[str, Any] = {"resourceType": "Patient", "gender": "m", "communication": [{"preferred": True}]}
SHAPE: dict[str, Any] = {"resourceType": "Patient", "name": "A", "birthDate": "yesterday"}


@pytest.mark.parametrize(("mode", "severities"), [
    (Mode.OFF, []), (Mode.WARN, ["warning", "warning"]), (Mode.STRICT, ["error", "error"])])
def test_broken_rules(mode: Mode, severities: list[str]) -> None:
    assert [one.severity for one in policy(Validator(), mode)(RULES)] == severities


@pytest.mark.parametrize("mode", list(Mode))
def test_what_has_not_the_shape_of_a_resource_is_always_refused(mode: Mode) -> None:
    assert [one.severity for one in policy(Validator(), mode)(SHAPE)] == ["error", "error"]


def test_rules_count_for_nothing_where_checks_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    nameless = {"resourceType": "Patient", "contact": [{"gender": "male"}]}
    assert [one.code for one in policy(Validator(), Mode.STRICT)(nameless)] == ["invariant"]
    assert policy(Validator(), Mode.OFF)(nameless) == []
    monkeypatch.setattr(Expression, "holds", lambda *_: pytest.fail("an invariant was evaluated"))
    assert policy(Validator(), Mode.OFF)(nameless) == []


def test_best_practice_is_not_told_on_writing() -> None:
    assert policy(Validator(), Mode.STRICT)({"resourceType": "Patient"}) == []
