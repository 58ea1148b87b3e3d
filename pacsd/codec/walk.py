"""Where the elements of a stored data set stand, read through a window: a 3 GB object is never in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pacsd.codec.header import MAX_HEADER_BYTES
from pacsd.codec.inflated import MAX_INFLATED_BYTES, held
from pacsd.codec.structure import (
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_DELIMITATION,
    LENGTH32,
    LONG_VRS,
    SEQUENCE_DELIMITATION,
    SHORT_VRS,
    UNDEFINED,
    MalformedDataset,
    NeedMoreData,
    element_head,
    items_are_big_endian,
    looks_implicit,
    show,
    skip_undefined,
    vr_of,
)
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.faults import Fault, PacsdError

PIXEL_DATA = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
_WINDOW_BYTES = 64 * 1024
_CHUNK_BYTES = 1 << 20
_ITEMS = 0xFFFE                          # the group of what delimits items


class Reader(Protocol):
    """Ranged reads (`pacsd.blobs.port.BlobReader` is one)."""

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        """Up to so many bytes from there; shorter only at the end."""


@dataclass(frozen=True, slots=True)
class BytesReader:
    """Bytes in memory as a Reader."""

    data: bytes | memoryview

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        """The range, cut at the end."""
        return bytes(self.data[offset_bytes : offset_bytes + length_bytes])


class Located(NamedTuple):
    """One element: offsets from the start of the reader; `length` is UNDEFINED or that of the value.

    `end` is where the next element begins, behind the delimitation item of an undefined-length value.
    """

    tag: int
    vr: str
    start: int
    value_at: int
    length: int
    end: int


class Item(NamedTuple):
    """One item or fragment: its value's offset, its length (maybe UNDEFINED)."""

    tag: int
    value_at: int
    length: int


