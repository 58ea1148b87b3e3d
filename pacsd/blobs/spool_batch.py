"""Objects of one sender that become durable together: one flush of the disk for all that share a segment."""

import contextlib
import os
from collections.abc import Callable

from pacsd.blobs.errors import translated
from pacsd.blobs.free_space import FreeSpace
from pacsd.blobs.port import BlobInfo
from pacsd.blobs.segment_pool import SegmentPool
from pacsd.blobs.segment_writer import Segment, SegmentWriter
from pacsd.blobs.segments import DEAD, STATE_AT
from pacsd.blobs.spool_files import FileWriter, SpoolFiles
from pacsd.blobs.spool_writer import SpoolWriter


class SpoolBatch:
    """Opens objects, one after the other; all that were committed are durable once `commit` returns.

    Its segments are its own until then: when a flush fails, only objects of this batch were in what is lost.
    """

    def __init__(self, files: SpoolFiles, segments: SegmentPool | None, space: FreeSpace) -> None:
        self._files = files
        self._segments = None if segments is None else _Segments(segments, space)
        self._space = space
        self._whole_files: list[FileWriter] = []

    def create(self, organisation: str) -> SpoolWriter:
        """As Spool.create; the one before is committed or aborted, and of the same organisation."""
        self._space.take(0)
        writer = None if self._segments is None else self._segments.create(organisation)
        return _Writer(
            self._files, organisation, writer or self._files.create(organisation), later=self._whole_files.append
        )

    def commit(self) -> None:
        """Make the objects durable. Raises PacsdError UNAVAILABLE: then none of them counts as kept."""
        try:
            if self._segments is not None:
                self._segments.flush()
            while self._whole_files:
                self._whole_files.pop().commit()
        except BaseException:
            self.abort()
            raise
        if self._segments is not None:
            self._segments.leave()

    def abort(self) -> None:
        """Forget the objects; nothing happens after `commit` or a former `abort`."""
        if self._segments is not None:
            self._segments.forget()
        while self._whole_files:
            self._whole_files.pop().abort()


class _Writer(SpoolWriter):
    """An object of a batch."""

    __slots__ = ("_later",)

    def __init__(
        self, files: SpoolFiles, organisation: str, writer: FileWriter | SegmentWriter, *,
        later: Callable[[FileWriter], None],
    ) -> None:  # fmt: skip
        super().__init__(files, organisation, writer)
        self._later = later

    def commit(self) -> BlobInfo:
        """It is whole, and becomes durable with its batch."""
        writer = self._writer
        if isinstance(writer, SegmentWriter):
            return writer.commit()
        self._later(writer)
        return BlobInfo(writer.key, writer.size_bytes, 0.0)


class _Segments:
    """What a batch has borrowed, and where in it its records are: a lender that flushes late."""

    def __init__(self, pool: SegmentPool, space: FreeSpace) -> None:
        self._pool = pool
        self._space = space
        self._current: Segment | None = None
        self._records: dict[Segment, list[int]] = {}         # of every segment borrowed, the offsets of their heads
        self._spoilt: set[Segment] = set()
        self._last_bytes: int | None = None

    def create(self, organisation: str) -> SegmentWriter | None:
        """An object in the segment of the one before, or in another one where that is full."""
        if self._current is None or not self._has_room(self._current):
            self._current = self._pool.borrow(organisation)
            if self._current is None:
                return None
            self._records[self._current] = []
        return SegmentWriter(self, self._current, self._space)

    def sync(self, segment: Segment) -> None:
        """Remember the record; `flush` is for all of them."""
        self._records[segment].append(segment.end)

    def give_back(self, segment: Segment, length_bytes: int | None) -> None:
        """The next object may go into it."""
        if length_bytes is not None:
            self._last_bytes = length_bytes

    def retire(self, segment: Segment) -> None:
        """It could not be written to: the next object goes elsewhere."""
        self._spoilt.add(segment)
        self._current = None

    def flush(self) -> None:
        """Make the records durable. Raises PacsdError UNAVAILABLE."""
        for segment, offsets in self._records.items():
            if offsets:
                try:
                    self._pool.sync(segment)
                except OSError as error:
                    raise translated(error, segment.key) from error

    def leave(self) -> None:
        """Give the segments back."""
        self._current = None
        while self._records:
            segment, _ = self._records.popitem()
            if segment in self._spoilt:
                self._pool.retire(segment)
            else:
                self._pool.give_back(segment, self._last_bytes)

    def forget(self) -> None:
        """Mark the records as deleted, and let nobody write into their segments again."""
        self._current = None
        while self._records:
            segment, offsets = self._records.popitem()
            for offset in offsets:
                with contextlib.suppress(OSError):           # what was not promised should not be found by a repair
                    os.pwrite(segment.descriptor, bytes((DEAD,)), offset + STATE_AT)
            if offsets or segment in self._spoilt:
                self._pool.retire(segment)
            else:
                self._pool.give_back(segment, None)

    def _has_room(self, segment: Segment) -> bool:
        last = self._last_bytes or 0
        return self._pool.has_room(segment) and segment.room_bytes >= last + last // 8
