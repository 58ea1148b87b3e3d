"""The instants that a date may mean (http://hl7.org/fhir/R4/search.html#date)."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from fhir.search.values import Instants

EARLIEST, LATEST = -2**63, 2**63 - 1     # open ends
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII)


def instants(text: Any, zone: tzinfo = UTC) -> Instants | None:
    """From the first instant of a date, dateTime or instant to the first one after it; None if it is no date.

    2020 is the whole year, 10:30:00 the whole second. What names no time zone is in `zone`.
    """
    found = _MOMENT.fullmatch(text) if type(text) is str else None
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        if hour is None:
            first, following = _days(int(year), month, day)
            return Instants(_midnight(first, zone), _midnight(following, zone))
        whole = (int(hour) * 60 + int(minute)) * 60 + int(second or 0)
        if int(hour) > 23 or int(minute) > 59 or (second is not None and int(second) > 60):
            return None
        ordinal = date(int(year), int(month), int(day)).toordinal()
    except ValueError:
        return None
    low = _midnight(ordinal, zone, whole) if offset is None \
        else (ordinal - _EPOCH_DAY) * _DAY + (whole - _offset_s(offset)) * _SECOND
    if second is None:
        return Instants(low, low + 60 * _SECOND)
    if fraction is None:
        return Instants(low, low + _SECOND)
    low += int(fraction[:6].ljust(6, "0"))
    return Instants(low, low + 10 ** (6 - min(6, len(fraction))))


def _days(year: int, month: str | None, day: str | None) -> tuple[int, int]:
    """The day a date begins with, and the day after it, counted from year 1."""
    if month is None:
        return date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1
    if day is not None:
        first = date(year, int(month), int(day)).toordinal()
        return first, first + 1
    first = date(year, int(month), 1).toordinal()
    return first, date(year, 12, 31).toordinal() + 1 if month == "12" else date(year, int(month) + 1, 1).toordinal()


def _offset_s(offset: str) -> int:
    if offset == "Z":
        return 0
    seconds = (int(offset[1:3]) * 60 + int(offset[4:])) * 60
    return -seconds if offset[0] == "-" else seconds


def _midnight(ordinal: int, zone: tzinfo, seconds: int = 0) -> int:
    """Seconds after midnight of a day in a zone; where its calendar ends, in UTC."""
    if zone is not UTC:
        try:
            local = datetime.fromordinal(ordinal) + timedelta(seconds=seconds)
            return (local.replace(tzinfo=zone) - _EPOCH) // timedelta(microseconds=1)
        except (ValueError, OverflowError):
            pass
    return (ordinal - _EPOCH_DAY) * _DAY + seconds * _SECOND


def period(value: Any, zone: tzinfo = UTC) -> Instants | None:
    """From the beginning of a Period's start to the end of its end, open where there is none."""
    if type(value) is not dict:
        return None
    start, end = instants(value.get("start"), zone), instants(value.get("end"), zone)
    if start is None and end is None:
        return None
    low, high = start.low if start else EARLIEST, end.high if end else LATEST
    return Instants(low, high) if low < high else None


def timing(value: Any, zone: tzinfo = UTC) -> Instants | None:
    """The outer limits of a Timing: its events and the bounds of its repetition."""
    if type(value) is not dict:
        return None
    limits = list(_limits(value, zone))
    return Instants(min(one.low for one in limits), max(one.high for one in limits)) if limits else None


def _limits(value: dict[str, Any], zone: tzinfo) -> Iterator[Instants]:
    events, repeat = value.get("event"), value.get("repeat")
    for event in events if type(events) is list else ():
        if (moment := instants(event, zone)) is not None:
            yield moment
    if type(repeat) is dict and (bounds := period(repeat.get("boundsPeriod"), zone)) is not None:
        yield bounds
