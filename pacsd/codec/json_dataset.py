"""A data set in the DICOM JSON Model (PS3.18 F.2) as a client sends it: read, and checked before anything uses it."""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any

import orjson
from pydicom.datadict import dictionary_VR

from pacsd.faults import Fault, PacsdError

Dataset = dict[str, dict[str, Any]]

MAX_DEPTH = 16                           # sequences in sequences
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_NAME_GROUPS = frozenset(("Alphabetic", "Ideographic", "Phonetic"))
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_INTEGERS = frozenset(("IS", "SL", "SS", "SV", "UL", "US", "UV"))
_DECIMALS = frozenset(("DS", "FL", "FD"))
_VRS = frozenset(
    ("AE", "AS", "AT", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "SQ", "ST", "TM", "UC", "UI", "UR", "UT")
) | _BINARY | _INTEGERS | _DECIMALS  # fmt: skip
_UID = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+", re.ASCII)
_DA = re.compile(r"\d{8}", re.ASCII)
_TM = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?", re.ASCII)
_DT = re.compile(r"\d{4}(?:\d{2}){0,5}(?:\.\d{1,6})?(?:[+-]\d{4})?", re.ASCII)
_MAX_CHARACTERS = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "UI": 64, "ST": 1024, "LT": 10_240}      # PS3.5 6.2
_LIMITS = {                              # of binary numbers, PS3.5 6.2
    "SS": (-(1 << 15), (1 << 15) - 1), "US": (0, (1 << 16) - 1), "SL": (-(1 << 31), (1 << 31) - 1),
    "UL": (0, (1 << 32) - 1), "SV": (-(1 << 63), (1 << 63) - 1), "UV": (0, (1 << 64) - 1),
}  # fmt: skip
_MAX_FLOAT = 3.4028234663852886e38
_NEVER_NULL = frozenset(("AT", "FD", "FL", *_LIMITS))    # a value of these has a length, and so is never empty
_PATTERNS = {"DA": _DA, "TM": _TM, "DT": _DT, "UI": _UID, "AT": _TAG}


def dataset(text: bytes) -> Dataset:
    """One data set, alone or as an array of one. Raises PacsdError MALFORMED."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _malformed("the body is not JSON, or too deep") from error
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise _malformed("the body is not one data set")
    return checked(found)


def checked(found: Mapping[str, Any], depth: int = 0) -> Dataset:
    """The same with tags in upper case and in order, if all of it is as PS3.18 F.2 and PS3.5 6.2 have it.

    Raises PacsdError MALFORMED that names the tag.
    """
    if depth > MAX_DEPTH:
        raise _malformed(f"sequences nested deeper than {MAX_DEPTH}")
    made = {}
    for tag, attribute in found.items():
        if not _TAG.fullmatch(tag):
            raise _malformed("a member's name is no tag")
        made[tag.upper()] = _attribute(tag.upper(), attribute, depth)
    return dict(sorted(made.items()))


def _attribute(tag: str, attribute: Any, depth: int) -> dict[str, Any]:
    if tag < "00080000" or not isinstance(attribute, dict) or not attribute.keys() <= {"vr", "Value", "InlineBinary"}:
        raise _malformed(f"{tag} is no attribute that a data set may hold here")
    vr = attribute.get("vr")
    if vr not in _VRS or not _fits(tag, vr):
        raise _malformed(f"{tag} has a wrong VR")
    if "InlineBinary" in attribute:
        return _binary(tag, vr, attribute)
    values = attribute.get("Value", [])
    if not isinstance(values, list) or (values and vr in _BINARY):
        raise _malformed(f"the value of {tag} is no list, or should be InlineBinary")
    if vr == "SQ":
        values = [_item(tag, one, depth) for one in values]
    elif not all((one is None and vr not in _NEVER_NULL) or _is_value(vr, one) for one in values):
        raise _malformed(f"a value of {tag} is not of VR {vr}")
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _item(tag: str, item: Any, depth: int) -> Dataset:
    if not isinstance(item, dict):
        raise _malformed(f"an item of {tag} is no data set")
    return checked(item, depth + 1)


def _binary(tag: str, vr: str, attribute: Mapping[str, Any]) -> dict[str, Any]:
    text = attribute["InlineBinary"]
    try:
        if vr not in _BINARY or "Value" in attribute or not isinstance(text, str):
            raise ValueError
        b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise _malformed(f"the value of {tag} is not base 64") from error
    return {"vr": vr, "InlineBinary": text}


@lru_cache(maxsize=4096)
def _fits(tag: str, vr: str) -> bool:
    """Whether a public tag may have this VR."""
    try:
        return vr in dictionary_VR(int(tag, 16)).split(" or ")
    except KeyError:
        return True


def _is_value(vr: str, value: Any) -> bool:
    if vr == "PN":
        return isinstance(value, dict) and value.keys() <= _NAME_GROUPS and all(map(_is_text, value.values()))
    if vr in _INTEGERS or vr in _DECIMALS:
        return _is_number(value, int if vr in _INTEGERS else float) and _is_in_range(vr, value)
    if not _is_text(value) or len(value) > _MAX_CHARACTERS.get(vr, len(value)):
        return False
    pattern = _PATTERNS.get(vr)
    return pattern is None or not value or pattern.fullmatch(value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_number(value: Any, read: Callable[[str], float]) -> bool:
    """A number, or text that is one (PS3.18 F.2.3)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        read(str(value))
    except ValueError:
        return False
    return True


def _is_in_range(vr: str, value: Any) -> bool:
    if vr == "FL":
        number = abs(float(value))
        return number <= _MAX_FLOAT or not isfinite(number)
    least, most = _LIMITS.get(vr, (0, 0))
    return vr not in _LIMITS or least <= int(value) <= most


def _malformed(reason: str) -> PacsdError:
    return PacsdError(Fault.MALFORMED, reason)