class Dataset:
    """A data set in a reader: `length_bytes` from `offset_bytes`, deflated ones inflated into memory.

    `inflated` tells that offsets then count in the inflated data set, not in the reader. Raises PacsdError
    TOO_MUCH when it inflates to more than MAX_INFLATED_BYTES, UNAVAILABLE when there is no room for that now,
    MALFORMED when it is cut short.
    """

    def __init__(
        self, reader: Reader, *, offset_bytes: int, length_bytes: int, transfer_syntax_uid: str
    ) -> None:
        self.syntax = transfer_syntax(transfer_syntax_uid)
        self.inflated = self.syntax.deflated
        if self.inflated:
            data = _inflated(reader, offset_bytes, offset_bytes + length_bytes)
            reader, offset_bytes, length_bytes = BytesReader(data), 0, len(data)
        self.reader = reader
        self.start = offset_bytes
        self.end = offset_bytes + length_bytes
        self.big_endian = self.syntax.big_endian
        self._window, self._base = b"", offset_bytes
        self._ensure(offset_bytes, 8)
        self.implicit = looks_implicit(self._window[:8], implicit=self.syntax.implicit)

    def _ensure(self, at: int, length: int, *, ahead: int = _WINDOW_BYTES) -> None:
        """Make `length` bytes from `at` (or what there is before the end) stand in the window."""
        if self._base <= at and at + length <= self._base + len(self._window):
            return
        size = min(max(length, ahead), self.end - at)
        self._window, self._base = self.reader.pread(size, at) if size > 0 else b"", at

    def read(self, at: int, length: int) -> bytes:
        """Up to `length` bytes from `at`."""
        self._ensure(at, length)
        return self._window[at - self._base : at - self._base + length]

    def elements(
        self, at: int | None = None, end: int | None = None, *, big: bool | None = None
    ) -> Iterator[Located]:
        """The elements from `at` (default: the start) to `end` or an Item Delimitation Item.

        The last element of a truncated data set ends where the bytes do. Raises MalformedDataset.
        """
        at = self.start if at is None else at
        end = self.end if end is None else min(end, self.end)
        big = self.big_endian if big is None else big
        while end - at >= 8:
            self._ensure(at, min(12, end - at))
            if plain := self._plain(at, end, big=big):
                yield from plain
                at = plain[-1].value_at + plain[-1].length
                continue
            base = self._base
            window_end = min(len(self._window), end - base)
            try:
                head = element_head(
                    self._window, at - base, window_end, implicit=self.implicit, big_endian=big
                )
            except NeedMoreData:
                return
            if head.tag == ITEM_DELIMITATION:
                return
            value_at = head.value_at + base
            if head.length == UNDEFINED:
                following = self._end_of_undefined(value_at, end, head.tag, big=big)
            else:
                following = value_at + head.length
            yield Located(head.tag, head.vr, at, value_at, head.length, min(following, end))
            at = following

    def _plain(self, at: int, end: int, *, big: bool) -> list[Located]:
        """The elements from `at` on whose heads stand in the window, up to one that does not say its length or is odd.

        Most elements of most headers are such: what each of them costs is a few look-ups.
        """
        if self.implicit:
            return self._plain_implicit(at, end, big=big)
        window, base, unpack = self._window, self._base, EXPLICIT[big]
        last = min(len(window), end - base) - 12
        at -= base
        found = []
        while at <= last:
            group, element, code, length = unpack(window, at)
            vr, value_at = SHORT_VRS.get(code), at + 8
            if vr is None:
                vr, value_at = LONG_VRS.get(code), at + 12
                (length,) = LENGTH32[big](window, at + 8)
            if vr is None or group == _ITEMS or length == UNDEFINED:
                break
            start, at = base + at, value_at + length
            following = base + at
            found.append(Located(
                group << 16 | element, vr, start, base + value_at, length, following if following < end else end
            ))  # fmt: skip
        return found

    def _plain_implicit(self, at: int, end: int, *, big: bool) -> list[Located]:
        window, base, unpack = self._window, self._base, IMPLICIT[big]
        last = min(len(window), end - base) - 8
        at -= base
        found = []
        while at <= last:
            group, element, length = unpack(window, at)
            if group == _ITEMS or length == UNDEFINED:
                break
            tag, start, at = group << 16 | element, base + at, at + 8 + length
            found.append(Located(tag, vr_of(tag), start, start + 8, length, min(base + at, end)))
        return found

    def _end_of_undefined(self, at: int, end: int, tag: int, *, big: bool) -> int:
        if tag in PIXEL_DATA:
            for item in self.items(at, end, big=big):
                at = item.value_at + (0 if item.length == UNDEFINED else item.length)
            return min(at, end)
        size = _WINDOW_BYTES
        while True:
            self._ensure(at, min(size, end - at))
            base = self._base
            try:
                return base + skip_undefined(
                    self._window, at - base, min(len(self._window), end - base),
                    implicit=self.implicit, big_endian=big,
                )
            except NeedMoreData as short:
                if size >= end - at:
                    raise MalformedDataset(f"{show(tag)} has no end") from short
                if size > MAX_HEADER_BYTES:
                    raise PacsdError(Fault.TOO_MUCH, f"{show(tag)} is too long") from short
                size *= 4

    def items(self, at: int, end: int, *, big: bool | None = None) -> Iterator[Item]:
        """Items or fragments from `at`, and last the Sequence Delimitation Item if there is one.

        An item of undefined length must be walked by the caller, who continues behind it with a new call.
        """
        big = self.big_endian if big is None else big
        ahead = _WINDOW_BYTES
        while end - at >= 8:
            self._ensure(at, 8, ahead=ahead)
            window = self._window
            head = element_head(window, at - self._base, len(window), implicit=True, big_endian=big)
            value_at = at + 8
            if head.tag not in (ITEM, SEQUENCE_DELIMITATION):
                raise MalformedDataset(f"{show(head.tag)} stands where an item should")
            yield Item(head.tag, value_at, head.length)
            if head.tag == SEQUENCE_DELIMITATION or head.length == UNDEFINED:
                return
            at = value_at + head.length
            ahead = 512 if head.length > _WINDOW_BYTES else _WINDOW_BYTES

    def item(self, sequence: Located, number: int, *, big: bool) -> tuple[int, int, bool]:
        """Where item `number` (from 1) of a sequence begins and must end, and its byte order.

        Raises PacsdError NOT_FOUND.
        """
        at = sequence.value_at
        big = items_are_big_endian(self.read(at, 2), 0, big_endian=big)
        while True:
            for item in self.items(at, sequence.end, big=big):
                if item.tag == SEQUENCE_DELIMITATION:
                    break
                number -= 1
                undefined = item.length == UNDEFINED
                if number == 0:
                    end = sequence.end if undefined else item.value_at + item.length
                    return item.value_at, end, big
                if undefined:
                    at = item.value_at
                    for element in self.elements(at, sequence.end, big=big):
                        at = element.end
                    at += 8
                    break
            else:
                raise PacsdError(Fault.NOT_FOUND, "no such item")
            if item.tag == SEQUENCE_DELIMITATION:
                raise PacsdError(Fault.NOT_FOUND, "no such item")


def _inflated(reader: Reader, at: int, end: int) -> memoryview:
    chunks = (reader.pread(min(_CHUNK_BYTES, end - place), place) for place in range(at, end, _CHUNK_BYTES))
    return held(chunks, max_bytes=MAX_INFLATED_BYTES)
