"""Dates, date-times and times with the precision they were written with (http://hl7.org/fhirpath/N1/#date)."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal

DATE, DATE_TIME, TIME = "Date", "DateTime", "Time"
MILLISECOND = Decimal("0.001")

_DAY = r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?"
_CLOCK = r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?"
_ZONE = r"(Z|[+-]\d\d:\d\d)?"
_DATE = re.compile(_DAY)
_DATE_TIME = re.compile(rf"{_DAY}(?:T(?:{_CLOCK}{_ZONE})?)?")
_TIME = re.compile(_CLOCK)


@dataclass(frozen=True, slots=True)
class Temporal:
    """`fields` are as many of year, month, day, hour, minute, second as are told; of hour, minute, second for a time.

    `zone` is the distance to UTC in minutes; None: not told.
    """

    kind: str
    fields: tuple[int | Decimal, ...]
    zone: int | None = None

    def __str__(self) -> str:
        day, clock = ((), self.fields) if self.kind == TIME else (self.fields[:3], self.fields[3:])
        text = "-".join(f"{one:0{4 if n == 0 else 2}d}" for n, one in enumerate(day))
        if clock:
            text += ("" if self.kind == TIME else "T") + ":".join(_padded(one) for one in clock)
        return text + _zone_text(self.zone)

    def key(self) -> tuple[object, ...]:
        """Equal for those that are equal by `=`: of the same precision, and the same instant."""
        return (self.kind == TIME, len(self.fields), self.zone is None, *_utc(self))


def _padded(part: int | Decimal) -> str:
    if isinstance(part, int):
        return f"{part:02d}"
    text = str(part)
    return f"0{text}" if part < 10 else text


def _zone_text(zone: int | None) -> str:
    if zone is None:
        return ""
    if not zone:
        return "Z"
    return f"{'-' if zone < 0 else '+'}{abs(zone) // 60:02d}:{abs(zone) % 60:02d}"


def read_date(text: str) -> Temporal | None:
    """A date; None if it is none, or not in the calendar."""
    found = _DATE.fullmatch(text)
    return _checked(DATE, found.groups(), None) if found else None


def read_date_time(text: str) -> Temporal | None:
    """A date-time, as FHIR writes them or as a literal of FHIRPath without its @."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return None
    *parts, zone = found.groups()
    if parts[3] and not parts[2]:
        return None
    return _checked(DATE_TIME, tuple(parts), zone)


def read_time(text: str) -> Temporal | None:
    """A time of day."""
    found = _TIME.fullmatch(text)
    return _checked(TIME, found.groups(), None) if found else None


def _checked(kind: str, parts: tuple[str | None, ...], zone: str | None) -> Temporal | None:
    """With fields in their range: a second of 60 is one (http://hl7.org/fhir/R4/datatypes.html#dateTime)."""
    told: list[int | Decimal] = [int(one) for one in parts[:-1] if one is not None]
    last = parts[-1]
    if last is not None:
        told.append(int(last) if kind == DATE else Decimal(last))
    clock = told if kind == TIME else told[3:]
    if kind != TIME and not _in_calendar([int(one) for one in told[:3]]):
        return None
    if any(part >= limit for part, limit in zip(clock, (24, 60, 61), strict=False)):
        return None
    return Temporal(kind, tuple(told), _minutes(zone) if zone else None)


def _in_calendar(day: list[int]) -> bool:
    year, month, of_month = [*day, 1, 1][:3]
    return year >= 1 and 1 <= month <= 12 and 1 <= of_month <= monthrange(year, month)[1]


def _minutes(zone: str) -> int:
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:])
    return -minutes if zone[0] == "-" else minutes


def _utc(one: Temporal) -> tuple[int | Decimal, ...]:
    """Fields to compare: from the minute on, minutes since year 1 in UTC stand for all before the seconds."""
    if one.zone is None or len(one.fields) < 4:
        return one.fields
    year, month, day, hour, *rest = one.fields
    minutes = (date(int(year), int(month), int(day)).toordinal() * 24 + int(hour)) * 60 - one.zone
    if not rest:
        return (minutes,)
    return (minutes + int(rest[0]), *rest[1:])


