"""A data set written from the DICOM JSON Model (PS3.18 F.2), with bulk values put in as they are read.

What is written is Explicit VR Little Endian with text in UTF-8. Values that stand elsewhere stay there until the
pieces are written out, so an object of gigabytes takes no more memory than its attributes.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from pacsd.codec.elements import encode_element, encode_header
from pacsd.codec.structure import (
    ITEM,
    LONG_VRS,
    MAX_DEPTH,
    SEQUENCE_DELIMITATION,
    SHORT_VRS,
    UNDEFINED,
    show,
    vr_of,
)
from pacsd.faults import Fault, PacsdError

UTF8 = "ISO_IR 192"
PIXEL_DATA = 0x7FE00010

_CHARACTER_SET = 0x00080005
_AVAILABLE_TRANSFER_SYNTAX = 0x00083002      # of metadata, not of the object (PS3.18 F.2)
_OFFSET_TABLES = frozenset((0x7FE00001, 0x7FE00002))
_MAX_OFFSET = 0xFFFFFFFF
_MAX_LENGTH = 0xFFFFFFFE
_MAX_SHORT = 0xFFFE
_ZERO = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN", "UI"))


class BulkValue(Protocol):
    """Bytes that stand elsewhere: a whole value, a frame or a fragment."""

    @property
    def size_bytes(self) -> int: ...

    def chunks(self) -> Iterator[bytes]: ...


Piece = bytes | BulkValue
Bulk = Callable[[str], Sequence[BulkValue]]      # what a Bulk Data URI names. Raises PacsdError


def dataset_pieces(attributes: Mapping[str, Any], bulk: Bulk, *, encapsulated: bool) -> list[Piece]:
    """The data set in pieces, in tag order; with `encapsulated` each part of Pixel Data becomes a fragment.

    Group 2, group lengths and what only metadata has are left out; Specific Character Set says UTF-8. Raises
    PacsdError: MALFORMED, TOO_MUCH (nested too deeply, or a value that no length field can tell).
    """
    elements = _checked(attributes)
    if _CHARACTER_SET in elements or not _is_ascii(elements):
        elements[_CHARACTER_SET] = {"vr": "CS", "Value": [UTF8]}
    pieces: list[Piece] = []
    for tag in sorted(elements):
        if tag >> 16 <= 2 or tag == _AVAILABLE_TRANSFER_SYNTAX or (encapsulated and tag in _OFFSET_TABLES):
            continue
        if tag == PIXEL_DATA and encapsulated:
            pieces += _encapsulated(_bulk_of(tag, elements[tag], bulk))
        else:
            pieces += _element(tag, elements[tag], bulk, 0)
    return pieces


def size_of(pieces: Sequence[Piece]) -> int:
    """Bytes of all of them."""
    return sum(len(piece) if isinstance(piece, bytes) else piece.size_bytes for piece in pieces)


def written(pieces: Sequence[Piece]) -> Iterator[bytes]:
    """The pieces one behind the other."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from piece.chunks()


