"""Encapsulated documents in OBX-5 (data type ED, HL7 v2.5.1 2.A.24): decoded piece by piece, never held whole."""

import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hl7.conditions import Condition, Hl7Error, Location
from ihe_profiles.rd.fields import Group, Placed, part

PDF = "application/pdf"
_STEP_BYTES = 1 << 20
_HEAD_BYTES = 64
_BREAKS = re.compile(rb"\\(?:\.br|X0D0A|X0D|X0A|X20)\\|[ \t\r\n]+")


@dataclass(frozen=True, slots=True)
class Encapsulated:
    """A document that still stands in its message. `pieces`: of its encoded bytes."""

    place: Location
    encoding: str
    title: str
    pieces: Callable[[], Iterator[bytes | memoryview]]

    @staticmethod
    def of(group: Group, one: Placed) -> "Encapsulated":
        """That of a segment OBX. Raises Hl7Error for a type or an encoding that nobody here reads, and for no data."""
        kind, subtype = part(group, one, 5, 2).lower(), part(group, one, 5, 3).lower()
        encoding = part(group, one, 5, 4).lower() or "base64"
        if "pdf" not in subtype and "pdf" not in kind:
            raise Hl7Error(Condition.TABLE_VALUE, one.location(5, 1, 3), "documents that are taken here: PDF")
        if encoding not in _DECODERS:
            raise Hl7Error(Condition.TABLE_VALUE, one.location(5, 1, 4), "encodings that are read here: Base64, Hex")
        data = one.segment.component(one.segment.repetitions(5)[0], 5)
        if not data.strip():
            raise Hl7Error(Condition.REQUIRED_FIELD, one.location(5, 1, 5), "a document without its data")
        message = group.reading.message
        return Encapsulated(
            one.location(5, 1, 5), encoding, part(group, one, 3, 2), lambda: message.encoded(data)
        )

    def chunks(self) -> Iterator[bytes]:
        """Its bytes. Raises Hl7Error for what is not encoded as it says, and for what is no PDF."""
        head: bytes | None = b""                                         # until enough of it is there to tell
        try:
            for chunk in _DECODERS[self.encoding](_plain(self.pieces())):
                if head is None:
                    yield chunk
                    continue
                head += chunk
                if len(head) >= _HEAD_BYTES:
                    yield self._begun(head)
                    head = None
        except (binascii.Error, ValueError) as error:                    # of an encoding, or text that is not ASCII
            raise Hl7Error(Condition.DATA_TYPE, self.place, f"not {self.encoding}") from error
        if head is not None:
            yield self._begun(head)

    def _begun(self, head: bytes) -> bytes:
        """The beginning, which must be that of a PDF."""
        if not head:
            raise Hl7Error(Condition.REQUIRED_FIELD, self.place, "a document without its data")
        if not head.lstrip().startswith(b"%PDF-"):
            raise Hl7Error(Condition.DATA_TYPE, self.place, "not a PDF")
        return head


def _plain(pieces: Iterator[bytes | memoryview]) -> Iterator[bytes]:
    """The pieces without line breaks, in steps; an escape sequence is never divided."""
    rest = b""
    for piece in pieces:
        for at in range(0, len(piece), _STEP_BYTES):
            data = rest + bytes(piece[at : at + _STEP_BYTES])
            end = len(data) if data.count(b"\\") % 2 == 0 else data.rindex(b"\\")
            yield _BREAKS.sub(b"", data[:end])
            rest = data[end:]
    yield rest


def _base64(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        data = rest + piece
        end = len(data) // 4 * 4 if b"=" not in data else 0              # what pads ends it
        yield binascii.a2b_base64(data[:end], strict_mode=True)
        rest = data[end:]
    yield binascii.a2b_base64(rest, strict_mode=True)


def _hexadecimal(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        data = rest + piece
        end = len(data) // 2 * 2
        yield binascii.unhexlify(data[:end])
        rest = data[end:]
    yield binascii.unhexlify(rest)


_DECODERS: Mapping[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {"base64": _base64, "hex": _hexadecimal}
