"""Points in time (HL7 v2.5.1 2.A.22, DTM): YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ]."""

import re
from datetime import datetime

_TIME = re.compile(r"(\d{4}(?:\d\d){0,5})(?:\.(\d{1,6})\d*)?([+-]\d{4})?", re.ASCII)
_FORMS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def moment(text: str) -> datetime | None:
    """The beginning of what is said, in the machine's own time zone where none is; None for what is no time."""
    found = _TIME.fullmatch(text)
    if found is None or (found[2] and len(found[1]) != 14):
        return None
    try:
        said = datetime.strptime(found[1], _FORMS[len(found[1])])
        offset = datetime.strptime(found[3], "%z").tzinfo if found[3] else None
        whole = said.replace(microsecond=int((found[2] or "0").ljust(6, "0")))
        return whole.replace(tzinfo=offset) if offset else whole.astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def readable(text: str) -> str:
    """A date or time as people read it; what is no time stays as it is."""
    found = _TIME.fullmatch(text)
    if found is None:
        return text
    digits = found[1]
    date = "-".join(filter(None, (digits[:4], digits[4:6], digits[6:8])))
    time = ":".join(filter(None, (digits[8:10], digits[10:12], digits[12:14])))
    return " ".join(filter(None, (date, time, found[3] or "")))