def _checked(attributes: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    elements: dict[int, Mapping[str, Any]] = {}
    for name, attribute in attributes.items():
        try:
            tag = int(name, 16) if len(name) == 8 and name.isalnum() else -1
        except ValueError:
            tag = -1
        if tag < 0:
            raise PacsdError(Fault.MALFORMED, "a member of a data set is no tag of eight hexadecimal digits")
        if not isinstance(attribute, Mapping):
            raise PacsdError(Fault.MALFORMED, f"{show(tag)} is no attribute object")
        if tag in elements:
            raise PacsdError(Fault.MALFORMED, f"{show(tag)} stands there twice")
        if tag & 0xFFFF:
            elements[tag] = attribute
    return elements


def _is_ascii(elements: Mapping[int, Mapping[str, Any]]) -> bool:
    return all(str(attribute.get("Value", "")).isascii() for attribute in elements.values())


def _element(tag: int, attribute: Mapping[str, Any], bulk: Bulk, depth: int) -> list[Piece]:
    vr = str(attribute.get("vr") or vr_of(tag))
    if vr.encode() not in LONG_VRS and vr.encode() not in SHORT_VRS:
        raise PacsdError(Fault.MALFORMED, f"{show(tag)} has no known VR")
    values = attribute.get("Value")
    if values is not None and not isinstance(values, list):
        raise PacsdError(Fault.MALFORMED, f"the Value of {show(tag)} is no array")
    if "BulkDataURI" in attribute:
        return _bulk_element(tag, vr, _bulk_of(tag, attribute, bulk))
    if vr == "SQ":
        return _sequence(tag, values or [], bulk, depth)
    _check_values(tag, vr, values or [])
    return [encode_element(tag, {**attribute, "vr": vr}, implicit=False, big_endian=False, character_sets=(UTF8,))]


def _check_values(tag: int, vr: str, values: Sequence[Any]) -> None:
    """What would not fail, and would say something else once written."""
    for value in values:
        if isinstance(value, list) or isinstance(value, Mapping) != (vr == "PN" and value is not None):
            raise PacsdError(Fault.MALFORMED, f"{show(tag)} holds no value of VR {vr}")
        if isinstance(value, str) and "\\" in value and vr not in ("LT", "ST", "UT", "UR"):
            raise PacsdError(Fault.MALFORMED, f"a value of {show(tag)} holds a backslash")


def _sequence(tag: int, items: Sequence[Any], bulk: Bulk, depth: int) -> list[Piece]:
    """Lengths are told as long as they can be: readers skip what they do not want."""
    if depth >= MAX_DEPTH:
        raise PacsdError(Fault.TOO_MUCH, f"sequences nested deeper than {MAX_DEPTH}")
    content: list[Piece] = []
    for item in items:
        if not isinstance(item, Mapping):
            raise PacsdError(Fault.MALFORMED, f"an item of {show(tag)} is no object")
        inner = _checked(item)
        inner.pop(_CHARACTER_SET, None)      # its text is in UTF-8 as all of it
        pieces = [piece for one in sorted(inner) for piece in _element(one, inner[one], bulk, depth + 1)]
        content += [_item(size_of(pieces)), *pieces]
    size = size_of(content)
    if size > _MAX_LENGTH:
        raise PacsdError(Fault.TOO_MUCH, f"{show(tag)} is longer than a length field can tell")
    head = encode_header(tag, "SQ", size, implicit=False, big_endian=False)
    return [head, *content]


def _bulk_of(tag: int, attribute: Mapping[str, Any], bulk: Bulk) -> Sequence[BulkValue]:
    uri = attribute.get("BulkDataURI")
    if isinstance(uri, str):
        return bulk(uri)
    detail = f"{show(tag)} is compressed and not given by a Bulk Data URI"
    raise PacsdError(Fault.MALFORMED, detail if uri is None else f"the Bulk Data URI of {show(tag)} is no text")


def _bulk_element(tag: int, vr: str, values: Sequence[BulkValue]) -> list[Piece]:
    """A value longer than its VR's length field is of VR UN (PS3.5 6.2.2)."""
    size = sum(value.size_bytes for value in values)
    padding = b"" if size % 2 == 0 else b"\0" if vr in _ZERO else b" "
    length = size + len(padding)
    if length > _MAX_LENGTH:
        raise PacsdError(Fault.TOO_MUCH, f"{show(tag)} is longer than a length field can tell")
    written_vr = "UN" if length > _MAX_SHORT and vr.encode() not in LONG_VRS else vr
    return [encode_header(tag, written_vr, length, implicit=False, big_endian=False), *values, padding]


def _encapsulated(fragments: Sequence[BulkValue]) -> list[Piece]:
    """Pixel Data with one fragment for each frame, and the table that says where they begin (PS3.5 A.4)."""
    offsets, at = [], 0
    for fragment in fragments:
        if fragment.size_bytes > _MAX_LENGTH:
            raise PacsdError(Fault.TOO_MUCH, "a compressed frame is longer than a length field can tell")
        offsets.append(at)
        at += 8 + fragment.size_bytes + fragment.size_bytes % 2
    told = offsets if len(offsets) > 1 and offsets[-1] <= _MAX_OFFSET else []
    table = struct.pack(f"<{len(told)}I", *told)
    pieces: list[Piece] = [
        encode_header(PIXEL_DATA, "OB", UNDEFINED, implicit=False, big_endian=False), _item(len(table)) + table
    ]
    for fragment in fragments:
        padding = fragment.size_bytes % 2
        pieces += [_item(fragment.size_bytes + padding), fragment, bytes(padding)]
    return [*pieces, encode_header(SEQUENCE_DELIMITATION, "", 0, implicit=False, big_endian=False)]


def _item(length: int) -> bytes:
    if length > _MAX_LENGTH:
        raise PacsdError(Fault.TOO_MUCH, "an item is longer than a length field can tell")
    return encode_header(ITEM, "", length, implicit=False, big_endian=False)
