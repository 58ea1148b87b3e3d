"""How a data set says that, and how, it was de-identified (PS3.15 E.1.1 step 6, PS3.3 C.7.1.1, C.12.1)."""

from collections.abc import Iterable
from typing import Any

from pacsd.codec.elements import encode_element
from pacsd.deidentify.options import BASIC_PROFILE, CODES, Code, Option

_PATIENT_IDENTITY_REMOVED, _METHOD, _METHOD_CODES = 0x00120062, 0x00120063, 0x00120064
BURNED_IN_ANNOTATION, _RECOGNIZABLE_FEATURES, _LONGITUDINAL = 0x00280301, 0x00280302, 0x00280303
_DATES = {Option.FULL_DATES: "UNMODIFIED", Option.MODIFIED_DATES: "MODIFIED"}


def statement(
    options: frozenset[Option], *, conformant: bool, pixels_clean: bool | None, features_clean: bool,
    implicit: bool, big_endian: bool,
) -> dict[int, bytes]:  # fmt: skip
    """The elements that say so, by tag.

    `pixels_clean` is None where there are no pixels. What is not `conformant`, as a policy kept what the profile
    removes, names no code: then only the words remain.
    """
    if pixels_clean is False:
        options = options - {Option.PIXELS}
    if pixels_clean is not None and not features_clean:
        options = options - {Option.FEATURES}
    dates = next((said for option, said in _DATES.items() if option in options), "REMOVED")
    made: dict[int, dict[str, Any]] = {
        _PATIENT_IDENTITY_REMOVED: {"vr": "CS", "Value": ["YES"]},
        _METHOD: {"vr": "LO", "Value": _words(options, conformant)},
        _LONGITUDINAL: {"vr": "CS", "Value": [dates]},
    }
    if conformant:
        codes = [BASIC_PROFILE, *(CODES[option] for option in Option if option in options)]
        made[_METHOD_CODES] = {"vr": "SQ", "Value": list(map(_item, codes))}
    if pixels_clean:
        made[BURNED_IN_ANNOTATION] = {"vr": "CS", "Value": ["NO"]}
    if features_clean:
        made[_RECOGNIZABLE_FEATURES] = {"vr": "CS", "Value": ["NO"]}
    elements = {
        tag: encode_element(tag, attribute, implicit=implicit, big_endian=big_endian, character_sets=())
        for tag, attribute in made.items()
    }
    if not conformant:
        elements[_METHOD_CODES] = b""
    return elements


def _words(options: Iterable[Option], conformant: bool) -> list[str]:
    first = "pacsd: PS3.15 Annex E Basic Profile"
    named = [f"option {option.value}" for option in Option if option in frozenset(options)]
    return [first, *named] if conformant else ["pacsd: after PS3.15 Annex E, with attributes kept", *named]


def _item(code: Code) -> dict[str, dict[str, Any]]:
    return {
        "00080100": {"vr": "SH", "Value": [code.value]},
        "00080102": {"vr": "SH", "Value": ["DCM"]},
        "00080104": {"vr": "LO", "Value": [code.meaning]},
    }
