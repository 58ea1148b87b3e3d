"""What the archive promises of instances that belong to no patient, to both edges."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from pacsd.access.directory import Peer
from pacsd.access.scope import Scope
from pacsd.archive.batch import OneByOne
from pacsd.archive.non_patient.models import MODEL_OF_CLASS, InformationModel, classes_of
from pacsd.archive.non_patient.reception import Reception, Scratch, Wanted
from pacsd.archive.non_patient.search import Search
from pacsd.archive.part10_reception import Part10Reception
from pacsd.archive.retrieve import InstanceRef
from pacsd.blobs.port import BlobStore
from pacsd.codec.dicom_json import members
from pacsd.codec.part10 import FileMeta, read_meta
from pacsd.faults import Fault, PacsdError
from pacsd.index import non_patient as rows
from pacsd.index.connect import Pool
from pacsd.index.non_patient import NonPatientRow
from pacsd.index.records import Extent

ANY = frozenset(MODEL_OF_CLASS)


class NonPatientIngest:
    """Where received instances go: those of some classes, or a single one of them."""

    def __init__(
        self, blobs: BlobStore, pool: Pool, scratch: Callable[[], Scratch], wanted: Wanted,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._blobs = blobs
        self._pool = pool
        self._wanted = wanted
        self._now = now
        self.scratch = scratch

    def receive(
        self, peer: Peer, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, receiving_ae: str = ""
    ) -> Reception:
        """Begin to receive the data set of a C-STORE (PS3.4 GG.2)."""
        reception = self.reception(peer, receiving_ae)
        reception.expect(sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        return reception

    def receive_part10(self, peer: Peer, *, study_instance_uid: str | None = None) -> Part10Reception:
        """Begin to receive a Part 10 file (PS3.18 12.5)."""
        return Part10Reception(self.reception(peer), study_instance_uid)

    def batch(self, peer: Peer) -> OneByOne:
        """Room for several files, each of which becomes durable by itself."""
        return OneByOne(self, peer)

    def narrowed(self, models: tuple[InformationModel, ...], sop_instance_uid: str | None) -> "NonPatientIngest":
        """The same for one resource of the web."""
        wanted = Wanted(classes_of(models), sop_instance_uid)
        return NonPatientIngest(self._blobs, self._pool, self.scratch, wanted, self._now)

    def reception(self, peer: Peer, receiving_ae: str = "") -> Reception:
        """A reception that is told by its `expect` what comes."""
        return Reception(
            self._blobs, self._pool, self.scratch, peer, wanted=self._wanted, received_at=self._now(),
            receiving_ae=receiving_ae,
        )  # fmt: skip


class NonPatient:
    """Receives, finds, tells and deletes them; used by many threads."""

    def __init__(
        self, blobs: BlobStore, pool: Pool, scratch: Callable[[], Scratch],
        character_set_of: Callable[[str, str], str | None],
    ) -> None:  # fmt: skip
        self._blobs = blobs
        self._pool = pool
        self._character_set_of = character_set_of
        self.ingest = NonPatientIngest(blobs, pool, scratch, Wanted(ANY))
        self.search = Search(pool)

    def select(
        self, scope: Scope, models: tuple[InformationModel, ...], sop_instance_uids: Collection[str]
    ) -> list[InstanceRef]:
        """The instances of these UIDs that the scope sees."""
        found = rows.found(self._pool, scope, classes_of(models), sop_instance_uids)
        return [_ref(row) for row in found]

    def instance(self, scope: Scope, models: tuple[InformationModel, ...], sop_instance_uid: str) -> InstanceRef:
        """One instance. Raises PacsdError NOT_FOUND."""
        for ref in self.select(scope, models, (sop_instance_uid,)):
            return ref
        raise PacsdError(Fault.NOT_FOUND, "no such instance")

    def metadata(self, ref: InstanceRef) -> list[bytes]:
        """Everything of it as the text of a DICOM JSON array; binary values stand in their place."""
        raw = self._blobs.read(ref.extent.key)
        meta = read_meta(raw)
        found = members(
            memoryview(raw)[meta.dataset_offset :], meta.transfer_syntax_uid, override=self._character_set(meta),
            by_uri=False,
        )  # fmt: skip
        return [b"[{", b",".join(b'"%b":%b' % (tag.encode(), text) for tag, text in found), b"}]"]

    def purge(self, organisation: int, sop_instance_uid: str) -> None:
        """Delete an instance of an organisation for good. Raises PacsdError NOT_FOUND."""
        with rows.holding(self._pool, organisation, sop_instance_uid) as connection:
            row = rows.kept(connection, organisation, sop_instance_uid)
            if row is None:
                raise PacsdError(Fault.NOT_FOUND, "no such instance")
            self._blobs.delete([row.key])            # first: a rebuild must not find it any more
            rows.delete(connection, organisation, sop_instance_uid)

    def _character_set(self, meta: FileMeta) -> str | None:
        owner = meta.receipt.organisation if meta.receipt is not None else ""
        return self._character_set_of(owner, meta.source_ae)


def _ref(row: NonPatientRow) -> InstanceRef:
    return InstanceRef(
        "", "", row.sop_instance_uid, row.sop_class_uid, row.transfer_syntax_uid,
        Extent(row.key, 0, row.length_bytes), row.dataset_offset_bytes, {}, digest=row.digest,
    )  # fmt: skip


