"""The port to where bytes live. No rename and no append, so that object storage can stand behind it."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple, Protocol, Self


class BlobInfo(NamedTuple):
    """A blob's name and size; `modified_at` in seconds since the epoch."""

    key: str
    size_bytes: int
    modified_at: float


class BlobWriter(Protocol):
    """A blob being written, in parts; nobody sees it before `commit`."""

    key: str

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises PacsdError FULL when there is no room."""

    def commit(self) -> BlobInfo:
        """Make bytes and name durable; on return the blob is visible and complete."""

    def abort(self) -> None:
        """Forget everything written."""


class BlobReader(Protocol):
    """Ranged reads from one blob."""

    key: str
    size_bytes: int

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        """Up to `length_bytes` from `offset_bytes`; shorter only at the end of the blob, and before what cannot be
        read: who reads on there is told. Raises PacsdError UNAVAILABLE."""

    def fileno(self) -> int | None:
        """A descriptor an edge may sendfile from, or None where the blob is not in a local file."""

    @property
    def base_bytes(self) -> int:
        """Where the blob begins in that file."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlobStore(Protocol):
    """Immutable blobs by key: `/`-separated names of letters, digits, `.`, `-` and `_`."""

    def create(self, key: str) -> BlobWriter:
        """Begin a blob. Raises PacsdError CONFLICT if the key exists at commit."""

    def put(self, key: str, data: bytes) -> BlobInfo:
        """A whole small blob, durable on return."""

    def read(self, key: str, *, offset_bytes: int = 0, length_bytes: int | None = None) -> bytes:
        """A range, or all. Raises PacsdError NOT_FOUND."""

    def open(self, key: str) -> BlobReader:
        """A reader. Raises PacsdError NOT_FOUND."""

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Blobs whose key starts with `prefix`, in key order."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove; keys that are not there are no error."""

    def size(self, key: str) -> int:
        """Bytes. Raises PacsdError NOT_FOUND."""
