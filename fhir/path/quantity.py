"""Quantities and the units that compare with each other (http://hl7.org/fhirpath/N1/#quantity, UCUM)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from functools import lru_cache

CALENDAR = {unit: code for names, code in (
    (("year", "years"), "year"), (("month", "months"), "month"), (("week", "weeks"), "wk"), (("day", "days"), "d"),
    (("hour", "hours"), "h"), (("minute", "minutes"), "min"), (("second", "seconds"), "s"),
    (("millisecond", "milliseconds"), "ms")) for unit in names}
CALENDAR_OF = {"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond",
               "year": "year", "month": "month"}

Dimension = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: a code of UCUM, or a calendar duration in words."""

    value: Decimal
    unit: str

    def __str__(self) -> str:
        return f"{self.value} {self.unit}" if self.unit in CALENDAR else f"{self.value} '{self.unit}'"

    def base(self) -> tuple[Decimal, Dimension | str]:
        """The value in base units with their powers; with the unit itself where that is not known to convert."""
        known = unit(self.unit)
        if known is None:
            return self.value, self.unit
        try:
            return self.value * known[0], known[1]
        except DecimalException:
            return self.value, self.unit


_PREFIXES = {"Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1, "d": -1, "c": -2,
             "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18}
_METRIC: Mapping[str, tuple[Decimal, Dimension]] = {
    "m": (Decimal(1), (("m", 1),)), "g": (Decimal(1), (("g", 1),)), "s": (Decimal(1), (("s", 1),)),
    "K": (Decimal(1), (("K", 1),)), "cd": (Decimal(1), (("cd", 1),)), "C": (Decimal(1), (("C", 1),)),
    "rad": (Decimal(1), (("rad", 1),)), "mol": (Decimal(1), (("mol", 1),)), "eq": (Decimal(1), (("mol", 1),)),
    "l": (Decimal("0.001"), (("m", 3),)), "L": (Decimal("0.001"), (("m", 3),)),
    "Hz": (Decimal(1), (("s", -1),)), "Bq": (Decimal(1), (("s", -1),)),
    "N": (Decimal(1000), (("g", 1), ("m", 1), ("s", -2))),
    "Pa": (Decimal(1000), (("g", 1), ("m", -1), ("s", -2))),
    "bar": (Decimal(10) ** 8, (("g", 1), ("m", -1), ("s", -2))),
    "J": (Decimal(1000), (("g", 1), ("m", 2), ("s", -2))), "W": (Decimal(1000), (("g", 1), ("m", 2), ("s", -3))),
    "Gy": (Decimal(1), (("m", 2), ("s", -2))), "Sv": (Decimal(1), (("m", 2), ("s", -2))),
    "V": (Decimal(1000), (("C", -1), ("g", 1), ("m", 2), ("s", -2))), "A": (Decimal(1), (("C", 1), ("s", -1))),
    "cal": (Decimal(4184), (("g", 1), ("m", 2), ("s", -2))), "t": (Decimal(10) ** 6, (("g", 1),)),
}
_PLAIN: Mapping[str, tuple[Decimal, Dimension]] = {
    "1": (Decimal(1), ()), "": (Decimal(1), ()), "%": (Decimal("0.01"), ()),
    "min": (Decimal(60), (("s", 1),)), "h": (Decimal(3600), (("s", 1),)), "d": (Decimal(86400), (("s", 1),)),
    "wk": (Decimal(604800), (("s", 1),)), "mo": (Decimal(2629800), (("s", 1),)), "a": (Decimal(31557600), (("s", 1),)),
    "[in_i]": (Decimal("0.0254"), (("m", 1),)), "[ft_i]": (Decimal("0.3048"), (("m", 1),)),
    "[lb_av]": (Decimal("453.59237"), (("g", 1),)), "[oz_av]": (Decimal("28.349523125"), (("g", 1),)),
    "year": (Decimal(1), (("year", 1),)), "month": (Decimal(1), (("month", 1),)),
}
_FACTOR = re.compile(r"(?P<atom>10\*|10\^|\[[^\]]*\]|%|[A-Za-z]+|1)(?P<power>[+-]?\d+)?(?:\{[^}]*\})?|\{[^}]*\}")


@lru_cache(1024)
def unit(code: str) -> tuple[Decimal, Dimension] | None:
    """The factor and dimension of a unit; None if it is not among those this knows how to convert."""
    if len(code) > 100:
        return None
    if code in CALENDAR:
        return unit(CALENDAR[code]) if CALENDAR[code] not in _PLAIN else _PLAIN[CALENDAR[code]]
    powers: dict[str, int] = {}
    factor, sign, at = Decimal(1), 1, 0
    if code.startswith("/"):
        sign, at = -1, 1
    while at < len(code) or not code:
        found = _FACTOR.match(code, at)
        told = _factor(found, sign) if found else (_PLAIN[""] if not code else None)
        if told is None:
            return None
        factor *= told[0]
        for name, power in told[1]:
            powers[name] = powers.get(name, 0) + power
        if found is None or found.end() == len(code):
            break
        at = found.end() + 1
        mark = code[at - 1]
        if mark not in "./" or at == len(code):
            return None
        sign = 1 if mark == "." else -1
    return factor, tuple(sorted((name, power) for name, power in powers.items() if power))


def _factor(found: re.Match[str], sign: int) -> tuple[Decimal, Dimension] | None:
    """One atom with its prefix, to its power."""
    atom = found["atom"]
    power = sign * int(found["power"] or 1)
    if atom is None:
        return Decimal(1), ()
    if abs(power) > 30:
        return None
    if atom in ("10*", "10^"):
        return Decimal(10) ** power, ()
    told = _PLAIN.get(atom) or _METRIC.get(atom) or _prefixed(atom)
    if told is None:
        return None
    return told[0] ** power, tuple((name, one * power) for name, one in told[1])


def _prefixed(atom: str) -> tuple[Decimal, Dimension] | None:
    for length in (2, 1):
        prefix, metric = _PREFIXES.get(atom[:length]), _METRIC.get(atom[length:])
        if prefix is not None and metric is not None:
            return metric[0] * Decimal(10) ** prefix, metric[1]
    return None


def compared(left: Quantity, right: Quantity) -> int | None:
    """Negative, 0 or positive; None where the units do not convert into each other."""
    (one, dimension), (other, dimension2) = left.base(), right.base()
    if dimension != dimension2:
        return None
    return (one > other) - (one < other)


def product(left: Quantity, right: Quantity, power: int) -> Quantity | None:
    """`left` times `right` to the power of 1 or -1, in base units where units have to be joined."""
    try:
        if right.unit in ("1", ""):
            return Quantity(left.value * right.value if power > 0 else left.value / right.value, left.unit)
        (one, dimension), (other, dimension2) = left.base(), right.base()
        if isinstance(dimension, str) or isinstance(dimension2, str):
            return Quantity(left.value / right.value, "1") if power < 0 and left.unit == right.unit else None
        powers = dict(dimension)
        for name, told in dimension2:
            powers[name] = powers.get(name, 0) + told * power
        value = one * other if power > 0 else one / other
    except DecimalException:
        return None
    code = ".".join(f"{name}{told if told != 1 else ''}" for name, told in sorted(powers.items()) if told)
    return Quantity(value, code or "1")
