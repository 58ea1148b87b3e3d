"""Values of HL7 data types as DICOM values, fitted to their VR (PS3.5 6.2)."""

import re
from collections.abc import Sequence
from typing import Any

from hl7.conditions import Condition, Hl7Error, Location

LONGEST = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "LT": 10240, "PN": 64}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]+")
_NAME = str.maketrans("^=", "  ")
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+", re.ASCII)
_TIME = re.compile(r"(\d{8})(\d{2})?(\d{2})?(\d{2})?(\.\d{1,4})?(?:[+-]\d{4})?", re.ASCII)


def attribute(vr: str, *values: Any) -> dict[str, Any]:
    """A DICOM JSON attribute."""
    return {"vr": vr, "Value": list(values)}


def text(value: str, vr: str) -> str:
    """Text for people, cut where its VR ends."""
    if vr == "LT":
        return value.replace("\0", "")[: LONGEST[vr]]
    return _CONTROL.sub(" ", value).strip()[: LONGEST[vr]].strip()


def identifier(value: str, vr: str, where: Location) -> str:
    """An identifier, which is never cut. Raises Hl7Error."""
    if len(value) > LONGEST[vr]:
        raise Hl7Error(Condition.VALUE_TOO_LONG, where, f"an identifier of more than {LONGEST[vr]} characters")
    if _CONTROL.search(value):
        raise Hl7Error(Condition.DATA_TYPE, where, "an identifier with a backslash or a control character")
    return value


def code_string(value: str, where: Location) -> str:
    """A value of VR CS. Raises Hl7Error."""
    if not re.fullmatch(r"[A-Z0-9_ ]{1,16}", value):
        raise Hl7Error(Condition.DATA_TYPE, where, "not a code of up to 16 capital letters, digits, _ and spaces")
    return value


def ae_title(value: str, where: Location) -> str:
    """A value of VR AE. Raises Hl7Error."""
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", value):
        raise Hl7Error(Condition.DATA_TYPE, where, "not an AE title of up to 16 characters")
    return value


def uid(value: str, where: Location) -> str:
    """A UID (PS3.5 9.1). Raises Hl7Error."""
    if len(value) > 64 or not _UID.fullmatch(value):
        raise Hl7Error(Condition.DATA_TYPE, where, "not a UID")
    return value


def date_and_time(value: str, where: Location) -> tuple[str, str]:
    """A time stamp (HL7 v2.5.1 2.A.77) as DA and TM, midnight where it tells only the day. Raises Hl7Error."""
    found = _TIME.fullmatch(value)
    if found is None or not _exists(found):
        raise Hl7Error(Condition.DATA_TYPE, where, "not a day, with or without a time")
    day, hour, minute, second, fraction = found.groups()
    return day, f"{hour or '00'}{minute or '00'}{second or '00'}{(fraction or '') if second else ''}"


def _exists(found: "re.Match[str]") -> bool:
    from datetime import datetime

    day, hour, minute, second, _ = found.groups()
    try:
        datetime.strptime(f"{day}{hour or '00'}{minute or '00'}{second or '00'}", "%Y%m%d%H%M%S")
    except ValueError:
        return False
    return True


def person(parts: Sequence[str]) -> dict[str, str] | None:
    """The name of XCN: id, family, given, middle, suffix, prefix, degree; None where it has none."""
    _, family, given, middle, suffix, prefix, degree = [*parts, *[""] * 7][:7]
    names = (family, given, middle, prefix, f"{suffix} {degree}".strip())
    written = "^".join(_CONTROL.sub(" ", one.translate(_NAME)).strip() for one in names).rstrip("^")
    return {"Alphabetic": written[: LONGEST["PN"]]} if written else None


def coded(parts: Sequence[str], scheme: str) -> dict[str, Any] | None:
    """CE as an item of a coded sequence (PS3.3 Table 8.8-1a): code, meaning, scheme; None where there is no code."""
    code, meaning, said_scheme = [*parts, "", "", ""][:3]
    if not code:
        return None
    plain = _CONTROL.sub(" ", code).strip()
    value = {"00080100": attribute("SH", plain)} if len(plain) <= 16 else {"00080119": attribute("UC", plain)}
    return {
        **value,
        "00080102": attribute("SH", text(said_scheme or scheme, "SH")),
        "00080104": attribute("LO", text(meaning or plain, "LO")),
    }
