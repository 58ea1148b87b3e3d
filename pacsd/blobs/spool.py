"""The receive spool: where an object's bytes go while they arrive, and stay until its series is packed."""

import time
from collections.abc import Callable
from pathlib import Path

from pacsd.blobs.free_space import FreeSpace
from pacsd.blobs.local import make_durable_root
from pacsd.blobs.scratch import Scratch
from pacsd.blobs.segment_pool import SegmentPool
from pacsd.blobs.spool_batch import SpoolBatch
from pacsd.blobs.spool_files import BUCKET_FILES, BUCKET_S, SpoolFiles
from pacsd.blobs.spool_writer import SpoolWriter


class Spool:
    """Objects on their way in: records of segments, and files of their own where they are larger than a segment.

    An object is written under its final name, so a receipt inside it, not its name, tells whether it is complete.
    `segment_bytes` 0 gives every object a file.
    """

    def __init__(
        self,
        root: Path,
        *,
        reserve_bytes: int,
        segment_bytes: int = 0,
        ready_bytes: int = 0,
        bucket_files: int = BUCKET_FILES,
        bucket_s: float = BUCKET_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = str(root)
        make_durable_root(self.root)
        self.space = FreeSpace(self.root, reserve_bytes=reserve_bytes)
        self._files = SpoolFiles(
            self.root, self.space, bucket_files=bucket_files, bucket_s=bucket_s, clock=clock
        )
        self._segments = (
            SegmentPool(self.root, self.space, segment_bytes=segment_bytes, ready_bytes=ready_bytes)
            if segment_bytes
            else None
        )

    def create(self, organisation: str) -> SpoolWriter:
        """Begin an object of this organisation code. Raises PacsdError FULL, UNAVAILABLE, MALFORMED."""
        self.space.take(0)
        writer = None if self._segments is None else self._segments.create(organisation)
        return SpoolWriter(self._files, organisation, writer or self._files.create(organisation))

    def batch(self) -> SpoolBatch:
        """Room for objects that become durable together."""
        return SpoolBatch(self._files, self._segments, self.space)

    def scratch(self) -> Scratch:
        """Room for the parts of objects that are put together later. Raises PacsdError FULL, UNAVAILABLE."""
        return Scratch(self.root, self.space)

    def prepare(self) -> None:
        """Begin to write segments ahead, beside the work."""
        if self._segments is not None:
            self._segments.refill()

    def reuse_segments(self) -> int:
        """Make segments ready again, or remove them, where every object is deleted and nobody reads; how many."""
        return 0 if self._segments is None else self._segments.reuse()

    def remove_empty_buckets(self, *, older_than_s: float = 2 * BUCKET_S, now: float | None = None) -> int:
        """As SpoolFiles.remove_empty_buckets."""
        return self._files.remove_empty_buckets(older_than_s=older_than_s, now=now)

    def close(self) -> None:
        """Release the directories and segments kept open."""
        self._files.close()
        if self._segments is not None:
            self._segments.close()
