"""Mathematics (http://hl7.org/fhirpath/N1/#math)."""

from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, DecimalException
from typing import Any

from fhir.path.evaluation import NONE, Frame, Items, integer_of, one
from fhir.path.functions.table import Function
from fhir.path.operators import number
from fhir.path.quantity import Quantity
from pacsd.faults import Fault, PacsdError

_MOST_PLACES = 28


def _number(items: Items, name: str) -> Any:
    """The only number, or None. Raises PacsdError (MISMATCH) for several, and for what is none."""
    node = one(items, name)
    value = node.system if node is not None else None
    if value is not None and type(value) not in (int, Decimal, Quantity):
        raise PacsdError(Fault.MISMATCH, f"FHIRPath: {name} takes a number")
    return value


def _of(name: str, compute: Callable[..., Any], arguments: int = 0) -> Function:
    """A function of numbers: nothing where one of them is not there, or where it has no value."""
    def call(frame: Frame, items: Items, *others: Items) -> Items:
        values = [_number(one, name) for one in (items, *others)]
        if any(value is None for value in values):
            return NONE
        if any(type(value) is Quantity for value in values):
            raise PacsdError(Fault.MISMATCH, f"FHIRPath: {name} takes numbers without unit")
        try:
            result = compute(*values)
        except (DecimalException, OverflowError):
            return NONE
        return NONE if result is None else (number(result),)
    return Function(call, arguments, arguments)


def absolute(frame: Frame, items: Items) -> Items:
    """`abs()`: without its sign."""
    value = _number(items, "abs()")
    if value is None:
        return NONE
    return (number(Quantity(abs(value.value), value.unit) if type(value) is Quantity else abs(value)),)


def _whole(rounding: str) -> Callable[[Any], int | None]:
    def compute(value: Any) -> int | None:
        whole = Decimal(value).to_integral_value(rounding)
        return int(whole) if whole.adjusted() < 30 else None
    return compute


def _logarithm(value: Any, base: Any) -> Decimal | None:
    if value <= 0 or base <= 0 or base == 1:
        return None
    quotient = Decimal(value).ln() / Decimal(base).ln()
    return round(quotient, 20).normalize()


def _power(value: Any, exponent: Any) -> Any:
    if value < 0 and Decimal(exponent) % 1:
        return None
    result = Decimal(value) ** Decimal(exponent)
    if type(value) is int and type(exponent) is int and exponent >= 0 and result.adjusted() < 19:
        return int(value ** exponent)
    return result


def rounded(frame: Frame, items: Items, places: Items | None = None) -> Items:
    """To a number of places, by default none; halves away from zero."""
    value = _number(items, "round()")
    digits = 0 if places is None else integer_of(places, "round()")
    if value is None or digits is None:
        return NONE
    if not 0 <= digits <= _MOST_PLACES:
        raise PacsdError(Fault.MISMATCH, f"FHIRPath: round() takes 0 to {_MOST_PLACES} places")
    bare = value.value if type(value) is Quantity else Decimal(value)
    try:
        result = bare.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    except DecimalException:
        return NONE
    return (number(Quantity(result, value.unit) if type(value) is Quantity else result),)


PLAIN: Mapping[str, Function] = {
    "abs": Function(absolute), "ceiling": _of("ceiling()", _whole(ROUND_CEILING)),
    "floor": _of("floor()", _whole(ROUND_FLOOR)), "truncate": _of("truncate()", _whole(ROUND_DOWN)),
    "exp": _of("exp()", lambda value: Decimal(value).exp()),
    "ln": _of("ln()", lambda value: Decimal(value).ln() if value > 0 else None),
    "log": _of("log()", _logarithm, 1), "power": _of("power()", _power, 1),
    "sqrt": _of("sqrt()", lambda value: Decimal(value).sqrt() if value >= 0 else None),
    "round": Function(rounded, 0, 1),
}
