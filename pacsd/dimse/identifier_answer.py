"""Response identifiers of C-FIND (PS3.4 C.4.1.1.3.2): DICOM JSON attributes to an encoded data set."""

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

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
        self._keys = identifier.keys
        self._character_set = character_set or UTF_8
        self._always: dict[str, Attribute] = {}
        if identifier.level:
            self._always = {
                f"{QUERY_RETRIEVE_LEVEL:08X}": {"vr": "CS", "Value": [identifier.level]},
                f"{RETRIEVE_AE_TITLE:08X}": {"vr": "AE", "Value": [retrieve_ae_title]},
            }
        self._needs_character_set = False
        self._otherwise: dict[int, Attribute] = {INSTANCE_AVAILABILITY: {"vr": "CS", "Value": [ONLINE]}}
        wanted = set(self._keys) | {int(name, 16) for name in self._always}
        self._wanted = [(tag, f"{tag:08X}", self._keys.get(tag)) for tag in sorted(wanted)]

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
        for tag, name, key in self._wanted:
            attribute = self._always.get(name) or attributes.get(name) or self._otherwise.get(tag)
            parts.append(self._attribute(tag, attribute, key, character_set))
        body = b"".join(parts)
        if not self._needs_character_set:
            return body
        return self._element(SPECIFIC_CHARACTER_SET, "CS", character_set.encode("ascii")) + body

    def _attribute(self, tag: int, attribute: Attribute | None, key: Key | None, character_set: str) -> bytes:
        if attribute is None:
            return self._element(tag, key.vr if key else vr_of(tag), b"")
        vr = str(attribute.get("vr") or vr_of(tag))
        if vr == "SQ":
            wanted = key.items[0] if key and key.items else None
            return self._element(tag, vr, self._items(attribute.get("Value") or (), wanted, character_set))
        if "InlineBinary" in attribute:
            return self._element(tag, vr, base64.b64decode(attribute["InlineBinary"]))
        return self._element(tag, vr, self._value(vr, attribute.get("Value") or (), character_set))

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
            return text.encode("ascii")
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
        if len(value) % 2:
            value += b"\0" if vr in _NULL_PADDED else b" "
        group, element = tag >> 16, tag & 0xFFFF
        if not self._explicit:
            return struct.pack(self._order + "HHI", group, element, len(value)) + value
        if vr not in _LONG and len(value) > _MAX_SHORT_BYTES:
            vr = "UN"                            # PS3.5 6.2.2
        if vr in _LONG:
            return struct.pack(self._order + "HH2sxxI", group, element, vr.encode(), len(value)) + value
        return struct.pack(self._order + "HH2sH", group, element, vr.encode(), len(value)) + value


def _person_name(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "" if value is None else str(value)
    return "=".join(value.get(group, "") for group in _PN_GROUPS).rstrip("=")
