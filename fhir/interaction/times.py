"""Dates and times of parameters (http://hl7.org/fhir/R4/datatypes.html#dateTime) as the instants they stand for."""

import re
from datetime import UTC, datetime, timedelta

from fhir.outcome import FhirError
from pacsd.faults import Fault

_TIME = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:T(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|[+ -]\d{2}:\d{2})?)?)?)?",
    re.ASCII,
)


def period(text: str, name: str) -> tuple[datetime, datetime]:
    """The first instant a value stands for, and the first after it. Without a zone it is UTC. Raises FhirError.

    A plus sign that came through a form as a space is one again.
    """
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        return _span(found)
    except (ValueError, OverflowError) as error:
        raise FhirError(Fault.MALFORMED, f"{name} is no date or time", code="value") from error


def _span(found: re.Match[str]) -> tuple[datetime, datetime]:
    part = found.groupdict()
    fraction = (part["fraction"] or "").ljust(6, "0")[:6]
    low = datetime(
        int(part["year"]), int(part["month"] or 1), int(part["day"] or 1), int(part["hour"] or 0),
        int(part["minute"] or 0), int(part["second"] or 0), int(fraction), tzinfo=UTC,
    ) - _offset(part["zone"])  # fmt: skip
    if part["fraction"]:
        return low, low + timedelta(microseconds=10 ** max(6 - len(part["fraction"]), 0))
    for name, step in (("second", timedelta(seconds=1)), ("minute", timedelta(minutes=1)), ("day", timedelta(days=1))):
        if part[name]:
            return low, low + step
    if part["month"]:
        return low, (low.replace(day=1) + timedelta(days=32)).replace(day=1)
    return low, low.replace(year=low.year + 1)


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta()
    away = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return -away if zone[0] == "-" else away
