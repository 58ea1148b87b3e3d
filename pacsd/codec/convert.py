"""Exact conversion among the uncompressed transfer syntaxes (PS3.5 A.1, A.2, A.3, A.5), as a stream.

Headers are written anew, binary values swapped by their VR, everything else stays byte for byte. Group lengths
(retired) are dropped. Sequences and items of undefined length stay so; those of defined length get a new one, or
become undefined where they are large.

What nobody knows the VR of: from implicit VR it becomes UN (PS3.5 6.2.2); UN always holds implicit VR little endian
and is never swapped (PS3.5 6.2.2 notes, CP-246). In implicit VR a sequence that no dictionary knows is written with
undefined length, so that the next reader still sees that it is one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from pydicom.datadict import dictionary_VR

from pacsd.codec.deflate import deflated, inflated
from pacsd.codec.elements import encode_header
from pacsd.codec.forward import Forward
from pacsd.codec.header import MAX_HEADER_BYTES, scan
from pacsd.codec.structure import (
    ITEM,
    ITEM_DELIMITATION,
    MAX_DEPTH,
    SEQUENCE_DELIMITATION,
    SHORT_VRS,
    UNDEFINED,
    WORD_BYTES,
    Bytes,
    ElementHead,
    MalformedDataset,
    NeedMoreData,
    element_head,
    items_are_big_endian,
    looks_implicit,
    show,
    swapped,
    vr_of,
)
from pacsd.codec.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from pacsd.faults import Fault, PacsdError

CONVERTIBLE = (                          # best first
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)

_GATHERED_BYTES = 1 << 20                # a defined length up to this is computed anew
_AHEAD_BYTES = 1 << 16
_MAX_SHORT = 0xFFFE
_SHORT = frozenset(SHORT_VRS.values())

_BITS_ALLOCATED, _PIXEL_REPRESENTATION, _PIXEL_DATA = 0x00280100, 0x00280103, 0x7FE00010
_WAVEFORM_BITS_ALLOCATED, _WAVEFORM_PADDING_VALUE, _WAVEFORM_DATA = 0x54001004, 0x5400100A, 0x54001010
_FACTS = frozenset((_BITS_ALLOCATED, _PIXEL_REPRESENTATION, _WAVEFORM_BITS_ALLOCATED))

Facts = dict[int, int]                   # what decides between two VRs, as far as it was read


@dataclass(frozen=True, slots=True)
class _Encoding:
    """How elements are written."""

    implicit: bool
    big: bool


_IN_UNKNOWN = _Encoding(implicit=True, big=False)        # CP-246


def is_convertible(source: str, target: str) -> bool:
    """Whether a data set can go from one transfer syntax into the other without touching a pixel's value."""
    return source in CONVERTIBLE and target in CONVERTIBLE


def converted(
    chunks: Iterable[bytes], *, source: str, target: str, length_bytes: int | None = None
) -> Iterator[bytes]:
    """The data set in another of the `CONVERTIBLE` transfer syntaxes; `length_bytes` of the source if it is known.

    Raises PacsdError: UNSUPPORTED for other syntaxes and for encapsulated Pixel Data, MALFORMED, TOO_MUCH when nested
    too deeply. Defects of a header below 1 MiB, and lengths that lie, are found before the first bytes are yielded.
    """
    if not is_convertible(source, target):
        raise PacsdError(Fault.UNSUPPORTED, f"no conversion into {transfer_syntax(target).name}")
    written, wanted = transfer_syntax(source), transfer_syntax(target)
    if written.deflated:
        chunks, length_bytes = inflated(chunks), None
    data = Forward(chunks, length_bytes)
    now = _Encoding(looks_implicit(bytes(data.peek(8)), implicit=written.implicit), written.big_endian)
    then = _Encoding(wanted.implicit, wanted.big_endian)
    pieces = data.rest() if now == then else _Conversion(data).run(now, then)
    return deflated(pieces) if wanted.deflated else _gathered(pieces)


