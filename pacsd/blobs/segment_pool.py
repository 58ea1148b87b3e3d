"""Segments for those who receive: a few open per organisation, and some written ahead for all."""

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections import defaultdict

from pacsd.blobs.errors import translated
from pacsd.blobs.free_space import FreeSpace
from pacsd.blobs.keys import checked
from pacsd.blobs.local import FILE_MODE, FOLDER_MODE, make_durable_folder, sync_folder
from pacsd.blobs.segment_writer import Segment, SegmentWriter
from pacsd.blobs.segments import LIVE, SUFFIX, aligned, open_if_spent, open_shared, record_at, records, segment_of
from pacsd.blobs.spool_files import SPOOL
from pacsd.blobs.ulid import Ulids
from pacsd.faults import Fault, PacsdError

log = logging.getLogger("pacsd.blobs")

READY = ".ready"                 # beside the keys, which never begin with a dot
_NEW = ".new"
_LEAST_ROOM_BYTES = 64 << 10
_QUIET_S = 0.25                  # without a receiver at work, before a segment is written ahead
_WRITE_BYTES = 1 << 20
_MOST_OPEN = 32                  # of one process: more senders at one time get files, not 16 MiB each
_UNFINISHED_S = 3600.0


class SegmentPool:
    """Lends segments to writers. Thread-safe; of other processes only the segments written ahead are shared.

    A segment stays open until an object like the last one may not fit any more; then it is left to readers, and its
    file is used again once everything in it is deleted (`reuse`).
    """

    def __init__(self, root: str, space: FreeSpace, *, segment_bytes: int, ready_bytes: int) -> None:
        self._root = root
        self._space = space
        self._segment_bytes = aligned(segment_bytes)
        self._ready_target = ready_bytes // self._segment_bytes
        self._ready = f"{root}/{READY}"
        os.makedirs(self._ready, mode=FOLDER_MODE, exist_ok=True)
        self._ulids = Ulids()
        self._lock = threading.Lock()
        self._free: dict[str, list[Segment]] = defaultdict(list)
        self._last_bytes: dict[str, int] = {}
        self._alive: dict[str, int] = {}         # a live record of segments that `reuse` has looked at
        self._folders: set[str] = set()
        self._lent = 0
        self._used_at = 0.0
        self._closed = threading.Event()
        self._refilling = False

    def create(self, organisation: str) -> SegmentWriter | None:
        """Begin an object; None where as many segments are open as may be, or there is no room for one more.

        Raises PacsdError UNAVAILABLE, MALFORMED.
        """
        segment = self.borrow(organisation)
        return None if segment is None else SegmentWriter(self, segment, self._space)

    def borrow(self, organisation: str) -> Segment | None:
        """A segment for one writer at a time, until it is given back or retired; None, and raises, as `create`."""
        segment = self._lend(organisation)
        if segment is not None:
            return segment
        try:
            segment = self._new(organisation) if self._may_open() else None
        except BaseException as error:
            self._returned()
            if isinstance(error, PacsdError) and error.fault is Fault.FULL:
                return None
            raise
        if segment is None:
            self._returned()
        return segment

    def sync(self, segment: Segment) -> None:
        """Make what was written into it durable. Raises OSError."""
        os.fdatasync(segment.descriptor)

    def give_back(self, segment: Segment, length_bytes: int | None) -> None:
        """A writer is done with it; `length_bytes` of what it committed."""
        with self._lock:
            self._lent -= 1
            self._used_at = time.monotonic()
            if length_bytes is not None:
                self._last_bytes[segment.organisation] = length_bytes
            if not self._closed.is_set() and self.has_room(segment):
                self._free[segment.organisation].append(segment)
                return
        os.close(segment.descriptor)

    def retire(self, segment: Segment) -> None:
        """Nothing more goes into it."""
        self._returned()
        os.close(segment.descriptor)

    def close(self) -> None:
        """Leave all segments to readers; those that are lent follow when their writers are done."""
        self._closed.set()
        with self._lock:
            free = [segment for segments in self._free.values() for segment in segments]
            self._free.clear()
        for segment in free:
            os.close(segment.descriptor)

    def refill(self) -> None:
        """Write segments ahead on a thread of its own, while nobody receives, up to the configured number."""
        with self._lock:
            if self._refilling or self._closed.is_set() or self._ready_target == 0:
                return
            self._refilling = True
        threading.Thread(target=self._refill, daemon=True).start()

    def reuse(self) -> int:
        """Take back segments in which nothing is alive; how many. Safe beside everybody else."""
        self._clear_unfinished()
        return sum(self._reused(path) for path in self._segment_paths() if not self._is_alive(path))

    def _clear_unfinished(self) -> None:
        """Remove what processes left that were killed while they made a segment."""
        for name in os.listdir(self._ready):
            path = f"{self._ready}/{name}"
            with contextlib.suppress(FileNotFoundError):
                if name.endswith(_NEW) and os.stat(path).st_mtime < time.time() - _UNFINISHED_S:
                    os.unlink(path)

    # Lending

    def _lend(self, organisation: str) -> Segment | None:
        with self._lock:
            self._lent += 1
            free = self._free.get(organisation, [])
            while free:
                segment = free.pop()
                if self.has_room(segment):
                    return segment
                os.close(segment.descriptor)
        return None

    def _may_open(self) -> bool:
        with self._lock:
            return self._lent + sum(map(len, self._free.values())) <= _MOST_OPEN

    def has_room(self, segment: Segment) -> bool:
        """Whether an object somewhat larger than the last one fits."""
        last = self._last_bytes.get(segment.organisation, 0)
        return segment.room_bytes >= min(max(_LEAST_ROOM_BYTES, last + last // 8), self._segment_bytes // 2)

    def _returned(self) -> None:
        with self._lock:
            self._lent -= 1

    def _new(self, organisation: str) -> Segment:
        """A segment with a durable name, from what is ready or made now; locked before it has its name."""
        name = self._ulids()
        folder = checked(f"{SPOOL}/{organisation}")
        key = f"{folder}/{name}{SUFFIX}"
        try:
            if folder not in self._folders:
                make_durable_folder(self._root, folder)
                self._folders.add(folder)
            path = f"{self._root}/{key}"
            descriptor = self._take_ready(path)
            if descriptor is None:
                descriptor = self._make(path)
            sync_folder(f"{self._root}/{folder}")
        except OSError as error:
            raise translated(error, key) from error
        self.refill()
        return Segment(organisation, key, name, descriptor, self._segment_bytes)

    def _take_ready(self, path: str) -> int | None:
        for name in self._ready_names():
            ready = f"{self._ready}/{name}"
            try:
                descriptor = open_shared(ready, os.O_RDWR)
            except FileNotFoundError:
                continue                                     # another process was faster
            try:
                if os.fstat(descriptor).st_size == self._segment_bytes:
                    os.rename(ready, path)
                    return descriptor
                os.unlink(ready)                             # of other settings
            except FileNotFoundError:
                pass
            os.close(descriptor)
        return None

    def _make(self, path: str) -> int:
        """A segment whose blocks are there, but not written yet."""
        self._space.take(self._segment_bytes)
        new = f"{self._ready}/{self._ulids()}{_NEW}"
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            os.posix_fallocate(descriptor, 0, self._segment_bytes)
            os.fsync(descriptor)
            os.rename(new, path)
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
        return descriptor

    def _ready_names(self) -> list[str]:
        return sorted(name for name in os.listdir(self._ready) if name.endswith(SUFFIX))

    # Writing ahead

    def _refill(self) -> None:
        try:
            while self._wants_more() and self._wait_for_quiet():
                self._write_ahead()
        except (OSError, PacsdError) as error:               # no room, say: objects do without
            log.info("no segment written ahead", extra={"cause": type(error).__name__})
        finally:
            self._refilling = False

    def _wants_more(self) -> bool:
        """Never the last of the room: packs need it too."""
        roomy = self._space.free_bytes() > 2 * self._ready_target * self._segment_bytes
        return roomy and len(self._ready_names()) < self._ready_target

    def _wait_for_quiet(self) -> bool:
        """Return once nobody has received for a moment; False when the pool is closed."""
        while self._lent or time.monotonic() - self._used_at < _QUIET_S:
            if self._closed.wait(_QUIET_S):
                return False
        return not self._closed.is_set()

    def _write_ahead(self) -> None:
        """One more ready segment, unless another process is at it."""
        path = f"{self._ready}/making"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino != os.stat(path).st_ino:
                return                                       # it was finished meanwhile, and may be in use
            self._space.take(self._segment_bytes)
            os.ftruncate(descriptor, self._segment_bytes)
            zeros = bytes(_WRITE_BYTES)
            for at in range(0, self._segment_bytes, _WRITE_BYTES):
                os.pwrite(descriptor, zeros[: self._segment_bytes - at], at)
            os.fsync(descriptor)
            os.rename(path, f"{self._ready}/{self._ulids()}{SUFFIX}")
            sync_folder(self._ready)
        except (BlockingIOError, FileNotFoundError):
            self._closed.wait(_QUIET_S)
        finally:
            os.close(descriptor)

    # Using again

    def _segment_paths(self) -> list[str]:
        spool = f"{self._root}/{SPOOL}"
        with contextlib.suppress(FileNotFoundError):
            return [
                f"{spool}/{organisation}/{name}"
                for organisation in sorted(os.listdir(spool))
                for name in sorted(os.listdir(f"{spool}/{organisation}"))
                if name.endswith(SUFFIX)
            ]
        return []

    def _is_alive(self, path: str) -> bool:
        """Whether a record in it is known to be alive: the one that was last time, or the first that is."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return True                                      # gone, or a folder
        try:
            segment = segment_of(path)
            last = record_at(descriptor, segment, self._alive.get(path, 0))
            if last is not None and last.state == LIVE:
                return True
            for record in records(descriptor, segment):
                if record.state == LIVE:
                    self._alive[path] = record.offset_bytes
                    return True
        except IsADirectoryError:
            return True
        finally:
            os.close(descriptor)
        self._alive.pop(path, None)
        return False

    def _reused(self, path: str) -> bool:
        descriptor = open_if_spent(path)
        if descriptor is None:
            return False
        try:
            keep = len(self._ready_names()) < self._ready_target
            if keep and os.fstat(descriptor).st_size == self._segment_bytes:
                os.rename(path, f"{self._ready}/{self._ulids()}{SUFFIX}")
                sync_folder(self._ready)
            else:
                os.unlink(path)
            sync_folder(os.path.dirname(path))
        finally:
            os.close(descriptor)
        return True
