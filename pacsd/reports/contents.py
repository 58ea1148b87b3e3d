"""What of reports is too large for a journal fact: documents, and long contents, each a blob under `reports/`.

A blob is durable before the fact that names it. One that no fact came to name is swept away later.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from pacsd.blobs.port import BlobStore
from pacsd.blobs.ulid import Ulids, ulid_time

PREFIX = "reports/"
INLINE_BYTES = 65_536                    # of a content that stands in the fact itself
_SUFFIXES = {"application/pdf": "pdf", "application/json": "json"}
_BATCH = 1000


class Contents:
    """Keeps and reads them; for many threads and processes at once."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._ulids = Ulids()

    def key(self, media_type: str) -> str:
        """A key for the next."""
        ulid = self._ulids()
        return f"{PREFIX}{ulid_time(ulid):%Y/%m/%d}/{ulid}.{_SUFFIXES[media_type]}"

    def keep(self, key: str, chunks: Iterable[bytes]) -> int:
        """Durable on return; how many bytes. Raises PacsdError FULL, UNAVAILABLE."""
        writer = self._blobs.create(key)
        try:
            for chunk in chunks:
                writer.write(chunk)
            return writer.commit().size_bytes
        finally:
            writer.abort()

    def read(self, key: str) -> bytes:
        """All of one. Raises PacsdError NOT_FOUND."""
        return self._blobs.read(key)

    def size(self, key: str) -> int:
        """Bytes. Raises PacsdError NOT_FOUND."""
        return self._blobs.size(key)

    def chunks(self, key: str, *, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """One, piece by piece. Raises PacsdError NOT_FOUND."""
        with self._blobs.open(key) as blob:
            for at in range(0, blob.size_bytes, chunk_bytes):
                yield blob.pread(chunk_bytes, at)

    def old_keys(self, *, older_than_s: float) -> Iterator[list[str]]:
        """Keys that are no longer young, in batches."""
        limit = datetime.now(UTC) - timedelta(seconds=older_than_s)
        keys = (info.key for info in self._blobs.list(PREFIX) if _time(info.key) < limit)
        while batch := list(islice(keys, _BATCH)):
            yield batch


def _time(key: str) -> datetime:
    return ulid_time(key.rpartition("/")[2].partition(".")[0])
