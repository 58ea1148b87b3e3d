"""What is made of the problems of a resource that is to be kept: the setting `fhir.validation`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

from fhir.outcome import Issue
from fhir.validation.check import Validator

ALWAYS = frozenset(("structure", "value", "too-long"))   # what neither XML nor search could be made of

Check = Callable[[Mapping[str, Any]], Sequence[Issue]]


class Mode(Enum):
    """How strictly what is written is checked."""

    OFF = "off"                          # only what could not be given out or searched is refused
    WARN = "warn"                        # the same, and rules that are broken are told as warnings
    STRICT = "strict"                    # a resource that breaks a rule is refused


def policy(validator: Validator, mode: Mode) -> Check:
    """The check of what is written: issues of severity error refuse it."""
    def check(resource: Mapping[str, Any]) -> Sequence[Issue]:
        found = validator.check(resource, named=mode is Mode.STRICT, ruled=mode is not Mode.OFF)
        issues = [one for one in found if one.severity != "information"]
        if mode is Mode.STRICT:
            return issues
        refusing = [one for one in issues if one.code in ALWAYS or one.severity == "fatal"]
        if mode is Mode.OFF:
            return [one for one in refusing if one.severity != "warning"]
        return [one if one in refusing else replace(one, severity="warning") for one in issues]
    return check
