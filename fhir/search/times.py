"""Dates and times asked for, as all instants they may mean (http://hl7.org/fhir/R4/search.html#date)."""

from datetime import datetime, tzinfo

from fhir.search.dates import instants
from fhir.search.escapes import plain
from fhir.search.query import PREFIXES, Prefix, TimeIs
from fhir.search.values import Instants
from pacsd.faults import Fault, PacsdError

_APPROXIMATELY = 10                      # a tenth of the time between now and the value (search.html#prefix)


def prefixed(text: str) -> tuple[Prefix, str]:
    """A value's prefix, and what follows it."""
    for prefix in PREFIXES:
        if text.startswith(prefix):
            return prefix, text[2:]
    return "eq", text


def time(text: str, *, zone: tzinfo, now: datetime) -> TimeIs:
    """One value; without a zone of its own it is of `zone`. `ap` comes with its range widened.

    Raises PacsdError MISMATCH for what is no date.
    """
    prefix, rest = prefixed(plain(text.strip()))
    found = instants(rest.replace(" ", "+"), zone)           # a form turns plus signs into spaces
    if found is None:
        raise PacsdError(Fault.MISMATCH, "a date is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz")
    if prefix == "ap":
        middle = int(now.timestamp() * 1_000_000)
        reach = max(abs(middle - found.low) // _APPROXIMATELY, 1)
        found = Instants(found.low - reach, found.high + reach)
    return TimeIs(prefix, found)
