"""`pacsd check`: every blob against the index, every checksum against the bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pacsd.archive.inventory import compared
from pacsd.archive.journal import Journal
from pacsd.archive.orphans import Orphans
from pacsd.archive.pack_file import PieceReader, checksums
from pacsd.archive.received import read_receipt
from pacsd.archive.repair import SPOOL_PREFIX
from pacsd.archive.sidecar import SidecarEntry, SidecarIndex
from pacsd.blobs.port import BlobInfo, BlobReader, BlobStore
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Extent, LooseInstance, PackRow


class Trouble(Enum):
    """What may be wrong with a blob."""

    MISSING = "missing"                  # the index names it, and it is not there
    CORRUPT = "corrupt"                  # its bytes are not what they were
    UNINDEXED = "unindexed"              # complete, and no row names it: repair or rebuild shows it again
    UNFINISHED = "unfinished"            # a reception that ended halfway; collected after an hour
    ORPHAN = "orphan"                    # left over by a merge or a crash; collected after an hour


HARMLESS = frozenset((Trouble.UNFINISHED, Trouble.ORPHAN))


@dataclass(frozen=True, slots=True)
class Finding:
    """One trouble. `sop_instance_uid` is empty where it concerns a whole blob."""

    trouble: Trouble
    key: str
    sop_instance_uid: str = ""
    detail: str = ""

    @property
    def harmless(self) -> bool:
        """Whether no acknowledged object is affected."""
        return self.trouble in HARMLESS


class CheckIndex(Protocol):
    """Everything the index says of blobs."""

    def loose(self) -> Iterator[LooseInstance]:
        """All loose instances."""

    def packs(self) -> Iterator[PackRow]:
        """All packs."""

    def known_keys(self, prefix: str) -> Iterator[str]:
        """Keys of loose instances, packs, sidecars and garbage that start so, ascending by code point."""


class Check:
    """Reads everything, in bounded memory; changes nothing."""

    def __init__(
        self, blobs: BlobStore, index: CheckIndex, journal: Journal, orphans: Orphans
    ) -> None:
        self._blobs = blobs
        self._index = index
        self._journal = journal
        self._orphans = orphans

    def run(self, progress: Callable[[int], None] = lambda size_bytes: None) -> Iterator[Finding]:
        """Findings as they come; `progress` hears of bytes read. Exit status 1 unless all are harmless."""
        for loose in self._index.loose():
            yield from self._loose(loose)
            progress(loose.extent.length_bytes)
        for pack in self._index.packs():
            yield from self._pack(pack, progress)
            if pack.alternate is not None:
                yield from self._pack(pack.alternate, progress)
        yield from self._unknown_packs()
        yield from self._unknown_spool()
        yield from self._facts()

    def _loose(self, loose: LooseInstance) -> Iterator[Finding]:
        try:
            with self._blobs.open(loose.extent.key) as blob:
                trouble = _compare(
                    PieceReader(blob, loose.extent), blob, loose.dataset_offset_bytes, loose.digest, None
                )
        except PacsdError as error:
            trouble = _trouble(error)
        if trouble is not None:
            yield Finding(*trouble[:1], loose.extent.key, loose.sop_instance_uid, trouble[1])

    def _pack(self, pack: PackRow, progress: Callable[[int], None]) -> Iterator[Finding]:
        try:
            sidecar = SidecarIndex(self._blobs.read(pack.sidecar_key))
            if sidecar.head.pack != pack.key:
                yield Finding(Trouble.CORRUPT, pack.sidecar_key, "", "the sidecar of another pack")
                return
            sidecar.instances()                          # every section can be read
        except PacsdError as error:
            yield Finding(_trouble(error)[0], pack.sidecar_key, "", _trouble(error)[1])
            return
        try:
            with self._blobs.open(pack.key) as blob:
                if blob.size_bytes != pack.size_bytes:
                    yield Finding(Trouble.CORRUPT, pack.key, "", f"{blob.size_bytes} bytes, not {pack.size_bytes}")
                for entry in sidecar:
                    yield from self._member(pack, blob, entry)
                    progress(entry.length_bytes)
        except PacsdError as error:
            yield Finding(_trouble(error)[0], pack.key, "", _trouble(error)[1])

    @staticmethod
    def _member(pack: PackRow, blob: BlobReader, entry: SidecarEntry) -> Iterator[Finding]:
        extent = Extent(pack.key, entry.offset_bytes, entry.length_bytes)
        try:
            trouble = _compare(
                PieceReader(blob, extent), blob, entry.dataset_offset_bytes, entry.digest, entry.sha256
            )
        except PacsdError as error:
            trouble = _trouble(error)
        if trouble is not None:
            yield Finding(*trouble[:1], pack.key, entry.sop_instance_uid, trouble[1])

    def _unknown_packs(self) -> Iterator[Finding]:
        for orphan in self._orphans:
            kind = Trouble.ORPHAN if self._orphans.is_spare(orphan) else Trouble.UNINDEXED
            yield from (Finding(kind, key) for key in orphan.keys)

    def _unknown_spool(self) -> Iterator[Finding]:
        for pair in compared(self._blobs.list(SPOOL_PREFIX), self._index.known_keys(SPOOL_PREFIX)):
            if pair.blob is not None and not pair.known:
                yield Finding(self._spool_kind(pair.blob), pair.key)

    def _spool_kind(self, info: BlobInfo) -> Trouble:
        try:
            with self._blobs.open(info.key) as blob:
                complete = read_receipt(PieceReader(blob, Extent(info.key, 0, blob.size_bytes))) is not None
        except PacsdError:
            complete = False
        return Trouble.UNINDEXED if complete else Trouble.UNFINISHED

    def _facts(self) -> Iterator[Finding]:
        try:
            for _ in self._journal.replay():
                pass
        except PacsdError as error:
            yield Finding(Trouble.CORRUPT, "journal/", "", error.message)


def _compare(
    reader: PieceReader, blob: BlobReader, dataset_offset_bytes: int, digest: bytes, sha256: bytes | None
) -> tuple[Trouble, str] | None:
    if reader.offset_bytes + reader.size_bytes > blob.size_bytes:
        return Trouble.CORRUPT, "truncated"
    sums = checksums(reader, dataset_offset_bytes)
    if sums.digest != digest:
        return Trouble.CORRUPT, "the data set has another digest"
    if sha256 is not None and sums.sha256 != sha256:
        return Trouble.CORRUPT, "the file has another SHA-256"
    return None


def _trouble(error: PacsdError) -> tuple[Trouble, str]:
    return (Trouble.MISSING if error.fault is Fault.NOT_FOUND else Trouble.CORRUPT), error.message
