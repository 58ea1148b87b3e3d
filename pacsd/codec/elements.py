"""DICOM JSON attributes back to data elements, in an object's own encoding (PS3.5 section 7, PS3.18 F.2)."""

import struct
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from typing import Any

from pacsd.codec.charset import TEXT_VRS, encode
from pacsd.codec.structure import ITEM, LONG_VRS, MAX_DEPTH, SHORT_VRS, WORD_BYTES, show, swapped, vr_of
from pacsd.faults import Fault, PacsdError

_CHARACTER_SET = 0x00080005              # of an item: it is that of what holds it, once the text is written anew
_CODES = {"SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q", "FL": "f", "FD": "d"}
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_MAX_SHORT = 0xFFFE
_DS_CHARACTERS = 16
_EXACT = 1e15


class NotRepresentableError(Exception):
    """A text cannot be written in the declared character sets."""


def encode_header(tag: int, vr: str, length: int, *, implicit: bool, big_endian: bool) -> bytes:
    """An element's tag, VR and length. Raises PacsdError TOO_MUCH when the length does not fit the VR."""
    order = ">" if big_endian else "<"
    if implicit or tag >> 16 == 0xFFFE:
        return struct.pack(order + "HHI", tag >> 16, tag & 0xFFFF, length)
    code = vr.encode()
    if code in LONG_VRS:
        return struct.pack(order + "HH2sHI", tag >> 16, tag & 0xFFFF, code, 0, length)
    if length > _MAX_SHORT:
        raise PacsdError(Fault.TOO_MUCH, f"the value of {show(tag)} is too long for VR {vr}")
    return struct.pack(order + "HH2sH", tag >> 16, tag & 0xFFFF, code, length)


def encode_element(
    tag: int,
    attribute: Mapping[str, Any],
    *,
    implicit: bool,
    big_endian: bool,
    character_sets: Sequence[str],
    depth: int = 0,
) -> bytes:
    """A whole element of a DICOM JSON attribute.

    Raises NotRepresentableError, PacsdError MALFORMED for values its VR cannot hold, UNSUPPORTED for a
    Bulk Data URI.
    """
    vr = str(attribute.get("vr") or vr_of(tag))
    if vr.encode() not in LONG_VRS and vr.encode() not in SHORT_VRS:
        raise PacsdError(Fault.MALFORMED, f"{show(tag)} has no known VR")
    if vr == "SQ":
        value = _items(tag, attribute, implicit, big_endian, character_sets, depth)
    else:
        value = _value(tag, vr, attribute, big_endian, character_sets)
    if len(value) % 2:
        value += b"\0" if vr in _BINARY or vr == "UI" else b" "
    return encode_header(tag, vr, len(value), implicit=implicit, big_endian=big_endian) + value


def encode_item(content: bytes, *, big_endian: bool) -> bytes:
    """An item of defined length (PS3.5 7.5.1)."""
    return encode_header(ITEM, "", len(content), implicit=True, big_endian=big_endian) + content


def _items(
    tag: int, attribute: Mapping[str, Any], implicit: bool, big_endian: bool, sets: Sequence[str], depth: int
) -> bytes:
    if depth >= MAX_DEPTH:
        raise PacsdError(Fault.TOO_MUCH, f"sequences nested deeper than {MAX_DEPTH}")
    out = []
    for item in attribute.get("Value") or ():
        if not isinstance(item, Mapping):
            raise PacsdError(Fault.MALFORMED, f"an item of {show(tag)} is no object")
        content = b"".join(
            encode_element(
                int(inner, 16), item[inner],
                implicit=implicit, big_endian=big_endian, character_sets=sets, depth=depth + 1,
            )
            for inner in sorted(item)
            if int(inner, 16) != _CHARACTER_SET
        )
        out.append(encode_item(content, big_endian=big_endian))
    return b"".join(out)


def _value(tag: int, vr: str, attribute: Mapping[str, Any], big_endian: bool, sets: Sequence[str]) -> bytes:
    if "BulkDataURI" in attribute:
        raise PacsdError(Fault.UNSUPPORTED, f"{show(tag)} is given by a Bulk Data URI")
    values = attribute.get("Value") or ()
    try:
        if vr in _BINARY:
            raw = b64decode(str(attribute.get("InlineBinary") or ""), validate=True)
            return swapped(raw, WORD_BYTES.get(vr, 1)) if big_endian else raw
        if vr in _CODES:
            numbers = [float(value) if vr in ("FL", "FD") else int(value) for value in values]
            return struct.pack(f"{'>' if big_endian else '<'}{len(numbers)}{_CODES[vr]}", *numbers)
        if vr == "AT":
            halves = [int(str(value)[at : at + 4], 16) for value in values for at in (0, 4)]
            return struct.pack(f"{'>' if big_endian else '<'}{len(halves)}H", *halves)
    except (ValueError, TypeError, struct.error, Base64Error) as error:
        raise PacsdError(Fault.MALFORMED, f"{show(tag)} holds no value of VR {vr}") from error
    text = "\\".join(_decimal(value) if vr in ("DS", "IS") else _text(value) for value in values)
    raw_text = encode(text, vr, sets)
    if raw_text is None:
        if vr not in TEXT_VRS:
            raise PacsdError(Fault.MALFORMED, f"{show(tag)} holds no value of VR {vr}")
        raise NotRepresentableError
    return raw_text


def _decimal(value: object) -> str:
    """A JSON number in the 16 characters of a DS, to the nearest that they can say (PS3.5 6.2)."""
    if isinstance(value, bool) or not isinstance(value, float):
        return _text(value)
    if value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    text = repr(value)
    digits = _DS_CHARACTERS
    while len(text) > _DS_CHARACTERS:
        digits -= 1
        text = f"{value:.{digits}g}"
    return text


def _text(value: object) -> str:
    """A JSON value as PS3.5 writes it; a person name's groups are joined by equals signs."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        groups = (str(value.get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic"))
        return "=".join(groups).rstrip("=")
    return str(value)
