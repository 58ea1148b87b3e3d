"""An archive on real PostgreSQL and real files, put together for tests of its upkeep."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pacsd.access.directory import Peer
from pacsd.access.scope import Scope
from pacsd.archive.accepted import Accepted
from pacsd.archive.alternate import Recoder
from pacsd.archive.arrivals import Arrivals
from pacsd.archive.collect import Collector
from pacsd.archive.ingest import Ingest
from pacsd.archive.journal import Journal
from pacsd.archive.merge import Merger
from pacsd.archive.note_arrivals import NoteArrivals
from pacsd.archive.orphans import Orphans
from pacsd.archive.pack import Owner, Packer
from pacsd.archive.reject import Rejections
from pacsd.archive.repair import Repair
from pacsd.archive.retrieve import Retrieve, Selection
from pacsd.archive.sidecars import Sidecars
from pacsd.archive.thin import Thinner
from pacsd.archive.truth import Truth
from pacsd.blobs import LocalBlobs, Spool
from pacsd.blobs.thin import ThinBlobs
from pacsd.codec.refill import native_frame
from pacsd.index import ingest as index_ingest
from pacsd.index import locate, organisations
from pacsd.index.alternates import Alternates, Rule
from pacsd.index.connect import pool
from pacsd.index.inventory import Inventory
from pacsd.index.packs import Packs
from pacsd.index.records import PackRow, SeriesContent

CODES = ("east", "west")
AE = "CT1"


class House:
    """One archive; `packer`, `merger` and `collector` act at once and without grace unless told otherwise."""

    def __init__(self, dsn: str, root: Path, *, duplicates: str = "keep", grace_s: float = 0.0) -> None:
        self.pool = pool(dsn, max_size=4)
        self.keys = organisations.register(self.pool, [(code, code.title(), code) for code in CODES])
        self.local = LocalBlobs(root, reserve_bytes=0)
        self.blobs = ThinBlobs(self.local, native_frame)
        self.spool = Spool(root, reserve_bytes=0)
        self.journal = Journal(self.blobs)
        self.sidecars = Sidecars(self.blobs)
        self.writing = index_ingest.Ingest(self.pool)
        self.packs = Packs(self.pool)
        self.inventory = Inventory(self.pool)
        self.grace_s = grace_s
        self.owners = {key: Owner(code, code) for code, key in self.keys.items()}
        self.arrivals = Arrivals(
            self.writing, self.blobs, self.journal, duplicates=duplicates, grace_s=grace_s,
            packs_of=self.inventory.packs_of, sidecar=self.sidecars,
        )
        self.truth = Truth(self.pool, self.writing, self.sidecars, self.keys, grace_s=grace_s)
        self.rejections = Rejections(self.journal, self.truth, self.sidecars)
        self.note_arrivals = NoteArrivals(self.arrivals, self.blobs, self.journal, self.truth, self.rejections)
        self.ingest = Ingest(self.spool, self.note_arrivals)
        self.retrieve = Retrieve(self.blobs, self._contents, self.sidecars)
        self.packer = self.make_packer()
        self.merger = self.make_merger()
        self.orphans = Orphans(self.blobs, self.inventory, self.sidecars, self.journal)
        self.collector = self.make_collector()

    def make_packer(self, *, max_pack_bytes: int = 1 << 30, blobs: object = None, index: object = None) -> Packer:
        """A packer, with other parts where given."""
        return Packer(
            blobs or self.blobs, index or self.packs, owners=self.owners,  # type: ignore[arg-type]
            character_set_of=lambda code, ae: None, quiet_s=0.0, max_pack_bytes=max_pack_bytes, grace_s=self.grace_s,
        )

    def make_merger(self, *, max_pack_bytes: int = 1 << 30, blobs: object = None, index: object = None) -> Merger:
        """A merger, with other parts where given."""
        return Merger(
            blobs or self.blobs, index or self.packs, self.sidecars, owners=self.owners,  # type: ignore[arg-type]
            quiet_s=0.0, max_pack_bytes=max_pack_bytes, grace_s=self.grace_s,
        )

    def make_recoder(
        self, *, blobs: object = None, index: object = None, rules: Sequence[Rule] = (Rule(None, ""),)
    ) -> Recoder:
        """What makes alternates of everything, with other parts where given."""
        return Recoder(
            blobs or self.blobs, index or Alternates(self.pool), self.sidecars,  # type: ignore[arg-type]
            self.spool.scratch, rules=rules, owners=self.owners,
        )

    def make_thinner(
        self, *, blobs: object = None, index: object = None, thin: Sequence[Rule] = (Rule(None, ""),),
        whole: Sequence[Rule] = (),
    ) -> Thinner:
        """What makes every pack thin that has an alternate, with other parts where given."""
        return Thinner(
            blobs or self.blobs, index or Alternates(self.pool), self.sidecars, thin=thin, whole=whole,  # type: ignore[arg-type]
        )

    def make_collector(self, *, blobs: object = None, index: object = None) -> Collector:
        """A collector to which everything is old, with other parts where given."""
        return Collector(
            blobs or self.blobs, index or self.inventory, self.orphans,  # type: ignore[arg-type]
            sweeps=[self.spool.remove_empty_buckets], orphan_age_s=-10.0,
        )

    def repair(self) -> Repair:
        """A repair of this archive."""
        return Repair(
            self.blobs, self.inventory, partial(self.note_arrivals.admit, again=True), organisations=self.keys,
            character_set_of=lambda code, ae: None,
        )

    def peer(self, code: str) -> Peer:
        """Somebody who stores for an organisation."""
        key = self.keys[code]
        return Peer(
            title=AE, organisation=key, organisation_code=code, assigning_authority=code, scope=Scope((key,), key)
        )

    def receive(self, file: bytes, *, code: str = "east") -> Accepted:
        """Store a Part 10 file."""
        reception = self.ingest.receive_part10(self.peer(code))
        reception.write(file)
        return reception.commit()

    def contents(self, study: str, *, code: str = "east") -> list[SeriesContent]:
        """What the index says of a study."""
        key = self.keys[code]
        return locate.contents(self.pool, Scope((key,), key), study)

    def data_sets(self, study: str, *, code: str = "east") -> dict[str, bytes]:
        """Every visible instance's data set, as a reader gets it."""
        key = self.keys[code]
        found = self.retrieve.select(Scope((key,), key), Selection((study,)))
        datasets = {}
        for ref in found:
            assert ref.sop_instance_uid not in datasets, "an instance is shown twice"
            with self.retrieve.open(ref) as reader:
                datasets[ref.sop_instance_uid] = b"".join(reader.chunks())
        return datasets

    def pack_rows(self, study: str, *, code: str = "east") -> list[PackRow]:
        """The packs of a study."""
        return [pack for content in self.contents(study, code=code) for pack in content.packs]

    def pack_all(self) -> None:
        """Pack until nothing is due."""
        while self.packer.run():
            pass

    def recode_all(self) -> None:
        """Make alternates until none is due."""
        recoder = self.make_recoder()
        while recoder.run():
            pass

    def thin_all(self) -> None:
        """Make alternates, and packs thin by them, until none is due."""
        self.recode_all()
        thinner = self.make_thinner()
        while thinner.run():
            pass

    def merge_all(self) -> None:
        """Merge until nothing is due."""
        while self.merger.run():
            pass

    def collect_all(self) -> None:
        """Delete everything that may be deleted."""
        self.collector.sweep()
        while self.collector.run():
            pass

    def keys_under(self, prefix: str) -> list[str]:
        """Keys of blobs."""
        return [info.key for info in self.blobs.list(prefix) if info.size_bytes > 0]     # names made ahead are empty

    def close(self) -> None:
        """Give everything back."""
        self.writing.close()
        self.pool.close()
        self.spool.close()

    def _contents(self, scope: Scope, selection: Selection) -> list[SeriesContent]:
        return [
            content for study in selection.study_instance_uids
            for content in locate.contents(self.pool, scope, study)
        ]


@contextmanager
def opened(dsn: str, root: Path, **options: object) -> Iterator[House]:
    """A house for the length of a block."""
    house = House(dsn, root, **options)  # type: ignore[arg-type]
    try:
        yield house
    finally:
        house.close()


def shown(files: Sequence[bytes]) -> dict[str, bytes]:
    """What readers must get of these files: data sets by SOP Instance UID."""
    from tests.synthetic import dataset_bytes, sop_instance_uid

    return {sop_instance_uid(file): dataset_bytes(file) for file in files}
