"""Room on the disk for bytes whose place in an object is not known yet; nothing in it outlives its process."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

from pacsd.blobs.errors import translated
from pacsd.blobs.free_space import FreeSpace
from pacsd.blobs.local import write_all

CHUNK_BYTES = 1 << 20


class Scratch:
    """A file without a name. Bytes are appended, and read back by where they stand. Use as a context manager."""

    def __init__(self, folder: str, space: FreeSpace) -> None:
        self._space = space
        self.size_bytes = 0
        space.take(0)
        try:
            self._descriptor = _nameless(folder)
        except OSError as error:
            raise translated(error, "scratch") from error

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises PacsdError FULL, UNAVAILABLE."""
        size = memoryview(data).nbytes
        self._space.take(size)
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            raise translated(error, "scratch") from error
        self.size_bytes += size

    def read(self, offset_bytes: int, length_bytes: int) -> Iterator[bytes]:
        """A range, in chunks. Raises PacsdError UNAVAILABLE."""
        at, end = offset_bytes, offset_bytes + length_bytes
        while at < end:
            try:
                chunk = os.pread(self._descriptor, min(CHUNK_BYTES, end - at), at)
            except OSError as error:
                raise translated(error, "scratch") from error
            if not chunk:
                return
            at += len(chunk)
            yield chunk

    def close(self) -> None:
        """Give the room back; nothing happens the second time."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _nameless(folder: str) -> int:
    with contextlib.suppress(OSError, AttributeError):
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    descriptor, path = tempfile.mkstemp(prefix=".scratch-", dir=folder)     # the file system has no nameless files
    os.unlink(path)
    return descriptor
