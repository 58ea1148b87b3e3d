"""Repair after an unclean stop: what was durable but not visible becomes visible.

The index commits without waiting for its own disk, so a crash of PostgreSQL may take back the last rows of objects that
were acknowledged. Their spool files are still there, complete by their receipts, and are admitted again exactly as on
arrival. Only names are compared; only files that no row names are read.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from pacsd.archive.inventory import compared
from pacsd.archive.pack_file import PieceReader
from pacsd.archive.received import Received, read_received
from pacsd.blobs.port import BlobInfo, BlobStore
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Arrival, Extent, Stored

SPOOL_PREFIX = "spool/"
UNFINISHED_AGE_S = 3600.0
log = logging.getLogger("pacsd.archive")


class RepairIndex(Protocol):
    """What the index knows of blobs."""

    def known_keys(self, prefix: str) -> Iterator[str]:
        """Keys of loose instances, packs, sidecars and garbage that start so, ascending by code point."""

    def is_garbage(self, key: str) -> bool:
        """Whether the blob is to be deleted."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair found and did."""

    indexed: int = 0                     # became visible (again)
    settled: int = 0                     # repeats, contradictions and rejected ones: dealt with as on arrival
    removed: int = 0                     # incomplete, and untouched for an hour
    unfinished: int = 0                  # incomplete, but maybe still being written
    missing: int = 0                     # rows whose file is gone: data loss, reported and left to be seen
    failed: int = 0                      # could not be read or indexed this time


class Repair:
    """Compares the spool with the index."""

    def __init__(
        self,
        blobs: BlobStore,
        index: RepairIndex,
        admit: Callable[[Arrival], Stored],
        *,
        organisations: Mapping[str, int],
        character_set_of: Callable[[str, str], str | None],      # organisation code, source AE
        now: Callable[[], float] = time.time,
    ) -> None:
        self._blobs = blobs
        self._index = index
        self._admit = admit
        self._organisations = organisations
        self._character_set_of = character_set_of
        self._now = now

    def run(self) -> Repaired:
        """One pass over the spool. Safe beside receivers and other workers; may be run at any time."""
        done = Repaired()
        for pair in compared(self._blobs.list(SPOOL_PREFIX), self._index.known_keys(SPOOL_PREFIX)):
            if pair.blob is None:
                done = self._missing(pair.key, done)
            elif not pair.known:
                done = self._unknown(pair.blob, done)
        log.info("spool compared with the index", extra={name: getattr(done, name) for name in Repaired.__slots__})
        return done

    def _missing(self, key: str, done: Repaired) -> Repaired:
        """A row without its file. The file may have come, or gone as garbage, since the listing."""
        if self._there(key) or key not in set(self._index.known_keys(key)):
            return done
        log.error("a stored object is missing", extra={"key": key})
        return replace(done, missing=done.missing + 1)

    def _there(self, key: str) -> bool:
        try:
            self._blobs.size(key)
        except PacsdError as error:
            if error.fault is Fault.NOT_FOUND:
                return False
            raise
        return True

    def _unknown(self, info: BlobInfo, done: Repaired) -> Repaired:
        try:
            received = self._read(info.key)
            if received is None:
                return self._incomplete(info, done)
            if self._index.is_garbage(info.key):         # indexed, and packed, replaced or purged, since the listing
                return done
            self._admit(received.arrival(*self._owner(received)))
        except PacsdError as error:
            if error.fault in (Fault.CONFLICT, Fault.REFUSED):
                return replace(done, settled=done.settled + 1)
            if error.fault is Fault.NOT_FOUND:           # packed and collected, or refused, since the listing
                return done
            log.error("a spool file was not indexed", extra={"key": info.key, "fault": error.fault.value})
            return replace(done, failed=done.failed + 1)
        return replace(done, indexed=done.indexed + 1)

    def _read(self, key: str) -> Received | None:
        with self._blobs.open(key) as blob:
            extent = Extent(key, 0, blob.size_bytes)
            return read_received(PieceReader(blob, extent, keep=True), extent)

    def _owner(self, received: Received) -> tuple[int, str | None]:
        code = received.receipt.organisation
        if code not in self._organisations:
            raise PacsdError(Fault.INTERNAL, f"organisation {code} is not configured")
        return self._organisations[code], self._character_set_of(code, received.meta.source_ae)

    def _incomplete(self, info: BlobInfo, done: Repaired) -> Repaired:
        if info.modified_at > self._now() - UNFINISHED_AGE_S:
            return replace(done, unfinished=done.unfinished + 1)
        self._blobs.delete([info.key])
        return replace(done, removed=done.removed + 1)
