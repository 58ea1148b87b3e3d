"""Packs that the index does not know: left-overs of a crash, or all that is left of something?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Protocol

from pacsd.archive.alternate import PREFIX as ALTERNATES_PREFIX
from pacsd.archive.alternate import is_needed
from pacsd.archive.inventory import compared
from pacsd.archive.journal import FactKind, Journal
from pacsd.archive.pack_file import PACK_SUFFIX, PREFIX, SIDECAR_SUFFIX, PieceReader
from pacsd.archive.pack_members import members_of
from pacsd.archive.received import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, read_header, read_receipt
from pacsd.archive.sidecar import SidecarIndex
from pacsd.blobs.port import BlobInfo
from pacsd.blobs.thin import ThinBlobs
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Extent, PackRow, SeriesContent


class OrphanIndex(Protocol):
    """What the index knows of blobs and series."""

    def known_keys(self, prefix: str) -> Iterator[str]:
        """Keys of loose instances, packs, sidecars and garbage that start so, ascending by code point."""

    def content(self, organisation: str, study_instance_uid: str, series_instance_uid: str) -> SeriesContent | None:
        """What the index says of one series of an organisation (by code), hidden instances included."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A pack, a sidecar or both that no row names."""

    pack: BlobInfo | None
    sidecar: BlobInfo | None

    @property
    def keys(self) -> list[str]:
        """The keys of what there is."""
        return [blob.key for blob in (self.pack, self.sidecar) if blob is not None]

    @property
    def modified_at(self) -> float:
        """When the younger one was made."""
        return max(blob.modified_at for blob in (self.pack, self.sidecar) if blob is not None)


@dataclass(frozen=True, slots=True)
class _Held:
    """An instance in an orphan."""

    organisation: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    digest: bytes
    received_at: datetime


class Orphans:
    """Finds unknown packs, and tells whether they may go."""

    def __init__(
        self,
        blobs: ThinBlobs,
        index: OrphanIndex,
        sidecar: Callable[[PackRow], SidecarIndex],
        journal: Journal,
    ) -> None:
        self._blobs = blobs
        self._index = index
        self._sidecar = sidecar
        self._journal = journal

    def __iter__(self) -> Iterator[Orphan]:
        return chain(self._under(PREFIX), self._under(ALTERNATES_PREFIX))

    def _under(self, prefix: str) -> Iterator[Orphan]:
        return _stems(
            pair.blob
            for pair in compared(self._blobs.list(prefix), self._index.known_keys(prefix))
            if pair.blob is not None and not pair.known
        )

    def is_spare(self, orphan: Orphan) -> bool:
        """Whether every instance in it can be had from elsewhere, bit by bit the same, or was meant to go.

        False also for a pack that cannot be read. Raises PacsdError UNAVAILABLE when the index does not answer.
        """
        if orphan.keys[0].startswith(ALTERNATES_PREFIX):
            return not is_needed(self._blobs, orphan.keys)       # what it holds is a copy, if it is
        if orphan.pack is None:
            return True                  # without its pack a sidecar holds nothing
        try:
            held = list(self._held(orphan))
        except PacsdError as error:
            if error.fault is Fault.NOT_FOUND:
                return False             # collected meanwhile by another worker
            if error.fault not in (Fault.UNAVAILABLE, Fault.UNSUPPORTED, Fault.MALFORMED, Fault.TOO_MUCH):
                raise
            return False
        lost = [one for one in held if not self._elsewhere(one)]
        return not lost or self._meant_to_go(lost)

    def _held(self, orphan: Orphan) -> Iterator[_Held]:
        if orphan.sidecar is not None:
            sidecar = SidecarIndex(self._blobs.read(orphan.sidecar.key))
            head = sidecar.head
            for entry in sidecar:
                yield _Held(
                    head.organisation, head.study_instance_uid, head.series_instance_uid, entry.sop_instance_uid,
                    entry.digest, entry.received_at,
                )
        elif orphan.pack is not None:
            yield from self._held_in_pack(orphan.pack.key)

    def _held_in_pack(self, key: str) -> Iterator[_Held]:
        with self._blobs.open(key) as blob:
            for member in members_of(blob):
                reader = PieceReader(blob, Extent(key, member.offset_bytes, member.length_bytes))
                meta = read_receipt(reader)
                if meta is None or meta.receipt is None:
                    raise PacsdError(Fault.UNAVAILABLE, "a member of a pack has no receipt")
                header = read_header(reader, meta)
                yield _Held(
                    meta.receipt.organisation, header.text(STUDY_INSTANCE_UID), header.text(SERIES_INSTANCE_UID),
                    meta.sop_instance_uid, meta.receipt.digest, meta.receipt.received_at,
                )

    def _elsewhere(self, one: _Held) -> bool:
        content = self._index.content(one.organisation, one.study_instance_uid, one.series_instance_uid)
        if content is None:
            return False
        if any(row.sop_instance_uid == one.sop_instance_uid and row.digest == one.digest for row in content.loose):
            return True
        entries = (self._sidecar(pack).get(one.sop_instance_uid) for pack in content.packs)
        return any(entry is not None and entry.digest == one.digest for entry in entries)

    def _meant_to_go(self, lost: list[_Held]) -> bool:
        """Whether later facts purged or replaced all of them."""
        left = {(one.organisation, one.sop_instance_uid): one for one in lost}
        for fact in self._journal.replay(since=min(one.received_at for one in lost)):
            for name in _gone_by(fact.kind, fact.body):
                one = left.get(name)
                if one is not None and one.received_at < fact.at:
                    del left[name]
        return not left


def _gone_by(kind: FactKind, body: Any) -> Iterator[tuple[str, str]]:
    if kind is FactKind.PURGE:
        for sops in body["series"].values():
            yield from ((body["organisation"], sop) for sop in sops)
    elif kind is FactKind.REPLACE:
        yield body["key"].split("/")[1], body["sop"]


def _stems(blobs: Iterator[BlobInfo]) -> Iterator[Orphan]:
    """Packs and sidecars of one name together; in key order a sidecar comes before its pack."""
    waiting: BlobInfo | None = None
    for blob in blobs:
        stem = blob.key.removesuffix(PACK_SUFFIX).removesuffix(SIDECAR_SUFFIX)
        if waiting is not None and waiting.key != stem + SIDECAR_SUFFIX:
            yield Orphan(None, waiting)
            waiting = None
        if blob.key.endswith(SIDECAR_SUFFIX):
            waiting = blob
        elif blob.key.endswith(PACK_SUFFIX):
            yield Orphan(blob, waiting)
            waiting = None
    if waiting is not None:
        yield Orphan(None, waiting)
