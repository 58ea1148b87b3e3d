"""Response identifiers of C-FIND (PS3.4 C.4.1.1.3.2): DICOM JSON attributes to an encoded data set."""

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from pacsd.codec.charset import TEXT_VRS, encode
from pacsd.codec.structure import LONG_VRS, vr_of
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.dimse.identifier import QUERY_RETRIEVE_LEVEL, SPECIFIC_CHARACTER_SET, Identifier, Key

RETRIEVE_AE_TITLE = 0x00080054
INSTANCE_AVAILABILITY = 0x00080056
UTF_8 = "ISO_IR 192"
ONLINE = "ONLINE"

Attribute = Mapping[str, Any]

_NUMBERS = {"AT": "HH", "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "SV": "q", "UV": "Q"}
_FLOATING = frozenset(("FL", "FD"))
_LONG = frozenset(LONG_VRS.values())
_NULL_PADDED = frozenset(("UI", "OB", "UN"))
_MAX_SHORT_BYTES = 0xFFFE
_PN_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


class _Place(NamedTuple):
    """An attribute of every answer; `otherwise` is the element where a match has none of that name."""

    tag: int
    name: str                            # in the DICOM JSON Model; empty where a match is not asked
    key: Key | None
    otherwise: bytes


class _Head(NamedTuple):
    """What stands before the values of one attribute, and what fills those of odd length."""

    before: bytes                        # tag, and in explicit VR the VR
    length: struct.Struct
    pad: bytes


class _CannotEncode(Exception):
    """A text that the wanted character set cannot hold."""


class AnswerWriter:
    """Encodes the answers to one request: the keys it asked for, and what every answer has."""

    def __init__(
        self, identifier: Identifier, transfer_syntax_uid: str, *, retrieve_ae_title: str, character_set: str | None
    ) -> None:
        syntax = transfer_syntax(transfer_syntax_uid)
        self._explicit = not syntax.implicit
        self._deflated = syntax.deflated
        self._order = ">" if syntax.big_endian else "<"
        self._character_set = character_set or UTF_8
        self._needs_character_set = False
        always: dict[int, bytes] = {}
        if identifier.level:
            always = {
                QUERY_RETRIEVE_LEVEL: self._element(QUERY_RETRIEVE_LEVEL, "CS", _ascii(identifier.level)),
                RETRIEVE_AE_TITLE: self._element(RETRIEVE_AE_TITLE, "AE", _ascii(retrieve_ae_title)),
            }
        self._places = [
            _Place(tag, "", None, always[tag]) if tag in always else self._place(tag, identifier.keys[tag])
            for tag in sorted(always.keys() | identifier.keys.keys())
        ]

    def _place(self, tag: int, key: Key) -> _Place:
        online = tag == INSTANCE_AVAILABILITY
        otherwise = self._element(tag, "CS", _ascii(ONLINE)) if online else self._element(tag, key.vr, b"")
        return _Place(tag, f"{tag:08X}", key, otherwise)

    def write(self, attributes: Mapping[str, Attribute]) -> bytes:
        """One answer. Specific Character Set is there when any text needs it, and UTF-8 when ours cannot hold it."""
        try:
            data = self._write(attributes, self._character_set)
        except _CannotEncode:
            data = self._write(attributes, UTF_8)
        if self._deflated:
            squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            data = squeeze.compress(data) + squeeze.flush()
            data += b"\0" * (len(data) % 2)
        return data

    def _write(self, attributes: Mapping[str, Attribute], character_set: str) -> bytes:
        parts = []
        self._needs_character_set = False
        for tag, name, key, otherwise in self._places:
            attribute = attributes.get(name)
            parts.append(self._attribute(tag, attribute, key, character_set) if attribute else otherwise)
        body = b"".join(parts)
        if not self._needs_character_set:
            return body
        return self._element(SPECIFIC_CHARACTER_SET, "CS", _ascii(character_set)) + body

    def _attribute(self, tag: int, attribute: Attribute | None, key: Key | None, character_set: str) -> bytes:
        if attribute is None:
            return self._element(tag, key.vr if key else vr_of(tag), b"")
        vr = attribute.get("vr") or vr_of(tag)
        values = attribute.get("Value") or ()
        if vr == "SQ":
            wanted = key.items[0] if key and key.items else None
            return self._element(tag, vr, self._items(values, wanted, character_set))
        if "InlineBinary" in attribute:
            return self._element(tag, vr, base64.b64decode(attribute["InlineBinary"]))
        return self._element(tag, vr, self._value(vr, values, character_set) if values else b"")

    def _items(
        self, items: Iterable[Mapping[str, Attribute]], wanted: Mapping[int, Key] | None, character_set: str
    ) -> bytes:
        """Items with the attributes that were asked for, all of them where none was named (PS3.4 C.2.2.2.6).

        Their text is in the character set of the answer, so none of them names one (PS3.3 C.12.1.1.2).
        """
        parts: list[bytes] = []
        for item in items:
            tags = sorted(wanted) if wanted else sorted(int(name, 16) for name in item)
            body = b"".join(
                self._attribute(tag, item.get(f"{tag:08X}"), wanted.get(tag) if wanted else None, character_set)
                for tag in tags
                if tag != SPECIFIC_CHARACTER_SET
            )
            parts += (struct.pack(self._order + "HHI", 0xFFFE, 0xE000, len(body)), body)
        return b"".join(parts)

    def _value(self, vr: str, values: Iterable[Any], character_set: str) -> bytes:
        if vr in _NUMBERS:
            return self._numbers(vr, values)
        if vr == "PN":
            text = "\\".join(map(_person_name, values))
        else:
            text = "\\".join("" if value is None else str(value) for value in values)
        if text.isascii():
            return text.encode()
        self._needs_character_set = True
        encoded = encode(text, vr, character_set.split("\\")) if vr in TEXT_VRS else text.encode("ascii", "replace")
        if encoded is None:
            raise _CannotEncode
        return encoded

    def _numbers(self, vr: str, values: Iterable[Any]) -> bytes:
        """JSON may tell a number as text (PS3.18 F.2.3). What does not fit into its VR is told as no value at all."""
        form, read = self._order + _NUMBERS[vr], float if vr in _FLOATING else int
        try:
            if vr == "AT":
                return b"".join(struct.pack(form, int(one[:4], 16), int(one[4:], 16)) for one in values)
            return b"".join(struct.pack(form, read(value)) for value in values)
        except (struct.error, TypeError, ValueError, OverflowError):
            return b""

    def _element(self, tag: int, vr: str, value: bytes) -> bytes:
        if self._explicit and len(value) > _MAX_SHORT_BYTES and vr not in _LONG:
            vr = "UN"                            # PS3.5 6.2.2
        before, length, pad = _head(tag, vr, self._explicit, self._order)
        if len(value) % 2:
            value += pad
        return before + length.pack(len(value)) + value


@lru_cache(maxsize=4096)
def _head(tag: int, vr: str, explicit: bool, order: str) -> _Head:
    """Answers have the same attributes again and again."""
    before = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    is_long = vr in _LONG or not explicit
    if explicit:
        before += struct.pack("2sxx" if is_long else "2s", vr.encode())
    pad = b"\0" if vr in _NULL_PADDED else b" "
    return _Head(before, struct.Struct(order + ("I" if is_long else "H")), pad)


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def _person_name(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "" if value is None else str(value)
    if len(value) == 1 and "Alphabetic" in value:
        return str(value["Alphabetic"])
    return "=".join(value.get(group, "") for group in _PN_GROUPS).rstrip("=")
