"""Values of primitive types (http://hl7.org/fhir/R4/datatypes.html#primitive), by a test for each."""

import re
from binascii import a2b_base64
from calendar import monthrange
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from fhir.definitions.structures import structures
from fhir.validation.report import Problem, wrong

MAX_STRING = 1024 * 1024                 # characters
Test = Callable[[Any], Problem | None]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_NO_URI = re.compile(r"[\s\x00-\x1f]")
_STRING = wrong("structure", "a JSON string is expected here")
_EMPTY = wrong("structure", "a value is never empty")
_CHARACTER = wrong("value", "a control character has no place in a value")
_NO_DATE = wrong("value", "there is no such day")


def test_of(kind: str) -> Test:
    """The test of a primitive type; it tells what is wrong with a value, or None."""
    return _TESTS[kind]


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    """The official regular expression of a type; none of them takes long, whatever the value."""
    return re.compile(structures()[kind].elements["value"].pattern)


def _boolean(value: Any) -> Problem | None:
    return None if value is True or value is False else wrong("structure", "true or false is expected here")


def _integer(least: int) -> Test:
    problem = wrong("value", f"a whole number from {least} to 2147483647 is expected here")

    def test(value: Any) -> Problem | None:
        if type(value) is int:
            return None if least <= value <= 2_147_483_647 else problem
        return problem if type(value) is Decimal else wrong("structure", "a JSON number is expected here")
    return test


def _decimal(value: Any) -> Problem | None:
    kind = type(value)
    return None if kind is int or kind is Decimal else wrong("structure", "a JSON number is expected here")


def _string(value: Any) -> Problem | None:
    if type(value) is not str:
        return _STRING
    if not value:
        return _EMPTY
    if _CONTROL.search(value):
        return _CHARACTER
    if len(value) > MAX_STRING:
        return wrong("too-long", f"a string has at most {MAX_STRING} characters")
    if value[0].isspace() and value.isspace():
        return ("warning", "value", "a string of spaces says nothing")
    return None


def _matching(kind: str) -> Test:
    pattern = _pattern(kind).fullmatch
    problem = wrong("value", f"this is no {kind}")

    def test(value: Any) -> Problem | None:
        if type(value) is not str:
            return _STRING
        if pattern(value):
            return None
        return problem if value else _EMPTY
    return test


def _code(value: Any) -> Problem | None:
    """Without spaces at its ends, and no two in a row."""
    if type(value) is not str:
        return _STRING
    if not value:
        return _EMPTY
    if value.isalnum():
        return None
    if " ".join(value.split()) != value:
        return wrong("value", "a code has no spaces but single ones between words")
    return _CHARACTER if _CONTROL.search(value) else None


def _uri(value: Any) -> Problem | None:
    if type(value) is not str:
        return _STRING
    if not value:
        return _EMPTY
    if _NO_URI.search(value):
        return wrong("value", "a URI has no spaces")
    if value[:4] == "urn:":
        kind = value[4:9].partition(":")[0]
        if kind in ("oid", "uuid") and not _pattern(kind).fullmatch(value):
            return ("warning", "value", f"this is no {kind}")
    return None


def _base64(value: Any) -> Problem | None:
    if type(value) is not str:
        return _STRING
    if not value:
        return _EMPTY
    try:
        a2b_base64("".join(value.split()), strict_mode=True)
    except ValueError:
        return wrong("value", "this is no base64")
    return None


def _dated(kind: str) -> Test:
    """A pattern, and days that the month has."""
    test = _matching(kind)

    def dated(value: Any) -> Problem | None:
        problem = test(value)
        if problem is None and value[8:10] > "28":
            year, month, day = int(value[:4]), int(value[5:7]), int(value[8:10])
            if day > monthrange(year, month)[1]:
                return _NO_DATE
        return problem
    return dated


def _xhtml(value: Any) -> Problem | None:
    return _STRING if type(value) is not str else None if value else _EMPTY


_TESTS: Mapping[str, Test] = {
    "boolean": _boolean, "decimal": _decimal,
    "integer": _integer(-2_147_483_648), "unsignedInt": _integer(0), "positiveInt": _integer(1),
    "string": _string, "markdown": _string, "code": _code,
    "uri": _uri, "url": _uri, "canonical": _uri, "base64Binary": _base64, "xhtml": _xhtml,
    **{kind: _matching(kind) for kind in ("id", "oid", "uuid", "time")},
    **{kind: _dated(kind) for kind in ("date", "dateTime", "instant")},
}
