"""Blobs as files under one folder: durable when committed, invisible before."""

import contextlib
import errno
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pacsd.blobs.errors import translated
from pacsd.blobs.free_space import FreeSpace
from pacsd.blobs.keys import checked, checked_prefix
from pacsd.blobs.port import BlobInfo
from pacsd.blobs.segments import (
    LIVE,
    LOG_SUFFIX,
    SUFFIX,
    is_segment,
    mark_dead,
    open_shared,
    record_at,
    record_name,
    records,
    segment_of,
    split_key,
)
from pacsd.blobs.ulid import Ulids

PARTS = ".parts"                 # unfinished blobs, where the file system has no nameless files
PART_LIFETIME_S = 86_400.0
MAX_KNOWN_FOLDERS = 10_000
FOLDER_MODE = 0o750
FILE_MODE = 0o640
_NO_NAMELESS_FILES = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})


class LocalBlobs:
    """A BlobStore on a local file system.

    `commit` syncs the bytes, links the name and syncs the directory with every parent this process has not yet seen
    durable. A blob that was not committed has no name at all (O_TMPFILE), so a crash leaves nothing to clean.
    """

    def __init__(self, root: Path, *, reserve_bytes: int, nameless_files: bool = True) -> None:
        self.root = str(root)
        make_durable_root(self.root)
        self._space = FreeSpace(self.root, reserve_bytes=reserve_bytes)
        self._nameless_files = nameless_files and hasattr(os, "O_TMPFILE")
        self._ulids = Ulids()
        self._durable_folders: set[str] = set()
        self._lock = threading.Lock()

    def create(self, key: str) -> "LocalWriter":
        """Begin a blob. Raises PacsdError FULL, UNAVAILABLE; CONFLICT comes at commit."""
        checked(key)
        self._space.take(0)
        try:
            descriptor, part = self._open_part()
        except OSError as error:
            raise translated(error, key) from error
        return LocalWriter(self, key, descriptor, part)

    def put(self, key: str, data: bytes) -> BlobInfo:
        """A whole small blob, durable on return."""
        writer = self.create(key)
        try:
            writer.write(data)
            return writer.commit()
        finally:
            writer.abort()

    def read(self, key: str, *, offset_bytes: int = 0, length_bytes: int | None = None) -> bytes:
        """A range, or all; shorter only at the end of the blob. Raises PacsdError NOT_FOUND."""
        with self.open(key) as reader:
            wanted = reader.size_bytes - offset_bytes if length_bytes is None else length_bytes
            return reader.pread(max(wanted, 0), offset_bytes)

    def open(self, key: str) -> "LocalReader":
        """A reader; it stays valid when the blob is deleted meanwhile. Raises PacsdError NOT_FOUND."""
        place = self._in_segment(key)
        try:
            if place is not None:
                return self._open_record(key, *place)
            descriptor = os.open(self.path(key), os.O_RDONLY | os.O_CLOEXEC)
            return LocalReader(key, descriptor, os.fstat(descriptor).st_size)
        except OSError as error:
            raise translated(error, key) from error

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Blobs whose key starts with `prefix`, in key order (by code point, as object storage does)."""
        folder, _, start = checked_prefix(prefix).rpartition("/")
        yield from self._walk(folder, start)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove for good: directories are synced before this returns, so no deleted blob comes back after a crash."""
        folders: dict[str, list[str]] = defaultdict(list)
        records: dict[str, list[int]] = defaultdict(list)
        for key in keys:
            place = self._in_segment(key)
            if place is not None:
                records[place[0]].append(place[1])
                continue
            folder, _, name = checked(key).rpartition("/")
            folders[folder].append(name)
        for path, offsets in records.items():
            try:
                mark_dead(path, offsets)
            except OSError as error:
                raise translated(error, path.removeprefix(self.root)) from error
        for folder, names in folders.items():
            try:
                self._unlink(folder, names)
            except OSError as error:
                raise translated(error, folder) from error

    def size(self, key: str) -> int:
        """Bytes. Raises PacsdError NOT_FOUND."""
        with self.open(key) as reader:
            return reader.size_bytes

    def path(self, key: str) -> str:
        """Where the blob of this key stands. Raises PacsdError MALFORMED."""
        return f"{self.root}/{checked(key)}"

    def take(self, size_bytes: int) -> None:
        """Raises PacsdError FULL if that many bytes would eat into the reserve."""
        self._space.take(size_bytes)

    def link(self, source: str, key: str) -> None:
        """Give the synced file at `source` its name, durably; OSError EEXIST if the name is taken."""
        folder, _, name = key.rpartition("/")
        descriptor = self._durable_folder(folder)
        try:
            # with src_dir_fd Python calls linkat, which follows /proc/self/fd/N to a file without a name
            os.link(source, name, src_dir_fd=descriptor, dst_dir_fd=descriptor, follow_symlinks=True)
            try:
                os.fsync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):           # what is told to have failed must not be seen either
                    os.unlink(name, dir_fd=descriptor)
                raise
        finally:
            os.close(descriptor)

    def _in_segment(self, key: str) -> tuple[str, int] | None:
        """The file of the segment and the record's place, if the key is that of a record; a restored one is a file."""
        place = split_key(checked(key))
        if place is None:
            return None
        path = f"{self.root}/{place[0]}"
        return None if os.path.isdir(path) else (path, place[1])

    def _open_record(self, key: str, path: str, offset_bytes: int) -> "LocalReader":
        descriptor = open_shared(path)
        try:
            record = record_at(descriptor, segment_of(path), offset_bytes)
            if record is None or record.state != LIVE:
                raise FileNotFoundError(errno.ENOENT, "no such record")
        except BaseException:
            os.close(descriptor)
            raise
        return LocalReader(key, descriptor, record.length_bytes, record.blob_at)

    def _open_part(self) -> tuple[int, str | None]:
        if self._nameless_files:
            try:
                return os.open(self.root, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE), None
            except OSError as error:
                if error.errno not in _NO_NAMELESS_FILES:
                    raise
                self._nameless_files = False
        part = f"{self.root}/{PARTS}/{self._ulids()}"
        if not os.path.isdir(f"{self.root}/{PARTS}"):
            os.makedirs(f"{self.root}/{PARTS}", mode=FOLDER_MODE, exist_ok=True)
        return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE), part

    def clear_parts(self, *, now: float | None = None) -> int:
        """Remove what unfinished writers left a day ago, where files need names; how many."""
        folder = f"{self.root}/{PARTS}"
        if not os.path.isdir(folder):
            return 0
        limit = (time.time() if now is None else now) - PART_LIFETIME_S
        with os.scandir(folder) as entries:
            stale = [entry.path for entry in entries if entry.stat().st_mtime < limit]
        for path in stale:
            _remove(path)
        return len(stale)

    def _durable_folder(self, folder: str) -> int:
        """A descriptor of a folder whose whole chain of parents is durable; made where missing."""
        path = f"{self.root}/{folder}" if folder else self.root
        with self._lock:
            known = folder in self._durable_folders
        if known:
            try:
                return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                pass             # somebody removed it: make and sync it anew
        make_durable_folder(self.root, folder)
        with self._lock:
            if len(self._durable_folders) > MAX_KNOWN_FOLDERS:
                self._durable_folders.clear()
            self._durable_folders.add(folder)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def _walk(self, folder: str, start: str) -> Iterator[BlobInfo]:
        path = f"{self.root}/{folder}" if folder else self.root
        try:
            with os.scandir(path) as entries:
                found = [(entry.name + "/" if _holds_more(entry) else entry.name, entry)
                         for entry in entries if entry.name.startswith(start) and not entry.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            yield from self._records(folder, start)
            return
        except OSError as error:
            raise translated(error, folder) from error
        found.sort(key=lambda item: item[0])
        stem = f"{folder}/" if folder else ""
        for name, entry in found:
            if name.endswith("/"):
                yield from self._walk(stem + entry.name, "")
                continue
            try:
                state = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue         # deleted since
            yield BlobInfo(stem + name, state.st_size, state.st_mtime)

    def _records(self, folder: str, start: str) -> Iterator[BlobInfo]:
        """The blobs in a segment."""
        if not is_segment(folder):
            return
        try:
            descriptor = open_shared(f"{self.root}/{folder}")
        except (FileNotFoundError, NotADirectoryError):
            return               # spent since
        try:
            for record in records(descriptor, segment_of(folder)):
                name = record_name(folder, record.offset_bytes)
                if record.state == LIVE and name.startswith(start):
                    yield BlobInfo(f"{folder}/{name}", record.length_bytes, record.modified_at)
        finally:
            os.close(descriptor)

    def _unlink(self, folder: str, names: Iterable[str]) -> None:
        try:
            descriptor = os.open(f"{self.root}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            for name in names:
                _remove(name, descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class LocalWriter:
    """A BlobWriter: a file without a name until `commit`."""

    __slots__ = ("_descriptor", "_part", "_store", "key", "size_bytes")

    def __init__(self, store: LocalBlobs, key: str, descriptor: int, part: str | None) -> None:
        self.key = key
        self.size_bytes = 0
        self._store = store
        self._descriptor = descriptor
        self._part = part

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises PacsdError FULL, UNAVAILABLE."""
        size = len(data) if isinstance(data, (bytes, bytearray)) else data.nbytes
        self._store.take(size)
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            raise translated(error, self.key) from error
        self.size_bytes += size

    def commit(self) -> BlobInfo:
        """Bytes, name and directories are durable on return. Raises PacsdError CONFLICT if the key exists."""
        try:
            os.fdatasync(self._descriptor)
            self._store.link(self._part or f"/proc/self/fd/{self._descriptor}", self.key)
            modified_at = os.fstat(self._descriptor).st_mtime
        except OSError as error:
            raise translated(error, self.key) from error
        finally:
            self.abort()
        return BlobInfo(self.key, self.size_bytes, modified_at)

    def abort(self) -> None:
        """Forget everything written; nothing happens after `commit`."""
        descriptor, self._descriptor = self._descriptor, -1
        part, self._part = self._part, None
        if descriptor >= 0:
            os.close(descriptor)
        if part is not None:
            _remove(part)


class LocalReader:
    """A BlobReader on an open file, or on a part of one from `base_bytes` on."""

    __slots__ = ("_descriptor", "base_bytes", "key", "size_bytes")

    def __init__(self, key: str, descriptor: int, size_bytes: int, base_bytes: int = 0) -> None:
        self.key = key
        self._descriptor = descriptor
        self.size_bytes = size_bytes
        self.base_bytes = base_bytes

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        """Up to `length_bytes` from `offset_bytes`; shorter only at the end of the blob."""
        length_bytes = min(length_bytes, self.size_bytes - offset_bytes)
        if length_bytes <= 0:
            return b""
        offset_bytes += self.base_bytes
        try:
            data = os.pread(self._descriptor, length_bytes, offset_bytes)
            if len(data) == length_bytes or not data:
                return data
            pieces = [data]
            got = len(data)
            while got < length_bytes and (data := os.pread(self._descriptor, length_bytes - got, offset_bytes + got)):
                pieces.append(data)
                got += len(data)
        except OSError as error:
            raise translated(error, self.key) from error
        return b"".join(pieces)

    def fileno(self) -> int | None:
        """The descriptor, for sendfile."""
        return self._descriptor

    def close(self) -> None:
        """Release the descriptor; once is enough."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write every byte; the kernel may take fewer at once (2 GiB, or a disk nearly full)."""
    written = os.write(descriptor, data)
    size = len(data) if isinstance(data, (bytes, bytearray)) else data.nbytes
    if written == size:
        return
    rest = memoryview(data).cast("B")[written:]
    while rest:
        rest = rest[os.write(descriptor, rest):]


def _holds_more(entry: "os.DirEntry[str]") -> bool:
    in_segment = (entry.name.endswith(SUFFIX) and "/spool/" in entry.path) or (
        entry.name.endswith(LOG_SUFFIX) and "journal/" in entry.path
    )
    return in_segment or entry.is_dir(follow_symlinks=False)


def make_durable_root(root: str) -> None:
    """Make a folder anywhere, and sync the parent of every directory that was missing."""
    missing = []
    path = os.path.abspath(root)
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    os.makedirs(root, mode=FOLDER_MODE, exist_ok=True)
    for path in missing:
        sync_folder(os.path.dirname(path))


def make_durable_folder(root: str, folder: str) -> None:
    """Make root/folder and sync every directory from it up to the root, whoever made them.

    Another process may have made a parent a moment ago and not synced it yet, so none is trusted.
    """
    os.makedirs(f"{root}/{folder}" if folder else root, mode=FOLDER_MODE, exist_ok=True)
    while True:
        sync_folder(f"{root}/{folder}" if folder else root)
        if not folder:
            return
        folder = folder.rpartition("/")[0]


def sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str, folder_descriptor: int | None = None) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path, dir_fd=folder_descriptor)
