"""What PID says of a patient beside the DICOM attributes: cards, phone, address, account, mother (HL7 v2.5.1 3.4.2)."""

from collections.abc import Callable

from config.hl7_mapping import CARDS
from hl7.message import NULL
from hl7.reading import Reading
from pacsd.identity import id_card
from pacsd.index.values import date_of

_ADDRESS = (1, 2, 3, 4, 5, 6)            # XAD: street, other designation, city, state, postal code, country
_NO_PHONES = ("Internet", "X.400", "FX", "MD")
_YES_NO = {"Y": "Y", "N": "N"}


def details(reading: Reading) -> dict[str, str]:
    """By name of pacsd.index.patient_records.DETAILS; empty for what is deleted, what is not said is not there.

    Raises Hl7Error for a value that cannot be read.
    """
    stated = {}
    for name, read in _READERS.items():
        value = read(reading)
        if value is not None:
            stated[name] = value
    cards = dict(reversed(list(reading.cards("patient_id"))))        # of several of a kind the first counts
    for kind in CARDS:
        own = reading.value(kind)
        if kind in cards or own:
            stated[kind] = _plain(cards.get(kind) or own)
    return stated


def warnings(stated: dict[str, str], birth_date: str, sex: str) -> list[str]:
    """What speaks against the identity card, which is kept all the same."""
    number = stated.get("id_card")
    return id_card.warnings(number, birth_date=date_of(birth_date), sex=sex) if number else []


def _plain(value: str) -> str:
    return "" if value == NULL else value


def _phone(reading: Reading) -> str | None:
    """The first number that is a telephone's: XTN.1, from v2.5 on also parts or XTN.12."""
    found = reading.repetitions("phone") if reading.value("phone") != NULL else None
    if found is None:
        return ""
    for segment, text, place in found:
        parts = reading.message.meanings(segment, text, place, 1, 3, 5, 6, 7, 12)
        whole, kind, country, area, local, unformatted = parts
        number = whole or unformatted or " ".join(filter(None, (country, area, local)))
        if number and kind not in _NO_PHONES:
            return number
    return None


def _address(reading: Reading) -> str | None:
    parts = reading.components("address", *_ADDRESS)
    if parts is None:
        return None
    return "^".join(part.replace("^", " ") for part in parts).rstrip("^") if any(parts) else _said(reading, "address")


def _said(reading: Reading, name: str) -> str | None:
    """Empty where the field is there to be deleted."""
    return "" if reading.value(name) == NULL else None


def _account(reading: Reading) -> str | None:
    parts = reading.components("account_number", 1, 4)
    if parts is None or not parts[0]:
        return _said(reading, "account_number")
    return "^".join(part.replace("^", " ") for part in parts).rstrip("^")


def _mother(reading: Reading) -> str | None:
    parts = reading.components("mother_name", 1, 2)
    if parts is None or not any(parts):
        return _said(reading, "mother_name")
    return "^".join(part.replace("^", " ") for part in parts).rstrip("^")


def _multiple_birth(reading: Reading) -> str | None:
    value = reading.value("multiple_birth")
    return "" if value == NULL else _YES_NO.get(value)


_READERS: dict[str, Callable[[Reading], str | None]] = {
    "phone": _phone,
    "address": _address,
    "account_number": _account,
    "mother_name": _mother,
    "multiple_birth": _multiple_birth,
}
