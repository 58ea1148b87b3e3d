"""Dates and times asked for, as all instants they may mean (http://hl7.org/fhir/R4/search.html#date)."""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from fhir.search.escapes import plain
from fhir.search.query import PREFIXES, Prefix, TimeIs
from fhir.search.values import Instants
from pacsd.faults import Fault, PacsdError

_DAY = 86_400_000_000                    # microseconds
_EPOCH = date(1970, 1, 1).toordinal()
_FORM = re.compile(r"""(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)
    (T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(\.(?P<fraction>\d{1,9}))?)?
    (?P<zone>Z|[+\ -]\d\d:\d\d)?)?)?)?""", re.VERBOSE | re.ASCII)
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
    found = instants(rest, zone=zone)
    if prefix == "ap":
        middle = int(now.timestamp() * 1_000_000)
        reach = max(abs(middle - found.low) // _APPROXIMATELY, 1)
        found = Instants(found.low - reach, found.high + reach)
    return TimeIs(prefix, found)


def instants(text: str, *, zone: tzinfo) -> Instants:
    """All instants that a date, dateTime or instant may mean, precise to what it tells."""
    told = _FORM.fullmatch(text)
    try:
        if told is None or told["year"] == "0000":
            raise ValueError(text)
        if told["hour"] is None:
            return _days(told, zone)
        return _clock(told, zone)
    except ValueError as error:
        raise PacsdError(Fault.MISMATCH, "a date is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz") from error


def _days(told: re.Match[str], zone: tzinfo) -> Instants:
    year, month, day = int(told["year"]), int(told["month"] or 1), int(told["day"] or 1)
    first = date(year, month, day)
    if told["month"] is None:
        days = 366 if monthrange(year, 2)[1] == 29 else 365
    else:
        days = 1 if told["day"] else monthrange(year, month)[1]
    return Instants(_midnight(first.toordinal(), zone), _midnight(first.toordinal() + days, zone))


def _midnight(ordinal: int, zone: tzinfo) -> int:
    """Microseconds since 1970 of a day's beginning."""
    nearest = date.fromordinal(min(max(ordinal, 2), date.max.toordinal() - 1))     # zones are asked of days they know
    offset = datetime(nearest.year, nearest.month, nearest.day, tzinfo=zone).utcoffset() or timedelta()
    return (ordinal - _EPOCH) * _DAY - offset // timedelta(microseconds=1)


def _clock(told: re.Match[str], zone: tzinfo) -> Instants:
    day = date(int(told["year"]), int(told["month"]), int(told["day"]))
    hour, minute, second = int(told["hour"]), int(told["minute"]), int(told["second"] or 0)
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(told[0])
    fraction = told["fraction"] or ""
    precision = 60_000_000 if told["second"] is None else max(10 ** (6 - len(fraction)), 1) if fraction else 1_000_000
    within = ((hour * 60 + minute) * 60 + second) * 1_000_000 + int(fraction[:6].ljust(6, "0"))
    low = _midnight(day.toordinal(), UTC) + within - _offset(told, day, hour, minute, zone)
    return Instants(low, low + precision)


def _offset(told: re.Match[str], day: date, hour: int, minute: int, zone: tzinfo) -> int:
    """Microseconds by which the clock was ahead of UTC; a `+` that a form turned into a space is a `+`."""
    text = told["zone"]
    if text is None:
        year = min(max(day.year, 2), 9998)
        at = datetime(year, day.month, 28 if day.month == 2 else day.day, hour, minute, tzinfo=zone)
        return (at.utcoffset() or timedelta()) // timedelta(microseconds=1)
    if text == "Z":
        return 0
    hours, minutes = int(text[1:3]), int(text[4:])
    if hours > 14 or minutes > 59:
        raise ValueError(text)
    ahead = timezone(timedelta(hours=hours, minutes=minutes)).utcoffset(None) // timedelta(microseconds=1)
    return -ahead if text[0] == "-" else ahead
