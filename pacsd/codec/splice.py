"""Corrections on the way out: overlays spliced into a data set, every other byte as it was stored.

What was there before goes into the Original Attributes Sequence (0400,0561) (PS3.3 C.12.1.1.9).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pacsd.codec.charset import is_supported
from pacsd.codec.deflate import deflated
from pacsd.codec.elements import NotRepresentableError, encode_element, encode_header, encode_item
from pacsd.codec.keys import SPECIFIC_CHARACTER_SET
from pacsd.codec.structure import MAX_ELEMENTS, SEQUENCE_DELIMITATION, UNDEFINED, MalformedDataset
from pacsd.codec.to_utf8 import to_utf8
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.codec.walk import Dataset, Located, Reader
from pacsd.faults import Fault, PacsdError

Overlay = Mapping[str, Mapping[str, Any] | None]     # 8-hex tag -> DICOM JSON attribute; None removes

ORIGINAL_ATTRIBUTES = 0x04000561
_MODIFIED_ATTRIBUTES = 0x04000550
_PIXEL_GROUP = 0x7FE0
_CHUNK_BYTES = 1 << 20
_MAX_REWRITTEN_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Edit:
    """Bytes `start` to `end` are replaced; an insertion where both are the same."""

    start: int
    end: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Spliced:
    """A corrected data set: what was written anew, and where the stored bytes follow that end it."""

    head: Iterator[bytes]
    rest_at: int                         # of the reader; what ends there has nothing of its own to add
    rest_bytes: int


def spliced(
    reader: Reader,
    *,
    offset_bytes: int,
    length_bytes: int,
    transfer_syntax_uid: str,
    overlay: Overlay,
    override: str | None = None,
    modified_at: datetime | None = None,
    reason: str = "CORRECT",
) -> Iterator[bytes]:
    """All bytes of what `splice` makes; raises what it raises, before the first byte is yielded."""
    made = splice(
        reader, offset_bytes=offset_bytes, length_bytes=length_bytes, transfer_syntax_uid=transfer_syntax_uid,
        overlay=overlay, override=override, modified_at=modified_at, reason=reason,
    )  # fmt: skip
    yield from made.head
    yield from _copied(reader, made.rest_at, made.rest_at + made.rest_bytes)


def splice(
    reader: Reader,
    *,
    offset_bytes: int,
    length_bytes: int,
    transfer_syntax_uid: str,
    overlay: Overlay,
    override: str | None = None,
    modified_at: datetime | None = None,
    reason: str = "CORRECT",
) -> Spliced:
    """The data set with the overlay's top-level attributes replaced, inserted in tag order, or removed.

    It is written in the object's own transfer syntax and character sets; text that those cannot hold turns
    all text of the data set into UTF-8 (ISO_IR 192). `override` is the sender's real character set, when
    known; `reason` is CORRECT or COERCE. An overlay of (0400,0561) gives the items to append itself, else one
    is made, of `modified_at` (default: now). Raises PacsdError MALFORMED, UNSUPPORTED, UNAVAILABLE or
    TOO_MUCH; reading the head raises UNAVAILABLE alone.
    """
    if not overlay:
        return Spliced(iter(()), offset_bytes, length_bytes)
    place = Dataset(
        reader, offset_bytes=offset_bytes, length_bytes=length_bytes, transfer_syntax_uid=transfer_syntax_uid
    )
    attributes = {_tag(name): attribute for name, attribute in overlay.items()}
    attributes.pop(SPECIFIC_CHARACTER_SET, None)
    when = modified_at or datetime.now(UTC)
    try:
        edits = _edited(place, attributes, when, reason)
    except NotRepresentableError:
        place, edits = _edited_in_utf8(place, override, attributes, when, reason)
    if transfer_syntax(transfer_syntax_uid).deflated:
        return Spliced(deflated(_with_edits(place, edits, place.end)), offset_bytes, 0)
    joined = place.reader if isinstance(place.reader, _Joined) else None
    rest_at = edits[-1].end if joined is None else max(edits[-1].end, joined.seam)
    head = _with_edits(place, edits, rest_at)
    return Spliced(head, rest_at if joined is None else joined.in_rest(rest_at), place.end - rest_at)


def _tag(name: str) -> int:
    try:
        tag = int(name, 16)
    except ValueError:
        tag = -1
    if len(name) != 8 or not 0x00080000 <= tag < _PIXEL_GROUP << 16:
        raise PacsdError(Fault.UNSUPPORTED, "an overlay names what is no attribute of a header")
    return tag


def _edited(
    place: Dataset, overlay: Mapping[int, Mapping[str, Any] | None], when: datetime, reason: str
) -> list[_Edit]:
    """At least one. Raises NotRepresentableError."""
    elements, tail = _header_elements(place)
    sets = _character_sets(place, elements)
    if not is_supported(sets):
        sets = ()
    new: dict[int, bytes] = {}
    for tag, attribute in overlay.items():
        if tag == ORIGINAL_ATTRIBUTES:
            continue
        new[tag] = b"" if attribute is None else encode_element(
            tag, attribute, implicit=place.implicit, big_endian=place.big_endian, character_sets=sets
        )
    new[ORIGINAL_ATTRIBUTES] = _original_attributes(
        place, elements, new, overlay.get(ORIGINAL_ATTRIBUTES), sets, when, reason
    )
    return _edits(elements, new, tail)


def _edited_in_utf8(
    place: Dataset, override: str | None, overlay: Mapping[int, Mapping[str, Any] | None], when: datetime, reason: str
) -> tuple[Dataset, list[_Edit]]:
    try:
        in_utf8 = _in_utf8(place, override)
        return in_utf8, _edited(in_utf8, overlay, when, reason)
    except NotRepresentableError as error:           # broken before it says what its text is in
        raise MalformedDataset("the data set cannot be put into another character set") from error


def _header_elements(place: Dataset) -> tuple[list[Located], int]:
    """The top-level elements before Pixel Data, and where they end."""
    elements: list[Located] = []
    for element in place.elements():
        if element.tag >> 16 >= _PIXEL_GROUP:
            return elements, element.start
        elements.append(element)
        if len(elements) > MAX_ELEMENTS:
            raise PacsdError(Fault.TOO_MUCH, f"a header of more than {MAX_ELEMENTS} elements")
    return elements, elements[-1].end if elements else place.start


def _character_sets(place: Dataset, elements: list[Located]) -> tuple[str, ...]:
    for element in elements:
        if element.tag == SPECIFIC_CHARACTER_SET:
            text = place.read(element.value_at, element.length).decode("ascii", "replace").strip(" \0")
            return tuple(part.strip() for part in text.split("\\"))
    return ()


def _edits(elements: list[Located], new: Mapping[int, bytes], tail: int) -> list[_Edit]:
    """Group lengths (retired) of touched groups go: they would lie."""
    groups = {tag >> 16 for tag in new}
    edits: list[_Edit] = []
    written: set[int] = set()
    for element in elements:
        if element.tag in new:
            data = b"" if element.tag in written else new[element.tag]
            written.add(element.tag)
            edits.append(_Edit(element.start, element.end, data))
        elif element.tag & 0xFFFF == 0 and element.tag >> 16 in groups:
            edits.append(_Edit(element.start, element.end, b""))
    for tag in sorted(new.keys() - written):
        at = next((element.start for element in elements if element.tag > tag), tail)
        edits.append(_Edit(at, at, new[tag]))
    # An insertion goes before what is replaced at the same place; sorting is stable for the tags' order.
    return sorted(edits, key=lambda edit: (edit.start, edit.end > edit.start))


def _with_edits(place: Dataset, edits: list[_Edit], end: int) -> Iterator[bytes]:
    at = place.start
    for edit in edits:
        yield from _copied(place.reader, at, edit.start)
        if edit.data:
            yield edit.data
        at = edit.end
    yield from _copied(place.reader, at, end)


def _copied(reader: Reader, at: int, end: int) -> Iterator[bytes]:
    while at < end:
        chunk = reader.pread(min(_CHUNK_BYTES, end - at), at)
        if not chunk:
            raise PacsdError(Fault.UNAVAILABLE, "a stored object is shorter than it should be")
        at += len(chunk)
        yield chunk


def _original_attributes(
    place: Dataset,
    elements: list[Located],
    new: Mapping[int, bytes],
    given: Mapping[str, Any] | None,
    sets: tuple[str, ...],
    when: datetime,
    reason: str,
) -> bytes:
    """The sequence as it stands with one more item: the replaced elements, byte for byte, and who did it."""
    implicit, big = place.implicit, place.big_endian
    before = b""
    for element in elements:
        if element.tag == ORIGINAL_ATTRIBUTES:
            before = _items_of(place, element)
    if given is not None:
        whole = encode_element(
            ORIGINAL_ATTRIBUTES, {**given, "vr": "SQ"}, implicit=implicit, big_endian=big, character_sets=sets
        )
        added = whole[8 if implicit else 12 :]
    else:
        old = b"".join(
            place.read(element.start, element.end - element.start)
            for element in elements
            if element.tag in new
        )
        added = encode_item(_item(old, implicit, big, when, reason), big_endian=big)
    header = encode_header(
        ORIGINAL_ATTRIBUTES, "SQ", len(before) + len(added), implicit=implicit, big_endian=big
    )
    return header + before + added


def _item(old: bytes, implicit: bool, big: bool, when: datetime, reason: str) -> bytes:
    inner = encode_item(old, big_endian=big)
    facts: dict[int, dict[str, Any]] = {
        # Attribute Modification DateTime
        0x04000562: {"vr": "DT", "Value": [f"{when:%Y%m%d%H%M%S.%f%z}"]},
        0x04000563: {"vr": "LO", "Value": ["PACSD"]},                          # Modifying System
        0x04000564: {"vr": "LO"},                                              # Source of Previous Values
        0x04000565: {"vr": "CS", "Value": [reason]},                           # Reason for the Modification
    }
    return b"".join((
        encode_header(_MODIFIED_ATTRIBUTES, "SQ", len(inner), implicit=implicit, big_endian=big),
        inner,
        *(
            encode_element(tag, fact, implicit=implicit, big_endian=big, character_sets=())
            for tag, fact in facts.items()
        ),
    ))


def _items_of(place: Dataset, sequence: Located) -> bytes:
    """The items of a sequence as they stand, without its delimitation item; none if it is not one."""
    end = sequence.end - 8 if sequence.length == UNDEFINED else sequence.end
    try:
        for item in place.items(sequence.value_at, sequence.end):
            if item.tag == SEQUENCE_DELIMITATION and sequence.length != UNDEFINED:
                end = item.value_at - 8
    except MalformedDataset:
        return b""
    return place.read(sequence.value_at, end - sequence.value_at)


class _Joined:
    """A rewritten header in memory before the rest of a stored data set, as one Reader."""

    def __init__(self, head: bytes, rest: Reader, rest_at: int) -> None:
        self._head, self._rest, self._rest_at = head, rest, rest_at
        self.seam = len(head)

    def in_rest(self, offset_bytes: int) -> int:
        """Where a place behind the seam is in the rest."""
        return self._rest_at + offset_bytes - self.seam

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        """A range; it ends at the seam."""
        if offset_bytes < len(self._head):
            return self._head[offset_bytes : offset_bytes + length_bytes]
        return self._rest.pread(length_bytes, self.in_rest(offset_bytes))


def _in_utf8(place: Dataset, override: str | None) -> Dataset:
    """The same data set with all text before Pixel Data in ISO_IR 192; Pixel Data keeps streaming."""
    _, tail = _header_elements(place)
    if tail - place.start > _MAX_REWRITTEN_BYTES:
        raise PacsdError(Fault.TOO_MUCH, "the header is too large to change its character set")
    head = to_utf8(
        place.read(place.start, tail - place.start),
        implicit=place.implicit,
        big_endian=place.big_endian,
        override=override,
    )
    uid = _UNDEFLATED[place.implicit, place.big_endian]
    joined = _Joined(head, place.reader, tail)
    return Dataset(
        joined, offset_bytes=0, length_bytes=len(head) + place.end - tail, transfer_syntax_uid=uid
    )


_UNDEFLATED = {
    (True, False): "1.2.840.10008.1.2",
    (False, False): "1.2.840.10008.1.2.1",
    (False, True): "1.2.840.10008.1.2.2",
    (True, True): "1.2.840.10008.1.2.2",
}


__all__ = ["Overlay", "Spliced", "splice", "spliced"]
