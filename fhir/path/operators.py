"""Operators of FHIRPath (http://hl7.org/fhirpath/N1/#operations), logic apart, which need not look at both sides."""

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal, DecimalException
from typing import Any

from fhir.path import equality, quantity, temporal
from fhir.path.evaluation import FALSE, NONE, TRUE, Items, bounded, one, told
from fhir.path.nodes import Node, of
from fhir.path.quantity import CALENDAR, CALENDAR_OF, Quantity
from fhir.path.temporal import Temporal
from pacsd.faults import Fault, PacsdError

MAX_INTEGER = 2**63 - 1


def equal(left: Items, right: Items) -> Items:
    """`=`."""
    return told(equality.same(left, right))


def not_equal(left: Items, right: Items) -> Items:
    """`!=`."""
    same = equality.same(left, right)
    return told(None if same is None else not same)


def equivalent(left: Items, right: Items) -> Items:
    """`~`."""
    return told(equality.equivalent(left, right))


def not_equivalent(left: Items, right: Items) -> Items:
    """`!~`."""
    return told(not equality.equivalent(left, right))


def _ordered(mark: str, holds: Callable[[int], bool]) -> Callable[[Items, Items], Items]:
    def compare(left: Items, right: Items) -> Items:
        this, other = one(left, mark), one(right, mark)
        if this is None or other is None:
            return NONE
        order = equality.order(this, other)
        return told(None if order is None else holds(order))
    return compare


def distinct(items: Items) -> Items:
    """Items without those that `=` one before."""
    if len(items) < 2:
        return items
    found: dict[object, Node] = {}
    for item in items:
        found.setdefault(equality.key(item), item)
    return tuple(found.values())


def union(left: Items, right: Items) -> Items:
    """`|`: all of both, none twice."""
    return distinct((*left, *right))


def within(left: Items, right: Items) -> Items:
    """`in`."""
    item = one(left, "in")
    if item is None:
        return NONE
    sought = equality.key(item)
    return TRUE if any(equality.key(other) == sought for other in right) else FALSE


def contains(left: Items, right: Items) -> Items:
    """`contains`."""
    return within(right, left)


def joined(left: Items, right: Items) -> Items:
    """`&`: strings one after the other, an empty collection as the empty string."""
    this, other = one(left, "&"), one(right, "&")
    texts = [item.system if item is not None else "" for item in (this, other)]
    if any(type(text) is not str for text in texts):
        raise PacsdError(Fault.MISMATCH, "FHIRPath: & takes strings")
    return (of(bounded("".join(texts))),)


def _arithmetic(mark: str, compute: Callable[[Any, Any], Any]) -> Callable[[Items, Items], Items]:
    def calculate(left: Items, right: Items) -> Items:
        this, other = one(left, mark), one(right, mark)
        if this is None or other is None:
            return NONE
        first, second = this.system, other.system
        if first is None or second is None:
            return NONE
        try:
            result = compute(first, second)
        except DecimalException:
            return NONE
        if result is NotImplemented:
            raise PacsdError(Fault.MISMATCH, f"FHIRPath: {mark} is not defined for {this.type} and {other.type}")
        return NONE if result is None else (number(result),)
    return calculate


def number(value: Any) -> Node:
    """A computed value; an integer beyond 64 bits is a decimal from there on."""
    if type(value) is int and abs(value) > MAX_INTEGER:
        value = Decimal(value)
    return of(value)


def _numbers(left: Any, right: Any) -> bool:
    return type(left) in (int, Decimal) and type(right) in (int, Decimal)


def _plus(left: Any, right: Any) -> Any:
    if _numbers(left, right):
        return left + right
    if type(left) is str and type(right) is str:
        return bounded(left + right)
    if type(left) is Temporal and type(right) is Quantity:
        return _moved(left, right, 1)
    if type(left) is Quantity and type(right) is Quantity:
        return _summed(left, right, 1)
    return NotImplemented


def _minus(left: Any, right: Any) -> Any:
    if _numbers(left, right):
        return left - right
    if type(left) is Temporal and type(right) is Quantity:
        return _moved(left, right, -1)
    if type(left) is Quantity and type(right) is Quantity:
        return _summed(left, right, -1)
    return NotImplemented


def _moved(moment: Temporal, duration: Quantity, sign: int) -> Temporal | None:
    code = CALENDAR.get(duration.unit, duration.unit)
    if code not in CALENDAR_OF or (code in ("year", "month") and duration.unit not in CALENDAR):
        raise PacsdError(Fault.MISMATCH, f"FHIRPath: {duration.unit!r} is no duration of the calendar")
    if abs(duration.value) > 10**15:
        return None
    return temporal.moved(moment, duration.value * sign, CALENDAR_OF[code])


def _summed(left: Quantity, right: Quantity, sign: int) -> Quantity | None:
    if left.unit == right.unit:
        return Quantity(left.value + right.value * sign, left.unit)
    (_, dimension), (_, dimension2) = left.base(), right.base()
    if dimension != dimension2:
        return None
    factors = quantity.unit(left.unit), quantity.unit(right.unit)
    if factors[0] is None or factors[1] is None:
        return None
    return Quantity(left.value + right.value * factors[1][0] / factors[0][0] * sign, left.unit)


def _times(left: Any, right: Any) -> Any:
    if _numbers(left, right):
        return left * right
    return _scaled(left, right, 1)


def _by(left: Any, right: Any) -> Any:
    if _numbers(left, right):
        return Decimal(left) / Decimal(right)
    return _scaled(left, right, -1)


def _scaled(left: Any, right: Any, power: int) -> Any:
    left, right = (Quantity(Decimal(one), "1") if type(one) in (int, Decimal) else one for one in (left, right))
    if type(left) is not Quantity or type(right) is not Quantity:
        return NotImplemented
    if power > 0 and left.unit == "1":
        left, right = right, left
    return quantity.product(left, right, power)


def _div(left: Any, right: Any) -> Any:
    if not _numbers(left, right):
        return NotImplemented
    if not right:
        return None
    whole = (Decimal(left) / Decimal(right)).to_integral_value(ROUND_DOWN)
    return int(whole) if whole.adjusted() < 19 else None


def _mod(left: Any, right: Any) -> Any:
    if not _numbers(left, right):
        return NotImplemented
    if not right:
        return None
    rest = Decimal(left) % Decimal(right)
    return int(rest) if type(left) is int and type(right) is int else rest


OPERATORS: Mapping[str, Callable[[Items, Items], Items]] = {
    "=": equal, "!=": not_equal, "~": equivalent, "!~": not_equivalent,
    "<": _ordered("<", lambda order: order < 0), "<=": _ordered("<=", lambda order: order <= 0),
    ">": _ordered(">", lambda order: order > 0), ">=": _ordered(">=", lambda order: order >= 0),
    "|": union, "in": within, "contains": contains, "&": joined,
    "+": _arithmetic("+", _plus), "-": _arithmetic("-", _minus), "*": _arithmetic("*", _times),
    "/": _arithmetic("/", _by), "div": _arithmetic("div", _div), "mod": _arithmetic("mod", _mod),
}