def compared(left: Temporal, right: Temporal) -> int | None:
    """Negative, 0 or positive; None where the precision of one, or a zone that only one of them tells, leaves it open.

    N1 "Date/Time comparison". A date compares with a date-time as far as both tell; a time with neither.
    """
    if (left.kind == TIME) != (right.kind == TIME):
        return None
    zones = (left.zone is None) + (right.zone is None)
    if zones == 1 and min(len(left.fields), len(right.fields)) > 3:
        return None
    if zones == 0 and len(left.fields) > 4 and len(right.fields) > 4:
        left_fields, right_fields = _utc(left), _utc(right)
    else:
        left_fields, right_fields = left.fields, right.fields
    for one, other in zip(left_fields, right_fields, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(left_fields) == len(right_fields) else None


def moved(moment: Temporal, value: Decimal, unit: str) -> Temporal | None:
    """A moment plus a calendar duration (N1 "Date/Time arithmetic"); None if that leaves the calendar.

    `unit` is one of year, month, week, day, hour, minute, second, millisecond. A duration finer than the moment's
    precision counts as many whole ones of that precision as it holds.
    """
    if unit in ("year", "month"):
        if moment.kind == TIME:
            return None
        return _months(moment, int(value) * (12 if unit == "year" else 1))
    exact = value if unit in ("second", "millisecond") else Decimal(int(value))
    return _seconds(moment, exact * _SECONDS[unit])


_SECONDS = {"week": Decimal(604800), "day": Decimal(86400), "hour": Decimal(3600), "minute": Decimal(60),
            "second": Decimal(1), "millisecond": MILLISECOND}


def _months(moment: Temporal, months: int) -> Temporal | None:
    year, month = int(moment.fields[0]), int(moment.fields[1]) if len(moment.fields) > 1 else 1
    if len(moment.fields) == 1:
        months = int(months / 12) * 12
    year, month = divmod(year * 12 + month - 1 + months, 12)
    month += 1
    if not 1 <= year <= 9999:
        return None
    last = monthrange(year, month)[1]
    head = [year, month, *(min(int(day), last) for day in moment.fields[2:3])]
    return Temporal(moment.kind, (*head[:len(moment.fields)], *moment.fields[3:]), moment.zone)


def _seconds(moment: Temporal, seconds: Decimal) -> Temporal | None:
    if moment.kind == TIME:
        return _turned(moment, seconds)
    if len(moment.fields) < 3:
        days = int(seconds / 86400)
        return _months(moment, int(days / 365) * 12 if len(moment.fields) == 1 else int(days / 30))
    year, month, day, *clock = moment.fields
    if len(clock) < 3:
        step = (86400, 3600, 60)[len(clock)]
        seconds = Decimal(int(seconds / step) * step)
    hour, minute, second = [*clock, 0, 0, 0][:3]
    total = Decimal(hour) * 3600 + Decimal(minute) * 60 + Decimal(second) + seconds
    days = int((total / 86400).to_integral_value(ROUND_FLOOR))
    ordinal = date(int(year), int(month), int(day)).toordinal() + days
    if not 1 <= ordinal <= date.max.toordinal():
        return None
    moved_to = date.fromordinal(ordinal)
    rest = _clock(total - days * 86400, len(clock))
    return Temporal(moment.kind, (moved_to.year, moved_to.month, moved_to.day, *rest), moment.zone)


def _turned(moment: Temporal, seconds: Decimal) -> Temporal:
    """A time of day plus seconds, around midnight."""
    hour, minute, second = [*moment.fields, 0, 0][:3]
    total = Decimal(hour) * 3600 + Decimal(minute) * 60 + Decimal(second) + seconds
    return Temporal(TIME, _clock(total - 86400 * (total / 86400).to_integral_value(ROUND_FLOOR), len(moment.fields)))


def _clock(total: Decimal, count: int) -> tuple[int | Decimal, ...]:
    hours, rest = divmod(total, 3600)
    minutes, second = divmod(rest, 60)
    return (int(hours), int(minutes), second)[:count]
