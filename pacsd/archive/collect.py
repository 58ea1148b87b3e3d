"""Collection: blobs that are due to go, and blobs that nothing names any more.

A blob is only ever deleted if the index lists it as garbage. What the index does not know at all is put on that list
when it is proven to be a left-over: every instance in it can be had from elsewhere. A pack that holds an instance the
index does not show is never touched; it is reported, and `pacsd rebuild` brings it back.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from pacsd.archive.inventory import compared
from pacsd.archive.pack_file import PACK_SUFFIX, PREFIX, SIDECAR_SUFFIX
from pacsd.archive.sidecar import SidecarIndex
from pacsd.blobs.port import BlobInfo, BlobStore
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import PackRow, SeriesContent

ORPHAN_AGE_S = 3600.0
BATCH = 500
log = logging.getLogger("pacsd.archive")


class GarbageIndex(Protocol):
    """The list of what is to be deleted, and what the index knows of blobs."""

    def due_garbage(self, limit: int) -> list[str]:
        """Keys whose time has come."""

    def forget_garbage(self, keys: Sequence[str]) -> None:
        """Their blobs are gone for good."""

    def add_garbage(self, keys: Sequence[str], *, grace_s: float) -> None:
        """Delete these blobs after a while."""

    def known_keys(self, prefix: str) -> Iterator[str]:
        """Keys of loose instances, packs, sidecars and garbage that start so, ascending by code point."""

    def content(self, organisation: str, study_instance_uid: str, series_instance_uid: str) -> SeriesContent | None:
        """What the index says of one series of an organisation (by code), hidden instances included."""


class Collector:
    """Deletes what is due; looks for left-overs now and then."""

    def __init__(
        self,
        blobs: BlobStore,
        index: GarbageIndex,
        sidecar: Callable[[PackRow], SidecarIndex],
        *,
        sweeps: Iterable[Callable[[], int]] = (),
        orphan_age_s: float = ORPHAN_AGE_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._blobs = blobs
        self._index = index
        self._sidecar = sidecar
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
        for pack, sidecar in _stems(self._unknown()):
            if all(blob.modified_at < limit for blob in (pack, sidecar) if blob is not None):
                self._judge(pack, sidecar)
        return False

    def _unknown(self) -> Iterator[BlobInfo]:
        for pair in compared(self._blobs.list(PREFIX), self._index.known_keys(PREFIX)):
            if pair.blob is not None and not pair.known:
                yield pair.blob

    def _judge(self, pack: BlobInfo | None, sidecar: BlobInfo | None) -> None:
        keys = [blob.key for blob in (pack, sidecar) if blob is not None]
        try:
            spare = pack is None or (sidecar is not None and self._spare(sidecar.key))
        except PacsdError as error:
            if error.fault is Fault.NOT_FOUND:           # collected meanwhile by another worker
                return
            spare = False
        if spare:
            self._index.add_garbage(keys, grace_s=0.0)
        else:
            log.error("a pack is not in the index and was kept; see pacsd check and rebuild", extra={"keys": keys})

    def _spare(self, sidecar_key: str) -> bool:
        """Whether every instance of an unknown pack can be had from elsewhere, bit by bit the same."""
        orphan = SidecarIndex(self._blobs.read(sidecar_key))
        head = orphan.head
        content = self._index.content(head.organisation, head.study_instance_uid, head.series_instance_uid)
        if content is None:
            return False
        digests = {one.sop_instance_uid: {one.digest} for one in content.loose}
        for pack in content.packs:
            for entry in self._sidecar(pack):
                digests.setdefault(entry.sop_instance_uid, set()).add(entry.digest)
        return all(entry.digest in digests.get(entry.sop_instance_uid, ()) for entry in orphan)


def _stems(blobs: Iterator[BlobInfo]) -> Iterator[tuple[BlobInfo | None, BlobInfo | None]]:
    """Packs and sidecars of one name together; in key order a sidecar comes before its pack."""
    waiting: BlobInfo | None = None
    for blob in blobs:
        stem = blob.key.removesuffix(PACK_SUFFIX).removesuffix(SIDECAR_SUFFIX)
        if waiting is not None and waiting.key != stem + SIDECAR_SUFFIX:
            yield None, waiting
            waiting = None
        if blob.key.endswith(SIDECAR_SUFFIX):
            waiting = blob
        elif blob.key.endswith(PACK_SUFFIX):
            yield blob, waiting
            waiting = None
    if waiting is not None:
        yield None, waiting
