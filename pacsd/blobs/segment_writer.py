"""An object on its way into a segment."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Protocol

from pacsd.blobs.errors import translated
from pacsd.blobs.free_space import FreeSpace
from pacsd.blobs.port import BlobInfo
from pacsd.blobs.segments import DEAD, HEAD_BYTES, STATE_AT, aligned, head, record_name
from pacsd.blobs.write_back import EARLY_BYTES, start_writing_back

_TOGETHER_BYTES = 32 << 10       # an object up to here waits in memory for its head, and costs one write with it


class Segment:
    """An open segment of ours; one writer at a time appends to it, from `end` on."""

    __slots__ = ("descriptor", "end", "key", "name", "organisation", "size_bytes")

    def __init__(self, organisation: str, key: str, name: str, descriptor: int, size_bytes: int) -> None:
        self.organisation = organisation
        self.key = key
        self.name = name
        self.descriptor = descriptor
        self.size_bytes = size_bytes
        self.end = 0

    @property
    def room_bytes(self) -> int:
        """What the next blob may take."""
        return self.size_bytes - self.end - HEAD_BYTES


class Lender(Protocol):
    """Who gets the segment back."""

    def sync(self, segment: Segment) -> None:
        """The record that begins at the segment's end is whole: make it durable, or see to it later. Raises OSError."""

    def give_back(self, segment: Segment, length_bytes: int | None) -> None:
        """It may be lent again; `length_bytes` of the blob, if one was committed."""

    def retire(self, segment: Segment) -> None:
        """Nothing more goes into it."""


class SegmentWriter:
    """One object on its way into a segment.

    What is written first (group 2 with the receipt; of a small object everything) stays in memory, and goes to the disk
    with the record's head: a record is either whole or none, and `patch` costs nothing.
    """

    __slots__ = ("_at", "_first", "_lender", "_segment", "_space", "key", "size_bytes")

    def __init__(self, lender: Lender, segment: Segment, space: FreeSpace) -> None:
        self.key = f"{segment.key}/{record_name(segment.key, segment.end)}"
        self.size_bytes = 0
        self._lender = lender
        self._segment: Segment | None = segment
        self._space = space
        self._first = bytearray()
        self._at = segment.end + HEAD_BYTES

    @property
    def room_bytes(self) -> int:
        """What may still be written."""
        segment = self._segment
        return 0 if segment is None else segment.room_bytes - self.size_bytes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises PacsdError FULL, UNAVAILABLE; the caller then aborts."""
        size, before = len(data), self.size_bytes
        self._space.take(0)              # it goes where the segment has its place already
        if before == 0 or (before == len(self._first) and before + size <= _TOGETHER_BYTES):
            self._first += data
        else:
            self._write_at(self._at + before, data)
        self.size_bytes = before + size

    def patch(self, offset_bytes: int, data: bytes) -> None:
        """Overwrite bytes already written, before `commit`."""
        if offset_bytes + len(data) <= len(self._first):
            self._first[offset_bytes : offset_bytes + len(data)] = data
        else:
            self._write_at(self._at + offset_bytes, data)

    def written(self, piece_bytes: int) -> Iterator[bytes]:
        """Everything written so far."""
        yield bytes(self._first)
        at, end = self._at + len(self._first), self._at + self.size_bytes
        while at < end:
            piece = os.pread(self._open().descriptor, min(piece_bytes, end - at), at)
            at += len(piece)
            yield piece

    def commit(self) -> BlobInfo:
        """The bytes are durable on return, as the segment's name has been since before the first of them, unless the
        lender sees to it later.

        After a failed sync the segment takes nothing more, and its last record is none. Raises PacsdError UNAVAILABLE.
        """
        segment, now = self._open(), time.time()
        try:
            _pwrite_all(segment.descriptor, self._beginning(segment, now), segment.end)
            self._lender.sync(segment)
        except OSError as error:
            with contextlib.suppress(OSError):       # what is told to have failed should not be found by a repair
                os.pwrite(segment.descriptor, bytes((DEAD,)), segment.end + STATE_AT)
            self._segment = None
            self._lender.retire(segment)
            raise translated(error, self.key) from error
        self._segment = None
        segment.end = aligned(self._at + self.size_bytes)
        self._lender.give_back(segment, self.size_bytes)
        return BlobInfo(self.key, self.size_bytes, now)

    def _beginning(self, segment: Segment, now: float) -> bytes:
        """The head and what waited for it. Where that is all, as far as the next record: the kernel need not read from
        the disk what else is in the last block."""
        together = head(segment.name, self.size_bytes, now) + self._first
        if len(self._first) < self.size_bytes:
            return together
        return together + bytes(aligned(len(together)) - len(together))

    def abort(self) -> None:
        """Forget the object: without a head its place is free. Nothing happens after `commit` or a former `abort`."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self._lender.give_back(segment, None)

    def _open(self) -> Segment:
        if self._segment is None:
            raise ValueError("the object was committed or aborted")
        return self._segment

    def _write_at(self, at: int, data: bytes | bytearray | memoryview) -> None:
        descriptor, size = self._open().descriptor, len(data)
        try:
            _pwrite_all(descriptor, data, at)
        except OSError as error:
            raise translated(error, self.key) from error
        if size >= EARLY_BYTES:
            start_writing_back(descriptor, at, size)


def _pwrite_all(descriptor: int, data: bytes | bytearray | memoryview, at: int) -> None:
    """Write every byte; the kernel may take fewer at once. Raises OSError."""
    written, size = os.pwrite(descriptor, data, at), len(data)
    while written < size:
        written += os.pwrite(descriptor, memoryview(data)[written:], at + written)
