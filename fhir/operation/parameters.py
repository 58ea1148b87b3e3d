"""What an operation is given, by URL or in Parameters (http://hl7.org/fhir/R4/operations.html#request)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from fhir.interaction.request import Request
from fhir.interaction.times import period
from fhir.outcome import FhirError
from pacsd.faults import Fault

_MOST_TEXT = 10_000                      # characters of one value


class In(NamedTuple):
    """A parameter that an operation may be given. `kind`: its data type; also by URL if primitive."""

    name: str
    kind: str
    most: int | None = 1                 # None: any number


_PRIMITIVE = {
    "string": str, "uri": str, "canonical": str, "code": str, "id": str, "date": str, "dateTime": str, "instant": str,
    "boolean": bool, "integer": int,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Given:
    """Values by name, each of the type that was declared."""

    values: Mapping[str, Sequence[Any]]

    def all(self, name: str) -> Sequence[Any]:
        """All values of a parameter."""
        return self.values.get(name, ())

    def text(self, name: str) -> str:
        """A string, code, uri …; empty where there is none."""
        return str(next(iter(self.all(name)), ""))

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean."""
        return bool(next(iter(self.all(name)), default))

    def number(self, name: str) -> int | None:
        """An integer."""
        return next(iter(self.all(name)), None)

    def object(self, name: str) -> dict[str, Any] | None:
        """A Coding, a resource …"""
        return next(iter(self.all(name)), None)

    def instant(self, name: str) -> datetime | None:
        """The first moment of a date, dateTime or instant."""
        text = self.text(name)
        return period(text, name)[0] if text else None

    def required(self, name: str) -> Any:
        """A value that must be there. Raises FhirError MALFORMED."""
        found = next(iter(self.all(name)), None)
        if found is None:
            raise FhirError(Fault.MALFORMED, f"the parameter {name} is missing", code="required")
        return found


def given(request: Request, declared: Sequence[In], *, alone: str = "") -> Given:
    """What a request gives of what is declared. `alone`: the parameter that a body which is no Parameters stands for.

    Raises FhirError MALFORMED, UNSUPPORTED for a parameter that is not declared: an answer without heeding it would
    be one to another question.
    """
    known = {one.name: one for one in declared}
    values: dict[str, list[Any]] = {}
    for name, value in _said(request, alone):
        one = known.get(name)
        if one is None:
            raise FhirError(Fault.UNSUPPORTED, f"{name[:64]!r} is no parameter that is known here")
        values.setdefault(name, []).append(value(one))
        if one.most is not None and len(values[name]) > one.most:
            raise FhirError(Fault.MALFORMED, f"the parameter {name} is given more than {one.most} times", code="value")
    return Given(values)


class _OfUrl(NamedTuple):
    text: str

    def __call__(self, one: In) -> Any:
        kind = _PRIMITIVE.get(one.kind)
        if kind is None:
            raise FhirError(Fault.MALFORMED, f"the parameter {one.name} is not given by URL", code="value")
        if kind is bool:
            return _boolean(one, self.text)
        if kind is int:
            return _integer(one, self.text)
        return _string(one, self.text)


class _OfBody(NamedTuple):
    row: Mapping[str, Any]

    def __call__(self, one: In) -> Any:
        if one.kind == "Resource":
            return _object(one, self.row.get("resource"))
        key = next((key for key in self.row if key.startswith("value")), None)
        value = None if key is None else self.row[key]
        kind = _PRIMITIVE.get(one.kind)
        if kind is None:
            if key != f"value{one.kind}":
                raise _not_of(one)
            return _object(one, value)
        if kind is str:
            return _string(one, value)
        if kind is int and isinstance(value, int) and not isinstance(value, bool):
            return _integer(one, str(value))
        if kind is bool and isinstance(value, bool):
            return value
        raise _not_of(one)


def _said(request: Request, alone: str) -> Iterator[tuple[str, _OfUrl | _OfBody]]:
    for name, value in request.parameters:
        yield name, _OfUrl(value)
    resource = request.resource
    if resource is None:
        return
    if resource.get("resourceType") != "Parameters":
        if not alone:
            raise FhirError(Fault.MALFORMED, "the body of this operation is Parameters", code="structure")
        yield alone, _OfBody({"resource": resource})
        return
    rows = resource.get("parameter", [])
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise FhirError(Fault.MALFORMED, "Parameters.parameter is an array of objects", code="structure")
    for row in rows:
        yield str(row.get("name", "")), _OfBody(row)


def _string(one: In, value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > _MOST_TEXT or "\0" in value:
        raise _not_of(one)
    return value


def _boolean(one: In, text: str) -> bool:
    if text not in ("true", "false"):
        raise _not_of(one)
    return text == "true"


def _integer(one: In, text: str) -> int:
    if not re.fullmatch(r"-?\d{1,10}", text, re.ASCII):
        raise _not_of(one)
    return max(-(1 << 31), min(int(text), (1 << 31) - 1))


def _object(one: In, value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or (one.kind == "Coding" and not _is_coding(value)):
        raise _not_of(one)
    if one.kind == "CodeableConcept":
        coding = value.get("coding", [])
        if not isinstance(coding, list) or not all(isinstance(row, dict) and _is_coding(row) for row in coding):
            raise _not_of(one)
    return value


def _is_coding(told: Mapping[str, Any]) -> bool:
    return all(isinstance(told.get(name, ""), str) for name in ("system", "version", "code", "display"))


def _not_of(one: In) -> FhirError:
    return FhirError(Fault.MALFORMED, f"the parameter {one.name} is a {one.kind}", code="value")


def parameters(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Parameters as an operation gives them out."""
    return {"resourceType": "Parameters", "parameter": list(rows)}
