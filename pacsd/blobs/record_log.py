"""Small blobs that come one after the other, in segments written ahead: each costs one flush of its own bytes.

A blob of its own costs a file, a name and a length, all of which the file system has to journal before it is durable:
several flushes, where a record of a segment (pacsd.blobs.segments) costs one. Who says little gets no segment.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable

from pacsd.blobs.errors import translated
from pacsd.blobs.free_space import FreeSpace
from pacsd.blobs.keys import checked
from pacsd.blobs.local import FILE_MODE, make_durable_folder, sync_folder
from pacsd.blobs.port import BlobInfo
from pacsd.blobs.segment_writer import Segment, SegmentWriter
from pacsd.blobs.segments import LOG_SUFFIX, aligned
from pacsd.blobs.ulid import Ulids

SEGMENT_BYTES = 1 << 20
BUSY_S = 1.0                             # who says more within that says much


class RecordLog:
    """Appends blobs to a segment of this process. Thread-safe; others read them by key as any blob."""

    def __init__(
        self, root: str, *, reserve_bytes: int, segment_bytes: int = SEGMENT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._root = root
        self._space = FreeSpace(root, reserve_bytes=reserve_bytes)
        self._segment_bytes = aligned(segment_bytes)
        self._clock = clock
        self._ulids = Ulids()
        self._lock = threading.Lock()
        self._folder = ""
        self._segment: Segment | None = None
        self._last = -BUSY_S

    def put(self, folder: str, data: bytes) -> BlobInfo | None:
        """Keep a blob in a folder, durable on return; None for one that is to be a file of its own.

        Keys of one process sort as the blobs came. Raises PacsdError FULL, UNAVAILABLE.
        """
        with self._lock:
            busy, self._last = self._clock() - self._last < BUSY_S, self._clock()
            if not busy or len(data) > self._segment_bytes // 2:
                return None
            writer = SegmentWriter(self, self._with_room(checked(folder), len(data)), self._space)
            writer.write(data)
            return writer.commit()

    def close(self) -> None:
        """Leave the segment to its readers."""
        with self._lock:
            self._leave()

    def sync(self, segment: Segment) -> None:
        """Make what was written into it durable. Raises OSError."""
        os.fdatasync(segment.descriptor)

    def give_back(self, segment: Segment, length_bytes: int | None) -> None:
        """The next record goes behind it."""

    def retire(self, segment: Segment) -> None:
        """Nothing more goes into it: its last record may be there or not."""
        self._segment = None
        os.close(segment.descriptor)

    def _with_room(self, folder: str, size_bytes: int) -> Segment:
        if self._segment is None or folder != self._folder or self._segment.room_bytes < size_bytes:
            self._leave()
            self._segment, self._folder = self._new(folder), folder
        return self._segment

    def _leave(self) -> None:
        """Give back what is left of it; where a crash undoes that, there are zeros behind the last record."""
        segment, self._segment = self._segment, None
        if segment is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(segment.descriptor, segment.end)
            os.close(segment.descriptor)

    def _new(self, folder: str) -> Segment:
        """A segment with a durable name, its blocks written: only bytes are left to be flushed."""
        self._space.take(self._segment_bytes)
        name = self._ulids()
        key = f"{folder}/{name}{LOG_SUFFIX}"
        try:
            make_durable_folder(self._root, folder)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            path = f"{self._root}/{key}"
            descriptor = os.open(path, flags, FILE_MODE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                os.pwrite(descriptor, bytes(self._segment_bytes), 0)
                os.fsync(descriptor)
                sync_folder(f"{self._root}/{folder}")
            except BaseException:
                os.close(descriptor)
                with contextlib.suppress(OSError):
                    os.unlink(path)
                raise
        except OSError as error:
            raise translated(error, key) from error
        return Segment("", key, name, descriptor, self._segment_bytes)
