"""What a Patient resource states, as feeds state it: DICOM attributes and what is kept besides.

It is the way back from `fhir.projection.patient`, so that two bodies that state the same are told from two that do not,
however they are written. What is not there is None (an attribute) or empty (a detail): a PUT says all there is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir.projection.datatypes import EN_REPRESENTATION, plain
from fhir.projection.systems import CARDS, IDENTIFIER_TYPES, Systems
from pacsd.codec.text import has_han
from pacsd.index.sources import Patient

NAME, BIRTH_DATE, SEX = "00100010", "00100030", "00100040"
_GROUPS = {"IDE": "Ideographic", "ABC": "Alphabetic", "SYL": "Phonetic"}
_SEXES = {"male": "M", "female": "F", "other": "O"}
_SEVERAL = {"True": "Y", "False": "N"}
_MOST = 64                               # characters of a component group (PS3.5 6.2)
_MOST_NUMBER = 400                       # of a patient's number: a longer one fits into no index, and is nobody's
_NO_PERSON_NAME = str.maketrans("^=\\", "   ")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_KINDS = {kind: card for card, (kind, _) in CARDS.items()}


def attributes(resource: Mapping[str, Any]) -> dict[str, dict[str, Any] | None]:
    """Name, birth date and sex as DICOM JSON by tag; a birth date of less than a day states nothing."""
    name, born = _name(_listed(resource, "name")), resource.get("birthDate")
    sex = _SEXES.get(str(resource.get("gender", "")))
    found: dict[str, dict[str, Any] | None] = {
        NAME: {"vr": "PN", "Value": [name]} if name else None,
        SEX: {"vr": "CS", "Value": [sex]} if sex else None,
    }
    if born is None or _DATE.fullmatch(str(born)):
        found[BIRTH_DATE] = {"vr": "DA", "Value": [str(born).replace("-", "")]} if born else None
    return found


def details(resource: Mapping[str, Any]) -> dict[str, str]:
    """Telephone, address, cards and whether of a multiple birth (pacsd.index.patient_records.DETAILS)."""
    phones = [str(one.get("value", "")) for one in _listed(resource, "telecom") if one.get("system") == "phone"]
    cards = dict.fromkeys(CARDS, "")
    for one in _listed(resource, "identifier"):
        card = card_of(one)
        if card and not cards[card]:
            cards[card] = plain(str(one.get("value", "")))
    several = _SEVERAL.get(str(resource.get("multipleBirthBoolean")), "")
    return {"phone": plain(phones[0]) if phones else "", "address": _address(_listed(resource, "address")), **cards,
            "multiple_birth": several}  # fmt: skip


def keys(resource: Mapping[str, Any], systems: Systems) -> list[Patient]:
    """The patients of assigning authorities that its identifiers name, each once."""
    found = []
    for one in _listed(resource, "identifier"):
        authority = systems.authority(str(one.get("system", "")))
        value = str(one.get("value", ""))
        if authority and 0 < len(value) <= _MOST_NUMBER and not card_of(one) and one.get("use") != "old":
            found.append((authority, value))
    return list(dict.fromkeys(found))


def card_of(identifier: Mapping[str, Any]) -> str:
    """Which card an identifier is of, by its system or type; empty for another."""
    system = identifier.get("system")
    for card, (_, usual) in CARDS.items():
        if system == usual:
            return card
    codes = [one for one in _listed(identifier.get("type") or {}, "coding") if one.get("system") == IDENTIFIER_TYPES]
    return next((_KINDS[str(one.get("code"))] for one in codes if one.get("code") in _KINDS), "")


def _listed(resource: Mapping[str, Any], element: str) -> Sequence[Mapping[str, Any]]:
    found = resource.get(element)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _name(names: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The official name, or the first, in its representations."""
    kind = "official" if any(one.get("use") == "official" for one in names) else names[0].get("use") if names else None
    groups: dict[str, str] = {}
    for one in names:
        written = _person_name(one)
        if one.get("use") == kind and written:
            group = _GROUPS.get(_representation(one)) or ("Ideographic" if has_han(written) else "Alphabetic")
            groups.setdefault(group, written)
    return {group: groups[group] for group in _GROUPS.values() if group in groups}


def _representation(name: Mapping[str, Any]) -> str:
    found = [one for one in _listed(name, "extension") if one.get("url") == EN_REPRESENTATION]
    return str(found[0].get("valueCode", "")) if found else ""


def _person_name(name: Mapping[str, Any]) -> str:
    family, given = _text(name.get("family")), [_text(one) for one in name.get("given") or ()]
    if not family and not any(given):
        family = _text(name.get("text"))
    prefix, suffix = (" ".join(_text(one) for one in name.get(element) or ()) for element in ("prefix", "suffix"))
    parts = (family, next(iter(given), ""), " ".join(one for one in given[1:] if one), prefix, suffix)
    return "^".join(parts).rstrip("^")[:_MOST]


def _text(value: object) -> str:
    return plain(value if isinstance(value, str) else "").translate(_NO_PERSON_NAME).strip()


def _address(addresses: Sequence[Mapping[str, Any]]) -> str:
    """The first address as XAD: street, other, city, state, postal code, country."""
    return "^".join(_parts(addresses[0])).rstrip("^") if addresses else ""


def _parts(address: Mapping[str, Any]) -> Iterator[str]:
    lines = [_text(one) for one in address.get("line") or ()]
    rest = [_text(address.get(name)) for name in ("city", "state", "postalCode", "country")]
    if not any(lines) and not any(rest):
        lines = [_text(address.get("text"))]
    yield from (*[*lines, "", ""][:2], *rest)
