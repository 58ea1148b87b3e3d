"""Spool files: an object of the receive spool in a file of its own."""

import contextlib
import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator

from pacsd.blobs.errors import translated
from pacsd.blobs.free_space import FreeSpace
from pacsd.blobs.keys import checked
from pacsd.blobs.local import (
    FILE_MODE,
    make_durable_folder,
    write_all,
)
from pacsd.blobs.port import BlobInfo
from pacsd.blobs.ulid import Ulids
from pacsd.blobs.write_back import EARLY_BYTES, start_writing_back

log = logging.getLogger("pacsd.blobs")

SPOOL = "spool"
BUCKET_FILES = 1_000
BUCKET_S = 60.0
NAMES_AHEAD = 32


class SpoolFiles:
    """Files `spool/<organisation>/<bucket>/<ulid>.dcm` under the root that LocalBlobs reads.

    A file is written under its final name, so a receipt inside it, not its name, tells whether it is complete.
    A bucket is a directory of one process, used for at most 1,000 files or a minute: directories stay small.
    Names are made ahead, a few at a time, with one sync of the directory for all of them; so an object costs a
    single flush of the disk, that of its own bytes. Names that were not needed are removed with their bucket.
    """

    def __init__(
        self,
        root: str,
        space: FreeSpace,
        *,
        bucket_files: int = BUCKET_FILES,
        bucket_s: float = BUCKET_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root
        self.space = space
        self._bucket_files = bucket_files
        self._bucket_s = bucket_s
        self._clock = clock
        self._ulids = Ulids()
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}

    def create(self, organisation: str) -> "FileWriter":
        """Begin an object of this organisation code. Raises PacsdError FULL, UNAVAILABLE, MALFORMED."""
        self.space.take(0)
        try:
            return self._open(organisation)
        except OSError as error:
            raise translated(error, f"{SPOOL}/{organisation}") from error

    def remove_empty_buckets(self, *, older_than_s: float = 2 * BUCKET_S, now: float | None = None) -> int:
        """Remove buckets that hold nothing and were not touched for a while; how many.

        Safe beside receivers: a bucket that holds a file stays, and a receiver makes another for one that is gone.
        """
        limit = (time.time() if now is None else now) - older_than_s
        removed = 0
        for bucket in self._bucket_folders():
            path = f"{self.root}/{bucket}"
            try:
                if os.stat(path).st_mtime < limit:
                    os.rmdir(path)
                    removed += 1
            except OSError:
                continue         # holds files, or gone already
        return removed

    def close(self) -> None:
        """Release the directories kept open."""
        with self._lock:
            buckets, self._buckets = self._buckets, {}
        for bucket in buckets.values():
            bucket.release()

    def _open(self, organisation: str) -> "FileWriter":
        for _ in range(3):
            bucket = self._bucket(organisation)
            try:
                name = bucket.take(self._ulids)
                descriptor = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=bucket.descriptor)
                return FileWriter(self.space, bucket, name, descriptor)
            except FileNotFoundError:
                bucket.left = 0  # collection removed the bucket: the next round makes another
                bucket.release()
            except BaseException:
                bucket.release()
                raise
        raise FileNotFoundError(f"{SPOOL}/{organisation}")

    def _bucket(self, organisation: str) -> "_Bucket":
        with self._lock:
            bucket = self._buckets.get(organisation)
            if bucket is None or bucket.left <= 0 or self._clock() > bucket.until:
                fresh = self._new_bucket(organisation)
                self._buckets[organisation] = fresh
                if bucket is not None:
                    bucket.release()
                bucket = fresh
            bucket.left -= 1
            bucket.acquire()
            return bucket

    def _new_bucket(self, organisation: str) -> "_Bucket":
        folder = checked(f"{SPOOL}/{organisation}/{self._ulids()}")
        make_durable_folder(self.root, folder)
        descriptor = os.open(f"{self.root}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return _Bucket(folder, descriptor, self._bucket_files, self._clock() + self._bucket_s)

    def _bucket_folders(self) -> Iterator[str]:
        for organisation in _names(f"{self.root}/{SPOOL}"):
            for bucket in _names(f"{self.root}/{SPOOL}/{organisation}"):
                yield f"{SPOOL}/{organisation}/{bucket}"


class _Bucket:
    """An open directory, closed when the spool has left it and its last writer is done."""

    __slots__ = ("_ahead", "_lock", "_names", "_refilling", "_users", "descriptor", "folder", "left", "until")

    def __init__(self, folder: str, descriptor: int, files: int, until: float) -> None:
        self.folder = folder
        self.descriptor = descriptor
        self.left = files
        self.until = until
        self._ahead = 1          # doubled with each batch: a bucket that gets one object makes one name
        self._names: list[str] = []
        self._refilling = False
        self._users = 1          # the spool itself
        self._lock = threading.Lock()

    def take(self, ulids: Ulids) -> str:
        """The name of an empty file of the bucket, durable. More are made beside the work before they run out.

        Raises OSError.
        """
        with self._lock:
            if not self._names:
                self._names = self._made(ulids, min(self._ahead, self.left + 1))
                self._ahead = min(2 * self._ahead, NAMES_AHEAD)
            name = self._names.pop()
            wanted = min(self._ahead, self.left - len(self._names))
            refill = not self._refilling and wanted > 0 and len(self._names) < self._ahead // 4
            if refill:
                self._refilling = True
                self._users += 1
        if refill:
            threading.Thread(target=self._refill, args=(ulids, wanted), daemon=True).start()
        return name

    def _refill(self, ulids: Ulids, count: int) -> None:
        try:
            made = self._made(ulids, count)
            with self._lock:
                self._names[:0] = made
        except OSError as error:             # whoever finds no name left tries again, and says so
            log.info("no names made ahead", extra={"cause": type(error).__name__})
        finally:
            self._refilling = False
            self.release()

    def _made(self, ulids: Ulids, count: int) -> list[str]:
        names = [f"{ulids()}.dcm" for _ in range(count)]
        for name in names:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(name, flags, FILE_MODE, dir_fd=self.descriptor))
        os.fsync(self.descriptor)
        names.reverse()          # taken from the end, so that names follow arrival
        return names

    def acquire(self) -> None:
        with self._lock:
            self._users += 1

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for name in self._names:
                    with contextlib.suppress(OSError):       # an empty file is never indexed, and goes after an hour
                        os.unlink(name, dir_fd=self.descriptor)
                os.close(self.descriptor)


