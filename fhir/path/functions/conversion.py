"""Conversion (http://hl7.org/fhirpath/N1/#conversion)."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from fhir.path import temporal
from fhir.path.evaluation import FALSE, NONE, TRUE, Frame, Items, Lambda, one, text_of, truth
from fhir.path.functions.table import Function
from fhir.path.nodes import of
from fhir.path.operators import number
from fhir.path.quantity import CALENDAR, Quantity, unit
from fhir.path.temporal import Temporal

_MOST_DIGITS = 100                       # of a number read from text
_INTEGER = re.compile(r"[+-]?\d+")
_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d+)?")
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(?:'([^']+)'|([A-Za-z]+))?")
_TRUE = {"true", "t", "yes", "y", "1", "1.0"}
_FALSE = {"false", "f", "no", "n", "0", "0.0"}


def iif(frame: Frame, items: Items, criterion: Lambda, then: Lambda, otherwise: Lambda | None = None) -> Items:
    """What one of two expressions finds; the other is not evaluated. Raises PacsdError (MISMATCH) on several items."""
    one(items, "iif()")
    if truth(criterion(frame, items), "iif()"):
        return then(frame, items)
    return otherwise(frame, items) if otherwise else NONE


def _boolean(value: Any) -> bool | None:
    if type(value) is bool:
        return value
    if type(value) is str:
        word = value.lower()
        return True if word in _TRUE else False if word in _FALSE else None
    if type(value) in (int, Decimal):
        return True if value == 1 else False if value == 0 else None
    return None


def _integer(value: Any) -> int | None:
    if type(value) in (bool, int):
        return int(value)
    if type(value) is str and len(value) <= _MOST_DIGITS and _INTEGER.fullmatch(value):
        return int(value)
    return None


def _decimal(value: Any) -> Decimal | None:
    if type(value) in (bool, int, Decimal):
        return Decimal(value)
    if type(value) is str and len(value) <= _MOST_DIGITS and _DECIMAL.fullmatch(value):
        return Decimal(value)
    return None


def _text(value: Any) -> str | None:
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is Decimal and abs(value.adjusted()) < _MOST_DIGITS:
        return f"{value:f}"
    return str(value) if type(value) in (str, int, Decimal, Temporal, Quantity) else None


def _date(value: Any) -> Temporal | None:
    moment = temporal.read_date_time(value) if type(value) is str else value
    if type(moment) is not Temporal or moment.kind == temporal.TIME:
        return None
    return Temporal(temporal.DATE, moment.fields[:3])


def _date_time(value: Any) -> Temporal | None:
    moment = temporal.read_date_time(value) if type(value) is str else value
    if type(moment) is not Temporal or moment.kind == temporal.TIME:
        return None
    return Temporal(temporal.DATE_TIME, moment.fields, moment.zone)


def _time(value: Any) -> Temporal | None:
    moment = temporal.read_time(value) if type(value) is str else value
    return moment if type(moment) is Temporal and moment.kind == temporal.TIME else None


def _quantity(value: Any) -> Quantity | None:
    if type(value) is Quantity:
        return value
    if type(value) in (bool, int, Decimal):
        return Quantity(Decimal(value), "1")
    if type(value) is not str or len(value) > 2 * _MOST_DIGITS:
        return None
    found = _QUANTITY.fullmatch(value)
    if found is None or (found[3] and found[3] not in CALENDAR):
        return None
    return Quantity(Decimal(found[1]), found[2] or found[3] or "1")


def _in_unit(quantity: Quantity, code: str) -> Quantity | None:
    """The same quantity in another unit; None if it does not convert into that."""
    if code == quantity.unit:
        return quantity
    to, (value, dimension) = unit(code), quantity.base()
    if to is None or to[1] != dimension:
        return None
    return Quantity(value / to[0], code)


def _to(name: str, convert: Callable[[Any], Any]) -> Callable[[Frame, Items], Items]:
    def to(frame: Frame, items: Items) -> Items:
        node = one(items, name)
        value = convert(node.system) if node is not None else None
        return NONE if value is None else (number(value),)
    return to


def _converts(name: str, convert: Callable[[Any], Any]) -> Callable[[Frame, Items], Items]:
    def converts(frame: Frame, items: Items) -> Items:
        node = one(items, name)
        if node is None:
            return NONE
        return FALSE if convert(node.system) is None else TRUE
    return converts


def to_quantity(frame: Frame, items: Items, code: Items = NONE) -> Items:
    """A quantity, in a unit if one is named."""
    node, wanted = one(items, "toQuantity()"), text_of(code, "toQuantity()")
    value = _quantity(node.system) if node is not None else None
    if value is not None and wanted is not None:
        value = _in_unit(value, wanted)
    return NONE if value is None else (of(value),)


def converts_to_quantity(frame: Frame, items: Items, code: Items = NONE) -> Items:
    """Whether it converts."""
    if one(items, "convertsToQuantity()") is None:
        return NONE
    return TRUE if to_quantity(frame, items, code) else FALSE


_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "Boolean": _boolean, "Integer": _integer, "Decimal": _decimal, "String": _text, "Date": _date,
    "DateTime": _date_time, "Time": _time}

PLAIN: Mapping[str, Function] = {
    **{f"to{kind}": Function(_to(f"to{kind}()", convert)) for kind, convert in _KINDS.items()},
    **{f"convertsTo{kind}": Function(_converts(f"convertsTo{kind}()", convert)) for kind, convert in _KINDS.items()},
    "toQuantity": Function(to_quantity, 0, 1), "convertsToQuantity": Function(converts_to_quantity, 0, 1),
}
ITERATING: Mapping[str, Function] = {"iif": Function(iif, 2, 3)}
