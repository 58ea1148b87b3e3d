"""Packing: the loose instances of a quiet series become packs, and the index learns of it in one transaction.

Until that transaction commits the spool files are the truth, afterwards the packs are; the spool files are deleted a
grace period later, so that a reader who looked before still finds what it was told of. A process killed anywhere leaves
either the old truth and blobs nobody knows, or the new one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import orjson

from pacsd.archive.claimed import LEASE_S, ClaimedSeries
from pacsd.archive.describe import describer
from pacsd.archive.pack_file import Damaged, PackWriter, Piece, SeriesHead, WrittenPack
from pacsd.archive.sidecar import PackedInstance
from pacsd.blobs.port import BlobStore
from pacsd.blobs.ulid import Ulids
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import LooseInstance, SeriesContent


@dataclass(frozen=True, slots=True)
class Owner:
    """An organisation as packs name it."""

    code: str
    assigning_authority: str


@dataclass(frozen=True, slots=True)
class Packed:
    """What packing a series came to."""

    packs: tuple[WrittenPack, ...]
    damaged: tuple[Damaged, ...]


class PackIndex(Protocol):
    """Where quiet series are found, and where a pack becomes the truth."""

    def claim_quiet(self, *, quiet_s: float, lease_s: float, limit: int) -> list[SeriesContent]:
        """Series with loose instances and no arrival for `quiet_s`, for this worker alone until the lease ends."""

    def commit_pack(self, content: SeriesContent, pack: WrittenPack, *, generation: int, grace_s: float) -> None:
        """In one transaction: the pack, its locators, its loose rows gone, their spool files garbage in `grace_s`."""

    def release(self, series: int) -> None:
        """End the claim."""


class Packer:
    """Packs quiet series, a few at a time."""

    def __init__(
        self,
        blobs: BlobStore,
        index: PackIndex,
        *,
        owners: Mapping[int, Owner],
        character_set_of: Callable[[str, str], str | None],      # organisation code, source AE
        quiet_s: float,
        max_pack_bytes: int,
        grace_s: float,
    ) -> None:
        self._blobs = blobs
        self._index = index
        self._owners = owners
        self._character_set_of = character_set_of
        self._quiet_s = quiet_s
        self._max_pack_bytes = max_pack_bytes
        self._grace_s = grace_s
        self._ulids = Ulids()
        self._claimed = ClaimedSeries(self._pack, index.release, failed="a series was not packed")

    def run(self, *, limit: int = 4) -> bool:
        """Claim and pack some series; whether there were any. What fails in one series is logged and waits its turn."""
        return self._claimed.run(
            self._index.claim_quiet(quiet_s=self._quiet_s, lease_s=LEASE_S, limit=limit)
        )

    def _pack(self, content: SeriesContent) -> bool:
        return not self.pack_series(content).damaged

    def pack_series(self, content: SeriesContent) -> Packed:
        """Pack the loose instances of one series; each pack is committed to the index once it is durable.

        Damaged instances stay loose and are reported. Raises PacsdError FULL, UNAVAILABLE.
        """
        owner = self._owners[content.organisation]
        generation = 1 + max((pack.generation for pack in content.packs), default=0)
        head = SeriesHead(owner.code, content.study_instance_uid, content.series_instance_uid, generation)
        writer = PackWriter(self._blobs, head, max_pack_bytes=self._max_pack_bytes, ulids=self._ulids)
        written = []
        pieces = (self._piece(one, content.study_instance_uid, owner) for one in in_order(content.loose))
        for pack in writer.write(pieces):
            with disowned(self._blobs, (pack,)):
                self._index.commit_pack(content, pack, generation=generation, grace_s=self._grace_s)
            written.append(pack)
        return Packed(tuple(written), tuple(writer.damaged))

    def _piece(self, loose: LooseInstance, study: str, owner: Owner) -> Piece:
        def character_set(source_ae: str) -> str | None:
            return self._character_set_of(owner.code, source_ae)

        return Piece(
            loose.sop_instance_uid, loose.extent, loose.dataset_offset_bytes, loose.digest, loose.received_at,
            describer(loose, study, owner.assigning_authority, character_set),
        )


@contextmanager
def disowned(blobs: BlobStore, packs: Sequence[WrittenPack]) -> Iterator[None]:
    """Delete new packs if the index says that it does not want them; after any other failure nobody knows."""
    try:
        yield
    except PacsdError as error:
        if error.fault in (Fault.NOT_FOUND, Fault.CONFLICT):
            blobs.delete(key for pack in packs for key in (pack.sidecar_key, pack.key))
        raise


def in_order(loose: Sequence[LooseInstance]) -> list[LooseInstance]:
    """By Instance Number (0020,0013), then by SOP Instance UID; instances without a number come last."""
    return sorted(loose, key=instance_order)


def instance_order(one: LooseInstance | PackedInstance) -> tuple[bool, float, str]:
    """The key that `in_order` sorts by."""
    try:
        value = orjson.loads("{" + one.attributes + "}")["00200013"]["Value"][0]
        return False, float(value), one.sop_instance_uid
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError):
        return True, 0.0, one.sop_instance_uid
