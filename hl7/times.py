"""Points in time (HL7 v2.5.1 2.A.22, DTM): YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ]."""

import re
from datetime import UTC, datetime, timedelta, timezone

_TIME = re.compile(r"(\d{4}(?:\d\d){0,5})(?:\.(\d{1,6})\d*)?([+-]\d{4})?", re.ASCII)
_PARTS = (                               # of the digits, and of what is not said the beginning
    (slice(0, 4), ""), (slice(4, 6), "01"), (slice(6, 8), "01"), (slice(8, 10), "00"), (slice(10, 12), "00"),
    (slice(12, 14), "00"),
)  # fmt: skip
_MINUTES_OF_AN_HOUR = 60


def moment(text: str) -> datetime | None:
    """The beginning of what is said, in the machine's own time zone where none is; None for what is no time."""
    found = _TIME.fullmatch(text)
    if found is None or (found[2] and len(found[1]) != 14):
        return None
    try:
        year, month, day, hour, minute, second = (int(found[1][part] or first) for part, first in _PARTS)
        said = datetime(year, month, day, hour, minute, second, int((found[2] or "0").ljust(6, "0")))
        return said.replace(tzinfo=_offset(found[3])) if found[3] else said.astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _offset(text: str) -> timezone:
    """Raises ValueError for what is none."""
    hours, minutes = int(text[1:3]), int(text[3:])
    if minutes >= _MINUTES_OF_AN_HOUR:
        raise ValueError("more minutes than an hour has")
    east = timedelta(hours=hours, minutes=minutes)
    return timezone(east if text[0] == "+" else -east) if east else UTC


def readable(text: str) -> str:
    """A date or time as people read it; what is no time stays as it is."""
    found = _TIME.fullmatch(text)
    if found is None:
        return text
    digits = found[1]
    date = "-".join(filter(None, (digits[:4], digits[4:6], digits[6:8])))
    time = ":".join(filter(None, (digits[8:10], digits[10:12], digits[12:14])))
    return " ".join(filter(None, (date, time, found[3] or "")))
