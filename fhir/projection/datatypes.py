"""From DICOM values and our own to FHIR data types (http://hl7.org/fhir/R4/datatypes.html)."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

from fhir.projection.projected import House, Resource, without_empty
from fhir.projection.systems import IDENTIFIER_TYPES, scheme
from pacsd.codec.text import has_han
from pacsd.index.values import Attribute, Attributes, date_of, name_text, text_at, time_of

EN_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_GROUPS = (("Ideographic", "IDE"), ("Alphabetic", "ABC"), ("Phonetic", "SYL"))
_GENDERS = {"M": "male", "F": "female", "O": "other"}
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def text(attributes: Attributes, path: str) -> str:
    """A value as a FHIR string: without control characters and white space around it."""
    return plain(text_at(attributes, path) or "")


def plain(value: str) -> str:
    """Text as a FHIR string may hold it."""
    return _CONTROLS.sub("", value).strip()


def values(attributes: Attributes, tag: str) -> Sequence[Any]:
    """The values of an attribute as DICOM JSON has them."""
    return attributes.get(tag, {}).get("Value") or ()


def human_names(attribute: Attribute | None) -> list[Resource]:
    """A person name in its representations, each marked as ideographic, alphabetic or phonetic (PS3.5 6.2)."""
    found = [one for one in (attribute or {}).get("Value") or () if isinstance(one, Mapping)][:1]
    return [
        _human_name(str(found[0][group]), "IDE" if kind == "ABC" and has_han(str(found[0][group])) else kind)
        for group, kind in _GROUPS if found and plain(str(found[0].get(group) or "").replace("^", " "))
    ]  # fmt: skip


def _human_name(written: str, kind: str) -> Resource:
    family, given, middle, prefix, suffix = [*(plain(one) for one in written.split("^")), *[""] * 5][:5]
    together = f"{family}{given}{middle}" if kind == "IDE" else " ".join(
        one for one in (prefix, given, middle, family, suffix) if one)  # fmt: skip
    extension = {"url": EN_REPRESENTATION, "valueCode": kind}
    return without_empty({
        "extension": [extension], "use": "official", "text": together, "family": family,
        "given": [one for one in (given, middle) if one], "prefix": [prefix] if prefix else [],
        "suffix": [suffix] if suffix else [],
    })  # fmt: skip


def person_shown(value: str | Mapping[str, Any]) -> str:
    """A person's name for people to read: in characters, where there are any."""
    groups = (name_text(value) if isinstance(value, Mapping) else value).split("=")
    parts = [[plain(part) for part in group.split("^")] for group in groups]
    for group in (parts[1:2] or [[]])[0], parts[0]:
        if any(group):
            family, given, *rest = [*group, "", ""]
            if has_han("".join(group)):
                return f"{family}{given}"
            return " ".join(one for one in (given, *rest[:1], family) if one)
    return ""


def display(value: str | Mapping[str, Any]) -> Resource:
    """A reference to somebody of whom no more than the name is known."""
    return without_empty({"display": person_shown(value)})


def gender(code: str) -> str:
    """Patient's Sex as AdministrativeGender; empty where it is unknown."""
    return _GENDERS.get(code, "")


def date(attributes: Attributes, tag: str) -> str:
    """DA as date; empty where it is none."""
    found = date_of(text_at(attributes, tag))
    return found.isoformat() if found else ""


def date_time(attributes: Attributes, day: str, clock: str, zone: tzinfo) -> str:
    """DA and TM as dateTime: the day alone where there is no time; without an offset in the data it is of `zone`."""
    found, at = date_of(text_at(attributes, day)), time_of(text_at(attributes, clock))
    if found is None:
        return ""
    if at is None:
        return found.isoformat()
    offset = _OFFSET.fullmatch(text_at(attributes, "00080201") or "")
    if offset:
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        zone = timezone(-away if offset[1] == "-" else away) if away < timedelta(hours=24) else zone
    return datetime.combine(found, at, zone).replace(microsecond=0).isoformat()


_HL7_TIME = re.compile(
    r"(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)?(\d\d)?(?:\.\d+)?)?([+-]\d{4})?", re.ASCII
)


def hl7_moment(written: str, zone: tzinfo) -> datetime | None:
    """An HL7 time as a moment; None where it names none, of a day its midnight."""
    found = _HL7_TIME.fullmatch(written.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, offset = found.groups()
    if offset:
        away = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
        zone = timezone(-away if offset[0] == "-" else away) if away < timedelta(hours=24) else zone
    try:
        return datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0),
                        min(int(second or 0), 59), tzinfo=zone)  # fmt: skip
    except ValueError:
        return None


def coding(house: House, code: str, meaning: str = "", designator: str = "") -> Resource:
    """A code of a coding scheme."""
    system = scheme(designator, house.code)
    return without_empty({"system": system, "code": " ".join(code.split()), "display": plain(meaning)})


def concepts(house: House, attributes: Attributes, tag: str) -> list[Resource]:
    """A code sequence as CodeableConcepts (PS3.3 8.8)."""
    found = []
    for item in values(attributes, tag):
        if not isinstance(item, Mapping):
            continue
        code = next((one for one in (text(item, path) for path in ("00080100", "00080119", "00080120")) if one), "")
        meaning = text(item, "00080104")
        if code:
            one = coding(house, code, meaning, text(item, "00080102"))
            version = text(item, "00080103")
            found.append(without_empty({"coding": [{**one, **({"version": version} if version else {})}],
                                        "text": meaning}))  # fmt: skip
        elif meaning:
            found.append({"text": meaning})
    return found


def identifier(kind: str, system: str, value: str, *, use: str = "") -> Resource:
    """An identifier of a type of HL7 table 0203."""
    typed = {"coding": [{"system": IDENTIFIER_TYPES, "code": kind}]} if kind else {}
    return without_empty({"use": use, "type": typed, "system": system, "value": plain(value)})


def entity(house: House, kind: str, number: str) -> Resource:
    """An order number "id^namespace" as an identifier, of the organisation's own where it names no namespace."""
    value, _, namespace = number.partition("^")
    system = house.systems.of(namespace or f"{house.code} {kind}".strip())
    return identifier(kind, system, value)
