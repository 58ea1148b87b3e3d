"""Resident identity card numbers (GB 11643-1999): read, checked, and compared with what else is said of a person.

A number that fails a check is told and kept: clerks mistype them, and early cards carry wrong check characters.
"""

import re
from dataclasses import dataclass
from datetime import date

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECKS = "10X98765432"                   # by the weighted sum modulo 11
_LONG, _SHORT = re.compile(r"\d{17}[\dX]", re.ASCII), re.compile(r"\d{15}", re.ASCII)
_ODD_IS_MALE = ("F", "M")
_OTHER_SIGNS = str.maketrans({"Ｘ": "X", "х": "X", "Х": "X", "×": "X", "*": "X", " ": None, "-": None, "　": None})


@dataclass(frozen=True, slots=True)
class IdCard:
    """A number of 18 characters and what it says; `valid`: check character and birth date are right.

    One of 15 digits, as issued before 1999, comes in its longer form, its check character worked out.
    """

    number: str
    valid: bool
    birth_date: date | None
    sex: str                             # M, F


def read(text: str) -> IdCard | None:
    """The number in a text, None where it is none: neither 18 nor 15 digits."""
    plain = text.upper().translate(_OTHER_SIGNS)
    if _SHORT.fullmatch(plain):
        plain = plain[:6] + "19" + plain[6:]
        plain += check_character(plain)
    elif not _LONG.fullmatch(plain):
        return None
    born = _date(plain[6:14])
    right = plain[17] == check_character(plain[:17])
    return IdCard(plain, right and born is not None, born, _ODD_IS_MALE[int(plain[16]) % 2])


def check_character(seventeen: str) -> str:
    """The eighteenth character (GB 11643-1999 4.2.4, ISO 7064 MOD 11-2)."""
    return CHECKS[sum(weight * int(digit) for weight, digit in zip(WEIGHTS, seventeen, strict=True)) % 11]


def warnings(text: str, *, birth_date: date | None, sex: str | None) -> list[str]:
    """What speaks against a number, in words without patient data; nothing where it fits or nothing is said."""
    card = read(text)
    if card is None:
        return ["the identity card number has neither 18 nor 15 digits"]
    found = []
    if not card.valid:
        found.append("the identity card number fails its check")
    if birth_date is not None and card.birth_date is not None and birth_date != card.birth_date:
        found.append("the identity card number says another birth date")
    if sex in _ODD_IS_MALE and sex != card.sex:
        found.append("the identity card number says another sex")
    return found


def _date(digits: str) -> date | None:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
