"""Numbers and what they reach over (http://hl7.org/fhir/R4/search.html#number, #quantity).

Of a number in a resource its exact value counts: a search for 100 is one for values from 99.5 to 100.5, and one for
more than 100 is not to find 100. Only what is asked for has a range by its precision.
"""

from collections.abc import Iterator
from decimal import Context, Decimal, DecimalException
from typing import Any

MAX_EXPONENT = 400                       # decimal digits before or after the point that are compared
MAX_POINTS = 100_000                     # of a SampledData
CURRENCY = "urn:iso:std:iso:4217"

_EXACT = Context(prec=2 * MAX_EXPONENT + 10)

Range = tuple[Decimal | None, Decimal | None]


def precise(value: Any) -> Range | None:
    """A number of JSON as both ends of a range; None if it is no number.

    What has more digits than MAX_EXPONENT on a side of the point is compared with nothing.
    """
    number = decimal(value)
    return None if number is None else (number, number)


def decimal(value: Any) -> Decimal | None:
    """A number of JSON, if it is one that is compared."""
    if type(value) is int:
        return Decimal(value) if -10**MAX_EXPONENT < value < 10**MAX_EXPONENT else None
    if type(value) is float:
        value = Decimal(repr(value))
    if type(value) is not Decimal or not value.is_finite():
        return None
    _, digits, exponent = value.as_tuple()
    within = isinstance(exponent, int) and exponent >= -MAX_EXPONENT and len(digits) + exponent <= MAX_EXPONENT
    return value if within and len(digits) <= MAX_EXPONENT else None


def of_quantity(value: dict[str, Any]) -> Range | None:
    """Of a Quantity's value, without end where a comparator says so."""
    told, comparator = precise(value.get("value")), value.get("comparator")
    if told is None or comparator not in ("<", "<=", ">", ">="):
        return told
    number = decimal(value.get("value"))
    return (None, number) if comparator in ("<", "<=") else (number, None)


def of_range(value: dict[str, Any]) -> Range | None:
    """From a Range's low to its high."""
    low, high = (precise(end.get("value")) if type(end := value.get(name)) is dict else None
                 for name in ("low", "high"))
    if low is None and high is None:
        return None
    return low[0] if low else None, high[1] if high else None


def of_samples(value: dict[str, Any]) -> Range | None:
    """From the least to the greatest of a SampledData's points."""
    origin = value.get("origin")
    if type(origin) is not dict:
        return None
    zero, factor = decimal(origin.get("value")), decimal(value.get("factor", 1))
    data = value.get("data")
    if zero is None or factor is None or type(data) is not str:
        return None
    points = list(_points(data))
    if not points:
        return None
    ends = sorted(_EXACT.add(zero, _EXACT.multiply(point, factor)) for point in (min(points), max(points)))
    return ends[0], ends[1]


def _points(data: str) -> Iterator[Decimal]:
    """Its numbers; not those in error or beyond the limits of detection (E, L, U)."""
    for point in data.split(maxsplit=MAX_POINTS)[:MAX_POINTS]:
        if len(point) <= MAX_EXPONENT and point not in ("E", "L", "U"):
            try:
                number = decimal(Decimal(point))
            except DecimalException:
                continue
            if number is not None:
                yield number