class FileWriter:
    """One object on its way in."""

    __slots__ = ("_bucket", "_descriptor", "_name", "_space", "key", "size_bytes")

    def __init__(self, space: FreeSpace, bucket: _Bucket, name: str, descriptor: int) -> None:
        self.key = f"{bucket.folder}/{name}"
        self.size_bytes = 0
        self._space = space
        self._bucket = bucket
        self._name = name
        self._descriptor = descriptor

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises PacsdError FULL, UNAVAILABLE; the caller then aborts."""
        size = len(data) if isinstance(data, (bytes, bytearray)) else data.nbytes
        self._space.take(size)
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            raise translated(error, self.key) from error
        if size >= EARLY_BYTES:
            start_writing_back(self._descriptor, self.size_bytes, size)
        self.size_bytes += size

    def patch(self, offset_bytes: int, data: bytes) -> None:
        """Overwrite bytes already written, before `commit`."""
        try:
            os.pwrite(self._descriptor, data, offset_bytes)
        except OSError as error:
            raise translated(error, self.key) from error

    def commit(self) -> BlobInfo:
        """The bytes are durable on return, as the directory entry has been since before the first of them.

        After a failed sync the file is gone, never tried again. Raises PacsdError UNAVAILABLE also if somebody took
        the file for a left-over meanwhile (a clock that jumped an hour ahead): bytes without a name are lost.
        """
        try:
            os.fdatasync(self._descriptor)
            if os.fstat(self._descriptor).st_nlink == 0:
                raise OSError(errno.ESTALE, "the file was removed while it was written")
        except OSError as error:
            self.abort()
            raise translated(error, self.key) from error
        self._close()
        return BlobInfo(self.key, self.size_bytes, time.time())

    def abort(self) -> None:
        """Remove the file; nothing happens after `commit` or a former `abort`."""
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):   # without a valid receipt it is never indexed, and collected after an hour
            os.unlink(self._name, dir_fd=self._bucket.descriptor)
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
        self._bucket.release()


def _names(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
