"""Files that only grow: what is appended is on the disk when `append` returns.

A file has one writer, who holds it locked; a file whose append failed is never appended to again, because nobody knows
what of it is on the disk (fsync(2) reports an error once). One that grew is written ahead: behind its end stand zeros,
whose place is durable already, so that an append costs one flush of its own bytes. They go when it is closed; a crash
leaves them. What is appended holds no zeros: at the first one a reader is at the end.
"""

import contextlib
import errno
import fcntl
import os
import re
from pathlib import Path

from pacsd.blobs.errors import translated
from pacsd.blobs.free_space import FreeSpace
from pacsd.blobs.local import FILE_MODE, make_durable_root, sync_folder
from pacsd.faults import Fault, PacsdError

AHEAD_BYTES = 1 << 17
AHEAD_FROM_BYTES = 1 << 15               # a file that stays smaller is never written ahead
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,99}")


class AppendFolder:
    """A folder of such files, of many writers."""

    def __init__(self, root: Path, *, reserve_bytes: int = 0) -> None:
        self._root = str(root)
        self._reserve_bytes = reserve_bytes
        self._space: FreeSpace | None = None

    def create(self, name: str) -> "AppendFile":
        """A new file, there for good on return. Raises PacsdError FULL, UNAVAILABLE, CONFLICT."""
        return self._opened(name, os.O_EXCL, ahead_bytes=AHEAD_BYTES)

    def further(self, name: str) -> "AppendFile":
        """A file that may be there, to append to a copy of another's. Raises PacsdError FULL, UNAVAILABLE."""
        return self._opened(name, 0, ahead_bytes=0)

    def _opened(self, name: str, flags: int, *, ahead_bytes: int) -> "AppendFile":
        path = self._path(name)
        try:
            make_durable_root(self._root)
            if self._space is None:
                self._space = FreeSpace(self._root, reserve_bytes=self._reserve_bytes)
            self._space.take(0)
            flags |= os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(path, flags, FILE_MODE)
        except OSError as error:
            raise translated(error, name) from error
        try:
            waiting = 0 if flags & os.O_EXCL else fcntl.LOCK_NB      # of a new file: who asks whether it is in use
            fcntl.flock(descriptor, fcntl.LOCK_EX | waiting)
            was_taken_away = not os.fstat(descriptor).st_nlink       # for that of somebody who died before he wrote
            if not was_taken_away:
                sync_folder(self._root)
                size_bytes = os.fstat(descriptor).st_size
                return AppendFile(name, descriptor, self._space, size_bytes=size_bytes, ahead_bytes=ahead_bytes)
        except OSError as error:
            os.close(descriptor)
            if flags & os.O_EXCL:
                self.discard(name)       # nobody will write into it
            raise translated(error, name) from error
        os.close(descriptor)
        return self._opened(name, flags & os.O_EXCL, ahead_bytes=ahead_bytes)

    def discard(self, name: str) -> None:
        """Remove a file into which nothing was written."""
        with contextlib.suppress(OSError):
            if os.stat(self._path(name)).st_size == 0:
                os.unlink(self._path(name))

    def discard_abandoned(self, name: str) -> None:
        """Remove a file into which nothing was written, if its writer is dead; who just begins it makes it anew."""
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_size == 0:
                    os.unlink(self._path(name))
            finally:
                os.close(descriptor)

    def names(self) -> list[str]:
        """All files, in the order of their names."""
        try:
            return sorted(name for name in os.listdir(self._root) if _NAME.fullmatch(name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise translated(error, "") from error

    def changed_ns(self) -> int:
        """When a file last came or went, by the file system's clock, which is coarse; -1 where there is no folder."""
        try:
            return os.stat(self._root).st_mtime_ns
        except FileNotFoundError:
            return -1
        except OSError as error:
            raise translated(error, "") from error

    def read(self, name: str, offset_bytes: int, length_bytes: int) -> bytes:
        """A range; shorter at the end of the file. Raises PacsdError NOT_FOUND, UNAVAILABLE."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                return os.pread(descriptor, length_bytes, offset_bytes)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise translated(error, name) from error

    def size(self, name: str) -> int:
        """Bytes. Raises PacsdError NOT_FOUND."""
        try:
            return os.stat(self._path(name)).st_size
        except OSError as error:
            raise translated(error, name) from error

    def in_use(self, name: str) -> bool:
        """Whether its writer lives."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise translated(error, name) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise PacsdError(Fault.MALFORMED, "not the name of a file of records")
        return f"{self._root}/{name}"


class AppendFile:
    """A file being written; for one thread at a time. `ahead_bytes`: how much of it is written ahead at a time."""

    def __init__(
        self, name: str, descriptor: int, space: FreeSpace, *, size_bytes: int = 0, ahead_bytes: int = 0
    ) -> None:
        self.name = name
        self.size_bytes = size_bytes             # without what is written ahead
        self._end_bytes = size_bytes
        self._ahead_bytes = ahead_bytes
        self._descriptor = descriptor
        self._space = space

    @property
    def usable(self) -> bool:
        """Whether more may be appended."""
        return self._descriptor >= 0

    def append(self, data: bytes) -> None:
        """Add bytes, on the disk on return. Raises PacsdError FULL, UNAVAILABLE; see then whether it is `usable`."""
        if not self.usable:
            raise PacsdError(Fault.UNAVAILABLE, "the file is closed")
        whole = data + bytes(self._ahead(len(data)))
        try:
            self._space.take(max(0, self.size_bytes + len(whole) - self._end_bytes))     # of what has no place yet
            _write_through(self._descriptor, whole, self.size_bytes)
        except OSError as error:
            with contextlib.suppress(OSError):           # what is told to have failed should not be read
                os.ftruncate(self._descriptor, self.size_bytes)
                os.fdatasync(self._descriptor)
            self.close()
            raise translated(error, self.name) from error
        self._end_bytes = max(self._end_bytes, self.size_bytes + len(whole))
        self.size_bytes += len(data)

    def _ahead(self, size_bytes: int) -> int:
        """How many zeros go behind that many bytes: none while there are some, or where it is small."""
        fits = self.size_bytes + size_bytes <= self._end_bytes
        return 0 if fits or self.size_bytes < AHEAD_FROM_BYTES else self._ahead_bytes

    def close(self) -> None:
        """Let go of it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            if self._end_bytes > self.size_bytes:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, self.size_bytes)
            os.close(descriptor)


def _write_through(descriptor: int, data: bytes, offset_bytes: int) -> None:
    """Write there, on the disk on return, in one call where the file system can: it is waited for without the
    interpreter's lock, and each call more is another wait for that. Raises OSError."""
    rest = memoryview(data)
    while rest:
        written = _written_at_once(descriptor, rest, offset_bytes)
        if written is None:
            written = os.pwrite(descriptor, rest, offset_bytes)
            os.fdatasync(descriptor)
        rest, offset_bytes = rest[written:], offset_bytes + written


def _written_at_once(descriptor: int, data: memoryview, offset_bytes: int) -> int | None:
    """How many bytes; None where this Python, its C library or the file system cannot. Raises OSError."""
    flag = getattr(os, "RWF_DSYNC", 0)                   # of glibc 2.26: portable builds are made without it
    if not flag:
        return None
    try:
        return os.pwritev(descriptor, (data,), offset_bytes, flag)
    except NotImplementedError:
        return None
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return None


__all__ = ["AppendFile", "AppendFolder"]
