"""Merging: several packs of one series become one, and packs that hold replaced or purged instances lose them.

Members and what the sidecars say of them are copied, nothing is parsed again. The old packs stay for a grace period.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from pacsd.archive.claimed import LEASE_S, ClaimedSeries
from pacsd.archive.pack import Owner, Packed, disowned, instance_order
from pacsd.archive.pack_file import PackWriter, Piece, PieceReader, SeriesHead, WrittenPack
from pacsd.archive.sidecar import PackedInstance, SidecarIndex
from pacsd.blobs.port import BlobStore
from pacsd.blobs.ulid import Ulids
from pacsd.index.records import Extent, PackRow, SeriesContent

MANY_PACKS = 4                           # so many are merged at once; fewer only once the series is quiet for long


class MergeIndex(Protocol):
    """Where series with several packs are found, and where a merge becomes the truth."""

    def claim_fragmented(
        self, *, quiet_s: float, packs: int, lease_s: float, limit: int
    ) -> list[SeriesContent]:
        """Series with two packs or more that are quiet or have `packs`, or with replaced copies in packs."""

    def commit_merge(
        self, content: SeriesContent, packs: Sequence[WrittenPack], old: Sequence[PackRow], *, generation: int,
        grace_s: float,
    ) -> None:
        """In one transaction: new packs for old ones, whose blobs become garbage in `grace_s`."""

    def release(self, series: int) -> None:
        """End the claim."""


class Merger:
    """Merges the packs of series, a few at a time."""

    def __init__(
        self,
        blobs: BlobStore,
        index: MergeIndex,
        sidecar: Callable[[PackRow], SidecarIndex],
        *,
        owners: Mapping[int, Owner],
        quiet_s: float,
        max_pack_bytes: int,
        grace_s: float,
    ) -> None:
        self._blobs = blobs
        self._index = index
        self._sidecar = sidecar
        self._owners = owners
        self._quiet_s = quiet_s
        self._max_pack_bytes = max_pack_bytes
        self._grace_s = grace_s
        self._ulids = Ulids()
        self._claimed = ClaimedSeries(self._merge, index.release, failed="a series was not merged")

    def run(self, *, limit: int = 4) -> bool:
        """Claim and merge some series; whether there were any."""
        return self._claimed.run(
            self._index.claim_fragmented(quiet_s=self._quiet_s, packs=MANY_PACKS, lease_s=LEASE_S, limit=limit)
        )

    def _merge(self, content: SeriesContent) -> bool:
        return not self.merge_series(content).damaged

    def merge_series(self, content: SeriesContent) -> Packed:
        """Merge what is worth it in one series, in one index transaction.

        Nothing is merged while a member is damaged: dropping the old pack would drop the evidence.
        Raises PacsdError FULL, UNAVAILABLE.
        """
        old = chosen(content.packs, self._max_pack_bytes, rewrite=self._touched(content))
        if not old:
            return Packed((), ())
        generation = 1 + max(pack.generation for pack in content.packs)
        head = SeriesHead(
            self._owners[content.organisation].code, content.study_instance_uid, content.series_instance_uid,
            generation, tuple(pack.key for pack in old),
        )
        writer = PackWriter(self._blobs, head, max_pack_bytes=self._max_pack_bytes, ulids=self._ulids)
        written = tuple(writer.write(self._pieces(content, old)))
        if writer.damaged:
            self._blobs.delete(key for pack in written for key in (pack.key, pack.sidecar_key))
            return Packed((), tuple(writer.damaged))
        with disowned(self._blobs, written):
            self._index.commit_merge(content, written, old, generation=generation, grace_s=self._grace_s)
        return Packed(written, ())

    def _touched(self, content: SeriesContent) -> frozenset[int]:
        """Packs holding copies that nobody may see any more."""
        if not content.replaced:
            return frozenset()
        return frozenset(
            pack.pack for pack in content.packs if any(map(self._sidecar(pack).get, content.replaced))
        )

    def _pieces(self, content: SeriesContent, old: Iterable[PackRow]) -> Iterator[Piece]:
        members: dict[str, tuple[PackRow, PackedInstance]] = {}
        for pack in sorted(old, key=lambda pack: pack.generation):       # of two copies the later pack's counts
            for one in self._sidecar(pack).instances():
                if one.sop_instance_uid not in content.replaced:
                    members[one.sop_instance_uid] = pack, one
        for pack, one in sorted(members.values(), key=lambda member: instance_order(member[1])):
            yield _piece(pack, one)


def _piece(pack: PackRow, one: PackedInstance) -> Piece:
    def describe(reader: PieceReader, offset_bytes: int, sha256: bytes) -> PackedInstance:
        return replace(one, offset_bytes=offset_bytes, sha256=sha256)

    return Piece(
        one.sop_instance_uid, Extent(pack.key, one.offset_bytes, one.length_bytes), one.dataset_offset_bytes,
        one.digest, one.received_at, describe, sha256=one.sha256,
    )


def chosen(
    packs: Sequence[PackRow], max_pack_bytes: int, *, rewrite: frozenset[int] = frozenset()
) -> tuple[PackRow, ...]:
    """Packs worth merging into one: the smallest that fit together, two at least; and those to be rewritten."""
    must = [pack for pack in packs if pack.pack in rewrite]
    room = max_pack_bytes - sum(pack.size_bytes for pack in must)
    small = []
    for pack in sorted((pack for pack in packs if pack.pack not in rewrite), key=lambda pack: pack.size_bytes):
        room -= pack.size_bytes
        if room < 0:
            break
        small.append(pack)
    if not must and len(small) < 2:
        return ()
    return tuple(sorted(must + small, key=lambda pack: pack.generation))
