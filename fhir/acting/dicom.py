"""From FHIR data types to DICOM values, cut to their VR (PS3.5 6.2)."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhir.acting.deed import Body, Deed, listed
from fhir.projection.stated import attributes
from fhir.projection.systems import designator_of
from pacsd.codec.text import has_han
from pacsd.reports.report import Code, Person

LONGEST = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "LT": 10240, "PN": 64, "UI": 64}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]+")
_NAME = "00100010"


def attribute(vr: str, *values: Any) -> dict[str, Any]:
    """A DICOM JSON attribute."""
    return {"vr": vr, "Value": list(values)}


def text(value: object, vr: str) -> str:
    """Text for people, cut where its VR ends."""
    plain = value if isinstance(value, str) else ""
    return (plain.replace("\0", "") if vr == "LT" else _CONTROL.sub(" ", plain)).strip()[: LONGEST[vr]].strip()


def fits(value: str, vr: str) -> bool:
    """Whether an identifier can stand in a value, which is never cut."""
    return 0 < len(value) <= LONGEST[vr] and not _CONTROL.search(value)


def code_of(concept: Mapping[str, Any] | None) -> Code:
    """The first code of a CodeableConcept, else its text alone."""
    first = next(iter(listed(concept or {}, "coding")), {})
    meaning = str((concept or {}).get("text") or first.get("display") or first.get("code") or "")
    return Code(str(first.get("code") or ""), meaning, designator_of(str(first.get("system") or "")))


def item_of(code: Code) -> dict[str, Any] | None:
    """A code as an item of a coded sequence (PS3.3 Table 8.8-1a); None where there is none."""
    if not code.value:
        return None
    plain = _CONTROL.sub(" ", code.value).strip()
    value = {"00080100": attribute("SH", plain)} if len(plain) <= LONGEST["SH"] else {
        "00080119": attribute("UC", plain)}  # fmt: skip
    return {**value, "00080102": attribute("SH", text(code.scheme or "L", "SH")),
            "00080104": attribute("LO", text(code.meaning or plain, "LO"))}  # fmt: skip


def name_of(deed: Deed, reference: Mapping[str, Any] | None) -> dict[str, str]:
    """Somebody's name as a PN value: of the resource that is named, else what the reference shows."""
    named = attributes({"name": _practitioner(deed, reference).get("name")}).get(_NAME)
    if named:
        groups: dict[str, str] = named["Value"][0]
        return groups
    return _shown(text((reference or {}).get("display"), "PN"))


def person_of(deed: Deed, reference: Mapping[str, Any] | None) -> Person | None:
    """Somebody as reports name people."""
    groups = name_of(deed, reference)
    name = groups.get("Ideographic") or groups.get("Alphabetic") or ""
    first = next(iter(listed(_practitioner(deed, reference), "identifier")), {})
    return Person(name, str(first.get("value") or ""), "") if name else None


def _practitioner(deed: Deed, reference: Mapping[str, Any] | None) -> Body:
    """Whom a reference names, in whichever role; nothing where that is not here."""
    body = deed.resource(reference, "Practitioner", "PractitionerRole") or {}
    if body.get("resourceType") == "PractitionerRole":
        body = deed.resource(body.get("practitioner"), "Practitioner") or {}
    return body


def _shown(display: str) -> dict[str, str]:
    if not display:
        return {}
    if has_han(display):
        return {"Ideographic": display}
    *given, family = display.replace("^", " ").split() or [""]
    return {"Alphabetic": "^".join((family, " ".join(given))).rstrip("^")}


def day_and_time(written: object, deed: Deed) -> tuple[str, str] | None:
    """A dateTime as DA and TM in the organisation's zone; None of less than a day."""
    try:
        at = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    if at.tzinfo is not None:
        at = at.astimezone(deed.house.zone)
    return f"{at:%Y%m%d}", f"{at:%H%M%S}"
