"""Collection: blobs that are due to go, and blobs that nothing names any more.

A blob is only ever deleted if the index lists it as garbage. What the index does not know at all is put on that list
when it is proven to be a left-over. A pack that holds an instance the index does not show is never touched; it is
reported, and `pacsd rebuild` brings it back.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from pacsd.archive.orphans import Orphans
from pacsd.blobs.port import BlobStore

ORPHAN_AGE_S = 3600.0
BATCH = 500
log = logging.getLogger("pacsd.archive")


class GarbageIndex(Protocol):
    """The list of what is to be deleted."""

    def due_garbage(self, limit: int) -> list[str]:
        """Keys whose time has come."""

    def forget_garbage(self, keys: Sequence[str]) -> None:
        """Their blobs are gone for good."""

    def add_garbage(self, keys: Sequence[str], *, grace_s: float) -> None:
        """Delete these blobs after a while."""


class Collector:
    """Deletes what is due; looks for left-overs now and then."""

    def __init__(
        self,
        blobs: BlobStore,
        index: GarbageIndex,
        orphans: Orphans,
        *,
        sweeps: Iterable[Callable[[], int]] = (),
        orphan_age_s: float = ORPHAN_AGE_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._blobs = blobs
        self._index = index
        self._orphans = orphans
        self._sweeps = tuple(sweeps)
        self._orphan_age_s = orphan_age_s
        self._now = now

    def run(self) -> bool:
        """Delete a batch of due blobs; whether there may be more."""
        keys = self._index.due_garbage(BATCH)
        if not keys:
            return False
        self._blobs.delete(keys)                         # durable: only then are they forgotten
        self._index.forget_garbage(keys)
        return len(keys) == BATCH

    def sweep(self) -> bool:
        """Put left-over packs on the list and remove empty directories."""
        for clear in self._sweeps:
            clear()
        limit = self._now() - self._orphan_age_s
        for orphan in self._orphans:
            if orphan.modified_at >= limit:
                continue                                 # maybe its transaction is still to come
            if self._orphans.is_spare(orphan):
                self._index.add_garbage(orphan.keys, grace_s=0.0)
            else:
                log.error("a pack the index does not know was kept", extra={"keys": orphan.keys})
        return False