def _gathered(pieces: Iterable[Bytes]) -> Iterator[bytes]:
    """Chunks worth sending."""
    held: list[Bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _GATHERED_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


class _Conversion:
    """One pass over a data set. `end` is a position in it: nothing may go beyond."""

    def __init__(self, data: Forward) -> None:
        self._data = data

    def run(self, source: _Encoding, target: _Encoding) -> Iterator[Bytes]:
        """The whole data set."""
        facts = self._facts_ahead() if source.implicit else {}
        return self._elements(self._data.length_bytes, source, target, facts, 0)

    def _facts_ahead(self) -> Facts:
        """Pixel Representation, which some attributes with two VRs come before."""
        size = _AHEAD_BYTES
        while size <= MAX_HEADER_BYTES:
            front = self._data.peek(size)
            try:
                tags = frozenset((_PIXEL_REPRESENTATION,))
                header = scan(front, IMPLICIT_VR_LITTLE_ENDIAN, tags=tags, complete=False)
            except NeedMoreData:
                if len(front) < size:
                    break
                size *= 4
                continue
            return {tag: int.from_bytes(one.value[:2], "little") for tag, one in header.elements.items()}
        return {}

    def _elements(
        self, end: int, source: _Encoding, target: _Encoding, facts: Facts, depth: int, *, delimited: bool = False
    ) -> Iterator[Bytes]:
        """Up to `end`, or the Item Delimitation Item, which must come if `delimited`."""
        data = self._data
        while (left := end - data.position) >= 8:
            raw = data.peek(12 if left > 12 else left)
            if len(raw) < 8:
                break
            head = element_head(
                raw, 0, left if len(raw) == 12 else len(raw), implicit=source.implicit, big_endian=source.big
            )
            data.skip(head.value_at)
            if head.tag == ITEM_DELIMITATION and depth:
                return
            if head.length != UNDEFINED and head.length > end - data.position:
                raise MalformedDataset(f"{show(head.tag)} is longer than what holds it")
            if head.tag & 0xFFFF == 0 or head.tag >> 16 == 0xFFFE:
                data.skip(0 if head.length == UNDEFINED else head.length)
            elif head.length == UNDEFINED or head.vr == "SQ":
                yield from self._sequence(head, end, source, target, facts, depth)
            else:
                yield from self._element(head, source, target, facts)
        if delimited:
            raise MalformedDataset("an item has no end")

    def _element(self, head: ElementHead, source: _Encoding, target: _Encoding, facts: Facts) -> Iterator[Bytes]:
        tag, vr, length, _ = head
        self._data.require(length)
        if source.implicit:
            if tag in _FACTS and length == 2:
                facts[tag] = int.from_bytes(self._data.peek(2), "big" if source.big else "little")
            vr = _decided(tag, vr, facts)
        from_big = source.big and vr != "UN"
        if length > _MAX_SHORT and vr in _SHORT and not target.implicit:
            vr = "UN"                    # PS3.5 6.2.2: too long for its own VR
        to_big = target.big and vr != "UN"
        yield encode_header(tag, vr, length, implicit=target.implicit, big_endian=target.big)
        if from_big == to_big:
            yield from self._data.take(length)
        else:
            yield from _swapped(self._data.take(length), WORD_BYTES.get(head.vr if vr == "UN" else vr, 1))

    def _sequence(
        self, head: ElementHead, end: int, source: _Encoding, target: _Encoding, facts: Facts, depth: int
    ) -> Iterator[Bytes]:
        tag, vr, length, _ = head
        if depth >= MAX_DEPTH:
            raise PacsdError(Fault.TOO_MUCH, f"sequences nested deeper than {MAX_DEPTH}")
        if vr in ("OB", "OW"):
            raise PacsdError(Fault.UNSUPPORTED, f"{show(tag)} is encapsulated in an uncompressed transfer syntax")
        if vr not in ("SQ", "UN") and not source.implicit:
            raise MalformedDataset(f"{show(tag)} has undefined length and VR {vr}")
        unknown = vr == "UN" and not source.implicit
        if unknown:
            source, inner = self._within_unknown(source), _IN_UNKNOWN
        else:
            vr, inner = "SQ", target
            source = _Encoding(source.implicit, items_are_big_endian(self._data.peek(2), 0, big_endian=source.big))
        items = self._items(length, end, source, inner, facts, depth)
        recognisable = not target.implicit or vr_of(tag) == "SQ"
        how = {"implicit": target.implicit, "big_endian": target.big}
        if length <= _GATHERED_BYTES and recognisable:
            body = b"".join(items)
            yield encode_header(tag, vr, len(body), **how) + body
            return
        yield encode_header(tag, vr, UNDEFINED, **how)
        yield from items
        yield encode_header(SEQUENCE_DELIMITATION, "", 0, implicit=True, big_endian=inner.big)

    def _within_unknown(self, around: _Encoding) -> _Encoding:
        """Implicit VR little endian by CP-246; older writers kept the encoding around it."""
        front = bytes(self._data.peek(16))
        return _Encoding(
            looks_implicit(front[8:], implicit=True), items_are_big_endian(front, 0, big_endian=around.big)
        )

    def _items(
        self, length: int, end: int, source: _Encoding, target: _Encoding, facts: Facts, depth: int
    ) -> Iterator[Bytes]:
        data = self._data
        stop = end if length == UNDEFINED else data.position + length
        if stop > end:
            raise MalformedDataset("a sequence is longer than what holds it")
        while stop - data.position >= 8:
            raw = data.peek(8)
            item = element_head(raw, 0, len(raw), implicit=True, big_endian=source.big)
            data.skip(8)
            if item.tag == SEQUENCE_DELIMITATION:
                if length == UNDEFINED:
                    return
                break
            if item.tag != ITEM:
                raise MalformedDataset(f"{show(item.tag)} stands where an item should")
            yield from self._item(item.length, stop, source, target, facts, depth)
        if length == UNDEFINED:
            raise MalformedDataset("a sequence has no end")
        data.skip(stop - data.position)

    def _item(
        self, length: int, stop: int, source: _Encoding, target: _Encoding, facts: Facts, depth: int
    ) -> Iterator[Bytes]:
        data = self._data
        delimited = length == UNDEFINED
        end = stop if delimited else data.position + length
        if end > stop:
            raise MalformedDataset("an item is longer than what holds it")
        elements = self._elements(end, source, target, dict(facts), depth + 1, delimited=delimited)
        if length <= _GATHERED_BYTES:
            body = b"".join(elements)
            data.skip(end - data.position)
            yield encode_header(ITEM, "", len(body), implicit=True, big_endian=target.big) + body
            return
        yield encode_header(ITEM, "", UNDEFINED, implicit=True, big_endian=target.big)
        yield from elements
        if not delimited:
            data.skip(end - data.position)
        yield encode_header(ITEM_DELIMITATION, "", 0, implicit=True, big_endian=target.big)


@lru_cache(maxsize=1024)
def _choice(tag: int) -> str:
    """The VRs of an attribute that has several (PS3.6), else nothing."""
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return ""
    return vr if len(vr) > 2 else ""


def _decided(tag: int, vr: str, facts: Facts) -> str:
    """One VR of several: by Pixel Representation (PS3.3 C.7.6.3), by the bits of a sample (PS3.5 A.2)."""
    choice = _choice(tag)
    if not choice:
        return vr
    if choice == "US or SS":
        return "SS" if facts.get(_PIXEL_REPRESENTATION) == 1 else "US"
    if tag == _PIXEL_DATA and facts.get(_BITS_ALLOCATED, 16) <= 8:
        return "OB"
    if tag in (_WAVEFORM_DATA, _WAVEFORM_PADDING_VALUE) and facts.get(_WAVEFORM_BITS_ALLOCATED) == 8:
        return "OB"
    return "OW"


def _swapped(pieces: Iterable[memoryview], word_bytes: int) -> Iterator[Bytes]:
    """Words in the other byte order, wherever the pieces part them."""
    if word_bytes == 1:
        yield from pieces
        return
    rest = b""
    for piece in pieces:
        data = rest + piece if rest else piece
        whole = len(data) // word_bytes * word_bytes
        yield swapped(data[:whole], word_bytes)
        rest = bytes(data[whole:])
    yield rest
