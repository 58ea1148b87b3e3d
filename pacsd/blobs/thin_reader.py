"""Reading a thin blob as if it were whole: what stands between its holes as it is, and of the holes those that are
touched, each filled from the source."""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

import xxhash

from pacsd.blobs.port import BlobReader
from pacsd.blobs.thin_file import BLOCK_BYTES, Hole, ThinHead, unreadable
from pacsd.faults import Fault, PacsdError

Key = TypeVar("Key")
Value = TypeVar("Value")
Fill = Callable[[str, bytes], bytes]     # the bytes of a hole, of its form and of what stands for it in the source


class Kept(Generic[Key, Value]):
    """What was used last, within so many bytes; for many threads."""

    def __init__(self, most_bytes: int, size_of: Callable[[Value], int]) -> None:
        self._most_bytes = most_bytes
        self._size_of = size_of
        self._bytes = 0
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """It, if it is still there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: Key, value: Value) -> None:
        """Keep it, unless it would take most of the room."""
        size = self._size_of(value)
        with self._lock:
            if key in self._kept or size > self._most_bytes // 2:
                return
            self._kept[key] = value
            self._bytes += size
            while self._bytes > self._most_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= self._size_of(oldest)


class ThinReader:
    """A BlobReader on a thin file and its source; for one thread at a time.

    Everything is compared with its checksum before it is given out. What does not agree cannot be read, nor can any
    hole where `source` is None, being gone: a range ends before it, and one that begins there is UNAVAILABLE. So
    headers are read, some bytes more than they have at a time, whatever became of the pixels. Of holes that were filled
    the last is kept here, others in `filled`.
    """

    base_bytes = 0

    def __init__(
        self, key: str, head: ThinHead, file: BlobReader, source: BlobReader | None, fill: Fill,
        filled: Kept[tuple[bytes, int], bytes] | None = None,
    ) -> None:
        self.key = key
        self.head = head
        self.size_bytes = head.size_bytes
        self._file = file
        self._source = source
        self._fill = fill
        self._filled = filled
        self._block: tuple[int, bytes] = -1, b""
        self._hole: tuple[int, bytes] = -1, b""

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        """Up to `length_bytes` from `offset_bytes`; shorter at the end, and before what cannot be read.

        Raises PacsdError UNAVAILABLE.
        """
        pieces: list[bytes] = []
        at, end = offset_bytes, min(offset_bytes + length_bytes, self.size_bytes)
        try:
            while at < end:
                pieces.append(self._piece(at, end))
                at += len(pieces[-1])
        except PacsdError:
            if not pieces:
                raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def fileno(self) -> int | None:
        """None: no file holds these bytes."""
        return None

    def close(self) -> None:
        """Release both files; once is enough."""
        self._file.close()
        if self._source is not None:
            self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _piece(self, at: int, end: int) -> bytes:
        """The first bytes of a range: up to a hole, or to the end of one."""
        number = self.head.next_hole(at)
        start = self.head.start(number)
        if at < start:
            return self._between(at - self.head.before(number), min(end, start) - at)
        return self._in_hole(number)[at - start : end - start]

    def _between(self, at: int, length_bytes: int) -> bytes:
        """So many of the bytes that stand between holes, the holes left out."""
        first, last = at // BLOCK_BYTES, (at + length_bytes - 1) // BLOCK_BYTES
        start = at - first * BLOCK_BYTES
        joined = b"".join(map(self._inflated, range(first, last + 1)))
        return joined[start : start + length_bytes]

    def _inflated(self, number: int) -> bytes:
        if self._block[0] != number:
            at, stored_bytes, holds_bytes, digest = self.head.block(number)
            data = self._file.pread(stored_bytes, at)
            if stored_bytes != holds_bytes:
                data = _inflated(data, holds_bytes)
            if len(data) != holds_bytes or xxhash.xxh3_128(data).digest() != digest:
                raise unreadable(self.key)
            self._block = number, data
            return data
        return self._block[1]

    def _in_hole(self, number: int) -> bytes:
        if self._hole[0] != number:
            name = self.head.digest, number
            known = None if self._filled is None else self._filled.get(name)
            data = self._made(self.head.hole(number)) if known is None else known
            if self._filled is not None:
                self._filled.keep(name, data)
            self._hole = number, data
            return data
        return self._hole[1]

    def _made(self, hole: Hole) -> bytes:
        if self._source is None:
            raise PacsdError(Fault.UNAVAILABLE, f"what a thin blob is filled from is gone: {self.head.source}")
        try:
            data = self._fill(hole.form, self._source.pread(hole.source_length_bytes, hole.source_offset_bytes))
        except PacsdError as error:
            raise PacsdError(Fault.UNAVAILABLE, f"a thin blob cannot be filled from {self.head.source}") from error
        if len(data) != hole.length_bytes or xxhash.xxh3_128(data).digest() != hole.digest:
            raise PacsdError(Fault.UNAVAILABLE, f"a thin blob is filled with other bytes from {self.head.source}")
        return data


def _inflated(data: bytes, most_bytes: int) -> bytes:
    """What a block holds, never more than it should; nothing of a damaged one."""
    try:
        return zlib.decompressobj().decompress(data, most_bytes + 1)
    except zlib.error:
        return b""
