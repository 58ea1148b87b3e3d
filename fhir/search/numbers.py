"""Numbers and quantities asked for (http://hl7.org/fhir/R4/search.html#number, #quantity)."""

import re
from decimal import Decimal

from fhir.search.escapes import plain, split
from fhir.search.query import NumberIs
from fhir.search.times import prefixed
from pacsd.faults import Fault, PacsdError

_FORM = re.compile(r"[+-]?\d{1,60}(\.\d{1,60})?([eE][+-]?\d{1,3})?", re.ASCII)
_TENTH = Decimal("0.1")


def quantity(text: str) -> NumberIs:
    """`[prefix]number`, `number|system|code` or `number||code`. Raises PacsdError MISMATCH for anything else."""
    parts = split(text, "|")
    if len(parts) not in (1, 3):
        raise PacsdError(Fault.MISMATCH, "a quantity is number, number|system|code or number||code")
    found = number(parts[0])
    if len(parts) == 1:
        return found
    return found._replace(system=plain(parts[1]), code=plain(parts[2]))


def number(text: str) -> NumberIs:
    """One value: the range its digits stand for counts where it is to be equal, its exact value elsewhere."""
    prefix, rest = prefixed(plain(text.strip()))
    if _FORM.fullmatch(rest) is None:
        raise PacsdError(Fault.MISMATCH, "a number is digits, perhaps with a sign, a point and an exponent")
    value = Decimal(rest)
    reach = abs(value) * _TENTH if prefix == "ap" else _half(value)
    return NumberIs(prefix, value, value - reach, value + reach)


def _half(value: Decimal) -> Decimal:
    """Half of the last digit told. Of 1e2 the standard's example has the tens for it: 95 to 105."""
    exponent = int(value.as_tuple().exponent)
    return Decimal(5).scaleb((exponent - 1 if exponent > 0 else exponent) - 1)
