"""What VR an attribute really has, and whether a value can be one of it (PS3.5 6.2, PS3.6).

A data set may call the name of somebody a number; the dictionary decides, and the value has to look like what it is.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from pydicom.datadict import dictionary_VM, dictionary_VR

from pacsd.codec.structure import WORD_BYTES

_STRINGS = frozenset((
    "AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT",
))  # fmt: skip
_ALIKE = (_STRINGS, frozenset(("US", "SS")), frozenset(("UL", "SL")),
          frozenset(("OB", "OD", "OF", "OL", "OV", "OW")))  # fmt: skip
_BULK = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_CHARACTER_SET = r"(?:ISO[_ -]?(?:2022 ?)?IR[ _-]?\d{1,3}|GB18030|GBK|UTF-?8|)"
_DAY = r"(?:\d{8}|\d{4}\.\d{2}\.\d{2}|\d{6}|\d{4})?"
_LOOKS: Mapping[str, re.Pattern[str]] = {
    "AS": re.compile(r"(?:\d{1,3}[DWMY]?)?"),
    "DA": re.compile(rf"{_DAY}(?:-{_DAY})?"),
    "DS": re.compile(rf"(?:{_NUMBER})?"),
    "DT": re.compile(r"(?:\d{4,14}(?:\.\d{1,6})?(?:[+-]\d{4})?)?(?:-(?:\d{4,14}(?:\.\d{1,6})?(?:[+-]\d{4})?)?)?"),
    "IS": re.compile(rf"(?:{_NUMBER})?"),
    "TM": re.compile(r"[\d:]{0,8}(?:\.\d{0,6})?(?:-[\d:]{0,8}(?:\.\d{0,6})?)?"),
    "UI": re.compile(r"[0-9.]{0,64}"),
}
LOOKING = frozenset(_LOOKS)              # the VRs whose values look like something
_DEFINED_TERM = re.compile(r"[A-Z0-9 _]{0,16}")
_WORDS: Mapping[str, int] = {**WORD_BYTES, "FD": 8, "SV": 8, "UV": 8, "AT": 4, "FL": 4, "SL": 4, "UL": 4, "SS": 2,
                             "US": 2}  # fmt: skip
_NUMBERS = frozenset(("AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))
BINARY_VRS = _BULK | _NUMBERS
_MAX_CHARACTERS = 64                     # of a number, as devices write it: the standard allows 16


@lru_cache(maxsize=8192)
def standing(tag: int, declared: str) -> tuple[str, bool]:
    """The VR of an attribute, and whether the declared one is none that could stand there.

    A private attribute, and one that no dictionary knows, is what the data set says.
    """
    choices = _choices(tag)
    if not choices or declared in choices:
        return declared, False
    if declared == "UN":
        return (choices[0], False) if len(choices) == 1 else (declared, False)
    for alike in _ALIKE:
        if declared in alike and len(choices) == 1 and choices[0] in alike:
            return (declared if declared in _BULK else choices[0]), False
    return choices[0], True


def may_be(tag: int, vr: str) -> bool:
    """Whether an attribute may have a VR."""
    choices = _choices(tag)
    return not choices or vr in choices


def fits(tag: int, vr: str, raw: bytes) -> bool:
    """Whether a value can be one of its VR: text does not pass as a number, nor more values than there can be."""
    if vr == "UN" and _choices(tag)[:1] == ("US",):
        vr = "US"
    if vr in _NUMBERS:
        count, rest = divmod(len(raw), _WORDS[vr])
        return not rest and _may_be_so_many(tag, count)
    look = _LOOKS.get(vr)
    if look is None:
        return True
    parts = raw.decode("latin_1").rstrip(" \0").split("\\")
    return all(len(part) <= _MAX_CHARACTERS and look.fullmatch(part.strip(" ")) for part in parts)


def is_defined_term(text: str) -> bool:
    """Whether values could be those of a CS: capitals, digits, blanks and underscores."""
    return all(_DEFINED_TERM.fullmatch(part.strip(" \0")) for part in text.split("\\"))


def is_character_set(raw: bytes) -> bool:
    """Whether that could be a Specific Character Set, also as some devices spell it."""
    text = raw.decode("latin_1").strip(" \0")
    return all(re.fullmatch(_CHARACTER_SET, part.strip(), re.IGNORECASE) for part in text.split("\\"))


def _may_be_so_many(tag: int, count: int) -> bool:
    try:
        most = dictionary_VM(tag).rpartition("-")[2]
    except KeyError:
        return True
    return not most.isdigit() or count <= int(most)


@lru_cache(maxsize=8192)
def _choices(tag: int) -> tuple[str, ...]:
    if tag & 0x10000:
        return ()
    try:
        return tuple(one for one in dictionary_VR(tag).split(" or ") if len(one) == 2)
    except KeyError:
        return ()
