"""The archive put together: its services over one blob store and one index, as every process opens it."""

from dataclasses import dataclass
from functools import partial

from config.settings import Settings
from pacsd.access.directory import Directory
from pacsd.access.scope import Scope
from pacsd.archive.arrivals import Arrivals
from pacsd.archive.commitment import Commitments
from pacsd.archive.frames import Frames
from pacsd.archive.image_headers import ImageHeaders
from pacsd.archive.ingest import Ingest
from pacsd.archive.journal import Journal
from pacsd.archive.metadata import Metadata
from pacsd.archive.non_patient.service import NonPatient
from pacsd.archive.note_arrivals import NoteArrivals
from pacsd.archive.register import RegisterWatch
from pacsd.archive.reject import Rejections
from pacsd.archive.rendered import Rendered
from pacsd.archive.retrieve import Retrieve, Selection
from pacsd.archive.search import Search
from pacsd.archive.sidecars import Sidecars
from pacsd.archive.truth import Truth
from pacsd.blobs.local import LocalBlobs
from pacsd.blobs.record_log import RecordLog
from pacsd.blobs.spool import Spool
from pacsd.blobs.thin import ThinBlobs
from pacsd.codec.refill import native_frame
from pacsd.index import ingest as index_ingest
from pacsd.index import locate, organisations
from pacsd.index.connect import Pool, pool
from pacsd.index.records import PackRow, SeriesContent


@dataclass(frozen=True, slots=True)
class Archive:
    """Everything an edge may ask of the archive, and what upkeep works on. Close it when the process ends."""

    ingest: Ingest
    search: Search
    retrieve: Retrieve
    metadata: Metadata
    frames: Frames
    rendered: Rendered
    non_patient: NonPatient
    commitments: Commitments
    directory: Directory
    register: RegisterWatch              # by which the directory learns what is registered
    files: LocalBlobs                    # what the blobs are in
    blobs: ThinBlobs
    spool: Spool
    journal: Journal
    sidecars: Sidecars
    arrivals: NoteArrivals
    truth: Truth
    rejections: Rejections
    writing: index_ingest.Ingest
    pool: Pool                           # reads, and what has to be on disk when its transaction ends
    _arriving: Pool                      # arrivals: the spool, not the index, makes them durable

    def close(self) -> None:
        """Give back every connection and directory."""
        self.register.stop()
        self.writing.close()
        self._arriving.close()
        self.pool.close()
        self.journal.close()
        self.spool.close()


def open_archive(settings: Settings, dsn: str, *, readers: int = 4, statement_timeout_s: float = 0.0) -> Archive:
    """The archive of the settings over the database at `dsn`, for this process; `readers` connections to read with.

    A statement of these that takes longer than `statement_timeout_s` (0: any) fails with UNAVAILABLE.
    Raises PacsdError UNAVAILABLE if the database does not answer.
    """
    read_pool = pool(dsn, min_size=1, max_size=readers, statement_timeout_s=statement_timeout_s)
    ingest_pool = pool(dsn, min_size=0, max_size=2, synchronous_commit="off")
    keys = organisations.register(
        read_pool, [(one.code, one.name, one.assigning_authority) for one in settings.organisations]
    )
    directory = Directory(settings, keys)
    watch = RegisterWatch(read_pool, directory)
    watch.refresh()
    root = settings.blobs_dir
    files = LocalBlobs(root, reserve_bytes=settings.storage.reserve_bytes)
    blobs = ThinBlobs(files, native_frame)
    spool = Spool(
        root,
        reserve_bytes=settings.storage.reserve_bytes,
        segment_bytes=settings.storage.spool_segment_bytes,
        ready_bytes=settings.storage.spool_ready_bytes,
    )
    journal = Journal(blobs, records=RecordLog(files.root, reserve_bytes=settings.storage.reserve_bytes))
    sidecars = Sidecars(blobs)
    contents = partial(_contents, read_pool)
    writing = index_ingest.Ingest(ingest_pool)
    arrivals = Arrivals(
        writing,
        blobs,
        journal,
        duplicates=settings.storage.duplicates,
        grace_s=settings.storage.grace_s,
        packs_of=partial(_packs_of, read_pool),
        sidecar=sidecars,
    )
    truth = Truth(read_pool, writing, sidecars, directory.keys, grace_s=settings.storage.grace_s)
    rejections = Rejections(journal, truth, sidecars)
    note_arrivals = NoteArrivals(arrivals, blobs, journal, truth, rejections)
    true_sets = directory.character_set
    retrieve = Retrieve(blobs, contents, sidecars, true_sets)
    frames = Frames(retrieve, blobs, sidecars)
    metadata = Metadata(blobs, contents, sidecars, true_sets)
    return Archive(
        ingest=Ingest(spool, note_arrivals),
        search=Search(read_pool, contents, sidecars),
        retrieve=retrieve,
        metadata=metadata,
        frames=frames,
        rendered=Rendered(retrieve, frames, ImageHeaders(blobs, true_sets), metadata),
        non_patient=NonPatient(blobs, read_pool, spool.scratch, true_sets),
        commitments=Commitments(read_pool, blobs, sidecars),
        directory=directory,
        register=watch,
        files=files,
        blobs=blobs,
        spool=spool,
        journal=journal,
        sidecars=sidecars,
        arrivals=note_arrivals,
        truth=truth,
        rejections=rejections,
        writing=writing,
        pool=read_pool,
        _arriving=ingest_pool,
    )


def _contents(read_pool: Pool, scope: Scope, selection: Selection) -> list[SeriesContent]:
    """The series of a selection; where it names no study, series or instances are found by their UIDs alone."""
    sop = selection.sop_instance_uids[0] if len(selection.sop_instance_uids) == 1 else None
    if selection.study_instance_uids:
        series: tuple[str | None, ...] = selection.series_instance_uids or (None,)
        return [
            content
            for study in selection.study_instance_uids
            for one in series
            for content in locate.contents(read_pool, scope, study, one, sop)
        ]
    if selection.series_instance_uids:
        return [
            content for one in selection.series_instance_uids for content in locate.by_uid(read_pool, scope, one, sop)
        ]
    found: dict[int, SeriesContent] = {}
    for one in selection.sop_instance_uids:
        for content in locate.by_sop(read_pool, scope, one):
            found.setdefault(content.series, content)
    return list(found.values())


def _packs_of(read_pool: Pool, series: int) -> tuple[PackRow, ...]:
    return tuple(pack for content in locate.by_series(read_pool, [series]) for pack in content.packs)
