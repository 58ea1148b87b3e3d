"""Equality, equivalence and order (http://hl7.org/fhirpath/N1/#equality, #comparison)."""

import unicodedata
from collections.abc import Hashable, Sequence
from decimal import Decimal, DecimalException
from typing import Any

from fhir.path import quantity, temporal
from fhir.path.nodes import Node, is_a
from fhir.path.quantity import Quantity
from fhir.path.temporal import Temporal
from pacsd.faults import Fault, PacsdError


def key(node: Node) -> Hashable:
    """The same for nodes that `=` calls equal, another for others."""
    return _key(node.system)


def _key(value: Any) -> Hashable:
    if type(value) is dict:
        return ("{}", frozenset((name, _key(one)) for name, one in value.items()))
    if type(value) is list:
        return ("[]", tuple(_key(one) for one in value))
    if type(value) is Temporal:
        return value.key()
    if type(value) is Quantity:
        return value.base()
    return (type(value) is bool, value)


def same(left: Sequence[Node], right: Sequence[Node]) -> bool | None:
    """`left = right`: None if either is empty, or if precision or units leave it open."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    for one, other in zip(left, right, strict=True):
        equal = _equal(one.system, other.system)
        if not equal:
            return equal
    return True


def _equal(left: Any, right: Any) -> bool | None:
    if type(left) is str or type(right) is str:
        return bool(left == right)
    if type(left) is Temporal and type(right) is Temporal:
        if (left.kind == temporal.TIME) != (right.kind == temporal.TIME):
            return False
        order = temporal.compared(left, right)
        return None if order is None else order == 0
    left, right = _quantities(left, right)
    if type(left) is Quantity and type(right) is Quantity:
        order = quantity.compared(left, right)
        return None if order is None else order == 0
    return _key(left) == _key(right)


def _quantities(left: Any, right: Any) -> tuple[Any, Any]:
    """A number beside a quantity is one without unit (N1 "Conversion")."""
    if type(left) is Quantity and type(right) in (int, Decimal):
        return left, Quantity(Decimal(right), "1")
    if type(right) is Quantity and type(left) in (int, Decimal):
        return Quantity(Decimal(left), "1"), right
    return left, right


def equivalent(left: Sequence[Node], right: Sequence[Node]) -> bool:
    """`left ~ right`: in any order, of the lesser precision, without regard to case and space."""
    if len(left) != len(right):
        return False
    if len(left) == 1:
        return _alike(left[0].system, right[0].system)
    others = [one.system for one in right]
    for one in left:
        value = one.system
        found = next((place for place, other in enumerate(others) if _alike(value, other)), None)
        if found is None:
            return False
        del others[found]
    return True


def _alike(left: Any, right: Any) -> bool:
    if type(left) is str and type(right) is str:
        return normalised(left) == normalised(right)
    if type(left) is Temporal and type(right) is Temporal:
        return temporal.compared(left, right) == 0
    left, right = _quantities(left, right)
    if type(left) is Quantity and type(right) is Quantity:
        (one, dimension), (other, dimension2) = left.base(), right.base()
        return dimension == dimension2 and _about(one, other)
    if isinstance(left, int | Decimal) and isinstance(right, int | Decimal) and bool not in (type(left), type(right)):
        return _about(Decimal(left), Decimal(right))
    if type(left) is dict and type(right) is dict:
        names = (left.keys() | right.keys()) - {"id"}
        return all(name in left and name in right and _alike(left[name], right[name]) for name in names)
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(_alike(*pair) for pair in zip(left, right, strict=True))
    return _key(left) == _key(right)


def normalised(text: str) -> str:
    """Text as `~` compares it: in one case, each run of space one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _about(left: Decimal, right: Decimal) -> bool:
    """Equal after rounding to the precision of the less precise one, zeros at the end left out (N1 "Equivalence")."""
    places = min(_places(left), _places(right))
    try:
        step = Decimal(1).scaleb(-places)
        return left.quantize(step) == right.quantize(step)
    except DecimalException:
        return left == right


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def order(left: Node, right: Node) -> int | None:
    """Negative, 0 or positive; None where precision or units leave it open, or a Quantity tells no one number.

    Raises PacsdError (MISMATCH) for values of kinds that do not compare.
    """
    one, other = _quantities(left.system, right.system)
    if one is None or other is None or _no_number(one, left) or _no_number(other, right):
        return None
    if type(one) is str and type(other) is str:
        return -1 if one < other else int(one > other)
    if type(one) in (int, Decimal) and type(other) in (int, Decimal):
        return -1 if one < other else int(one > other)
    if type(one) is Temporal and type(other) is Temporal and \
            (one.kind == temporal.TIME) == (other.kind == temporal.TIME):
        return temporal.compared(one, other)
    if type(one) is Quantity and type(other) is Quantity:
        return quantity.compared(one, other)
    raise PacsdError(Fault.MISMATCH, f"FHIRPath: a {left.type} does not compare with a {right.type}")


def _no_number(value: Any, node: Node) -> bool:
    return type(value) is dict and is_a(node.type, "Quantity")
