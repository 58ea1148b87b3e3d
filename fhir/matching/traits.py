"""A Patient resource as matching compares it (pacsd.identity.traits)."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from pacsd.codec.text import has_han
from pacsd.identity.traits import Traits, traits

Resource = Mapping[str, Any]
MOTHERS_MAIDEN_NAME = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
# cards by the usual systems (WS/T 500 templates) and by types of identifiers (HL7 table 0203)
_CARDS = {
    "urn:oid:2.16.156.10011.1.3": "id_card", "urn:oid:2.16.156.10011.1.19": "health_card",
    "urn:pacsd:card:social-security": "social_security_card",
    "NI": "id_card", "NNCHN": "id_card", "HC": "health_card", "SS": "social_security_card",
}  # fmt: skip
_SEX = {"male": "M", "female": "F"}


def person(resource: Resource, number: int = 0) -> Traits:
    """What a Patient says, of any shape: what is not as FHIR has it says nothing. `number` tells it from others."""
    said: dict[str, object] = {
        "patient": number, "organisation": 0, "assigning_authority": "", "patient_id": str(resource.get("id", "")),
        "name": _name(resource), "birth_date": _date(resource.get("birthDate")),
        "sex": _SEX.get(str(resource.get("gender")), ""), "phone": _phone(resource), "address": _address(resource),
        "mother_name": _mother(resource), "multiple_birth": "Y" if _multiple(resource) else "",
    }  # fmt: skip
    for system, value, types in identifiers(resource):
        for name in (system, *types):
            if name in _CARDS:
                said.setdefault(_CARDS[name], value)
    return traits(said)


def rows(resource: Resource, name: str) -> Iterator[Resource]:
    """Objects of an element that repeats."""
    found = resource.get(name)
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else iter(())


def identifiers(resource: Resource) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """System, value and codes of the type of each identifier that has a value."""
    for one in rows(resource, "identifier"):
        value, kind = one.get("value"), one.get("type")
        if isinstance(value, str) and value:
            codes = tuple(str(coding.get("code")) for coding in rows(kind, "coding")) if isinstance(kind, dict) else ()
            yield str(one.get("system") or ""), value, codes


def _name(resource: Resource) -> str:
    """As DICOM writes names: in letters, `=`, in characters; of each the first that is not an old one."""
    letters, characters = "", ""
    for one in sorted(rows(resource, "name"), key=lambda one: one.get("use") in ("old", "nickname", "anonymous")):
        given = one.get("given")
        parts = [str(one.get("family") or ""), *(map(str, given) if isinstance(given, list) else ())]
        written = "^".join(part.replace("^", " ") for part in parts) if any(parts) else str(one.get("text") or "")
        if has_han(written):
            characters = characters or written
        elif written.strip("^ "):
            letters = letters or written
    return f"{letters}={characters}" if characters else letters


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


def phones(resource: Resource) -> Iterator[str]:
    """Numbers as they stand there."""
    for one in rows(resource, "telecom"):
        if one.get("system") in ("phone", "sms") and isinstance(one.get("value"), str):
            yield one["value"]


def _phone(resource: Resource) -> str:
    return next(phones(resource), "")


def _address(resource: Resource) -> str:
    for one in rows(resource, "address"):
        lines = one.get("line")
        parts = [*(lines if isinstance(lines, list) else ()), one.get("district"), one.get("city"), one.get("state")]
        text = one.get("text") or " ".join(str(part) for part in parts if part)
        if text:
            return str(text)
    return ""


def _mother(resource: Resource) -> str:
    found = (one for one in rows(resource, "extension") if one.get("url") == MOTHERS_MAIDEN_NAME)
    return str(next(found, {}).get("valueString") or "")


def _multiple(resource: Resource) -> bool:
    return resource.get("multipleBirthBoolean") is True or isinstance(resource.get("multipleBirthInteger"), int)
