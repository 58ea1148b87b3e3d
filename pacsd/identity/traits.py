"""What is compared of a patient, in one form: names in characters and letters, numbers without what only looks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from pacsd.codec.text import has_han, is_han, name_keys, normalise
from pacsd.identity import id_card

_FEW_CHARACTERS = 5                      # a shorter card number says nothing
_PHONE_DIGITS = 7, 11                    # of a phone number the last so many count
# Names that are given until there is one: many people have them, and twins the same.
_PROVISIONAL = re.compile(
    r"之[大小长次双甲乙一二]?[子女婴宝]|新生儿|婴儿|毛毛|无名|未知|不详|佚名|待查"
    r"|\b(?:baby|newborn|infant|unknown|unidentified|noname|(?:john|jane) doe|doe (?:john|jane))\b"
)


@dataclass(frozen=True)
class Traits:
    """A patient as matching sees it. Texts are empty where nothing is known."""

    patient: int
    assigning_authority: str
    patient_id: str
    organisation: int
    characters: str                      # the name in Chinese characters, without spaces
    words: tuple[str, ...]               # the name in letters, as it was written
    reading: str                         # the name in letters, without spaces: of the characters, if there are any
    provisional: bool
    birth_date: date | None
    sex: str
    phone: str
    address: str
    id_card: id_card.IdCard | None
    health_card: str
    social_security_card: str
    mother: str
    multiple_birth: bool

    @cached_property
    def letters(self) -> str:
        """The letters of the name in alphabetical order: however it is divided and turned, it has the same."""
        return "".join(sorted(self.reading))

    @property
    def key(self) -> tuple[str, str]:
        """Assigning authority and id: an order that outlives the index."""
        return self.assigning_authority, self.patient_id


def traits(row: Mapping[str, object]) -> Traits:
    """Of a row of the index (pacsd.index.identity_links)."""
    def said(name: str) -> str:
        return str(row.get(name) or "")

    keys = name_keys(said("name"))
    characters = next((group for group in (keys.ideographic, keys.alphabetic) if has_han(group)), "").replace(" ", "")
    words = () if has_han(keys.alphabetic) else tuple(re.findall(r"[^\W\d_]+", keys.alphabetic))
    born = row.get("birth_date")
    return Traits(
        patient=int(str(row["patient"])),
        assigning_authority=said("assigning_authority"),
        patient_id=said("patient_id"),
        organisation=int(str(row["organisation"])),
        characters="".join(filter(is_han, characters)),
        words=words,
        reading=keys.pinyin.replace(" ", "") or "".join(words),
        provisional=bool(_PROVISIONAL.search(characters) or _PROVISIONAL.search(" ".join(words))),
        birth_date=born if isinstance(born, date) else None,
        sex=said("sex") if said("sex") in ("M", "F") else "",
        phone=_phone(said("phone")),
        address="".join(filter(str.isalnum, normalise(said("address").replace("^", " ")))),
        id_card=id_card.read(said("id_card")),
        health_card=_number(said("health_card")),
        social_security_card=_number(said("social_security_card")),
        mother="".join(filter(str.isalnum, normalise(said("mother_name")))),
        multiple_birth=said("multiple_birth") == "Y",
    )


def _number(text: str) -> str:
    """A card number's letters and digits; none of a number that only fills the field."""
    plain = "".join(filter(str.isalnum, normalise(text))).upper()
    return plain if len(plain) >= _FEW_CHARACTERS and len(set(plain)) > 1 else ""


def _phone(text: str) -> str:
    least, most = _PHONE_DIGITS
    digits = "".join(char for char in normalise(text) if char.isascii() and char.isdigit())[-most:]
    return digits if len(digits) >= least and len(set(digits)) > 2 else ""
