"""SMART scopes: what is one, what it allows, and what is within another."""

import pytest

from pacsd.access.smart_scopes import SmartScope, is_allowed, parse

ALL = frozenset("cruds")


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("patient/Observation.rs", SmartScope("patient", "Observation", frozenset("rs"))),
        ("user/*.cruds", SmartScope("user", "*", ALL)),
        ("user/*.*", SmartScope("user", "*", ALL)),
        ("user/Patient.read", SmartScope("user", "Patient", frozenset("rs"))),
        ("system/Patient.write", SmartScope("system", "Patient", frozenset("cud"))),
        (
            "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
            SmartScope("patient", "Observation", frozenset("rs"),
                       (("category", "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"),)),
        ),
        ("openid", None), ("launch/patient", None), ("patient/Observation.sr", None), ("patient/Observation.", None),
        ("patient/observation.rs", None), ("Patient/Observation.rs", None), ("patient/Observation.rs?", None),
        ("patient/Observation.rs?a", None), ("patient/Observation.read?a=b", None), ("patient/*.rs\n", None),
        ("patient/Observation.rs?" + "&".join(["a=b"] * 20), None), ("patient/Observation.rs?a=" + "b" * 2000, None),
    ],
)  # fmt: skip
def test_scopes_are_parsed(text: str, scope: SmartScope | None) -> None:
    assert parse(text) == scope
    if scope is not None:
        assert parse(str(scope)) == scope


def test_value_that_needs_escapes_comes_back_as_it_was() -> None:
    scope = SmartScope("user", "Observation", frozenset("r"), (("code", "a&b=c d"),))
    assert parse(str(scope)) == scope


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("patient/Observation.r", True), ("patient/Observation.rs?category=a", True), ("openid", True),
        ("patient/Patient.read", True), ("patient/Observation.c", False), ("user/Observation.r", False),
        ("launch", False), ("user/Condition.rs?category=a&code=b", True), ("user/Condition.rs", False),
        ("user/Condition.rs?code=b", False),
    ],
)  # fmt: skip
def test_narrower_scopes_are_within_wider_ones(asked: str, allowed: bool) -> None:
    assert is_allowed(asked, ("openid", "patient/*.rs", "user/Condition.rs?category=a")) is allowed
