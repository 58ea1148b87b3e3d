"""`pacsd backup` and `restore`: the blobs, which are the truth, mirrored to a folder; the index is rebuilt from them.

No database dump is kept: whatever it said that the blobs and the journal do not would be no truth, and two halves of
different moments would be worse than one. The folder is a blob store of the same keys. A second backup copies only what
is new, blobs being immutable, and then removes what had gone from the archive before it began. Beside them, in a folder
of its own, are the records of accesses, of which nothing is ever removed. It may run beside a server. Settings
(`pacsd.toml`) are not part of it, and neither are keys.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import orjson

from pacsd.archive.alternate import PREFIX as ALTERNATES_PREFIX
from pacsd.archive.alternate import sources
from pacsd.archive.inventory import compared
from pacsd.archive.journal import PREFIX as JOURNAL_PREFIX
from pacsd.archive.pack_file import PREFIX as PACKS_PREFIX
from pacsd.archive.pack_file import PieceReader
from pacsd.archive.received import read_receipt
from pacsd.archive.record_copies import copy_records
from pacsd.archive.repair import SPOOL_PREFIX
from pacsd.archive.thin import same
from pacsd.blobs.append_log import AppendFolder
from pacsd.blobs.local import LocalBlobs
from pacsd.blobs.port import BlobInfo, BlobReader, BlobStore
from pacsd.blobs.thin import THIN_SUFFIX, WHOLE_SUFFIX, ThinBlobs, is_there, thin_key
from pacsd.blobs.thin_file import TAIL_BYTES
from pacsd.blobs.ulid import Ulids
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Extent

DONE_PREFIX = "backups/"                 # in the folder only: one blob for each backup that was finished
RECORDS = "audit"                        # in the folder only: the files of records, which are no blobs
NOT_BLOBS = (DONE_PREFIX, f"{RECORDS}/")
CHUNK_BYTES = 4 << 20
MOST_ROUNDS = 5
WORKLIST_PREFIX = "worklist/"            # the workflow's records
REPORTS_PREFIX = "reports/"              # what of reports is too large for the journal, which names it
CHANGING_PREFIXES = (PACKS_PREFIX, WORKLIST_PREFIX)      # whose blobs give way to others while they are copied

Progress = Callable[[int, int | None], None]             # done so far, and of how many where that is known


@dataclass(frozen=True, slots=True)
class Problem:
    """A blob that could not be copied."""

    key: str
    problem: str


def backup(
    blobs: ThinBlobs, folder: Path, progress: Progress, *, records: AppendFolder | None = None
) -> Iterator[Problem]:
    """Mirror the archive to `folder`, with the records of accesses. Raises PacsdError FULL, UNAVAILABLE for the folder.

    Spool files come before packs, so that one that is packed meanwhile is found in its pack, and the journal last; but
    for what of reports it names, which is there before it is named. A pack that vanishes while it is copied was merged:
    then packs are looked through again, and so are the records of workitems. Records of accesses come after the anchors
    among the blobs, which so name none that is not there. With a problem nothing is removed from the folder, and the
    backup does not count as finished.

    A thin pack is copied as it is, behind the alternate that it is filled from. The pack as it was goes from the folder
    only once the copies there have given back every byte of it.
    """
    stored = blobs.stored
    copying = _Copying(stored, LocalBlobs(folder, reserve_bytes=0), progress)
    gone = [
        pair.key for pair in compared(copying.target.list(""), (info.key for info in stored.list("")))
        if pair.blob is not None and not pair.known and not pair.key.startswith(NOT_BLOBS)
    ]
    yield from copying.copy(_objects(stored))
    yield from _settled(copying, partial(_packs, copying, blobs))
    yield from _settled(copying, lambda: copying.copy(stored.list(WORKLIST_PREFIX)))
    yield from copying.copy(stored.list(JOURNAL_PREFIX))
    yield from copying.copy(stored.list(REPORTS_PREFIX))
    if records is not None:
        yield from copying.copy_records(records, AppendFolder(folder / RECORDS))
    gone = [key for key in gone if not is_there(stored, key)]        # a thin pack may be whole again
    yield from _replaced(copying, blobs, gone)
    if copying.problems or copying.vanished:
        return
    copying.target.delete(gone)
    _finish(copying.target, copying.done)


def _settled(copying: "_Copying", copy: Callable[[], Iterator[Problem]]) -> Iterator[Problem]:
    """Copy until nothing went away meanwhile."""
    for _ in range(MOST_ROUNDS):
        copying.vanished = 0
        yield from copy()
        if not copying.vanished:
            break


def _packs(copying: "_Copying", blobs: ThinBlobs) -> Iterator[Problem]:
    """Packs as they are; those that became thin while they were listed, too."""
    for info in blobs.stored.list(PACKS_PREFIX):
        if info.key.endswith(THIN_SUFFIX):
            yield from _thin(copying, blobs, info.key.removesuffix(THIN_SUFFIX) + WHOLE_SUFFIX)
        else:
            yield from copying.copy(iter((info,)))
    for key, head in blobs.heads(PACKS_PREFIX):
        if head is not None and not is_there(copying.target, thin_key(key)):
            yield from _thin(copying, blobs, key)


def _thin(copying: "_Copying", blobs: ThinBlobs, key: str) -> Iterator[Problem]:
    """A thin pack behind what it is filled from: the folder never holds it alone. Of one that is whole, the whole."""
    before = copying.problems + copying.vanished
    try:
        if blobs.is_whole(key):
            yield from copying.copy(_infos(blobs.stored, (key,)))
            return
        head = blobs.head(key)
        if not is_there(blobs.stored, head.source):
            raise PacsdError(Fault.UNAVAILABLE, "what a thin pack is filled from is gone")
        yield from copying.copy(_infos(blobs.stored, sources(head)))
        if copying.problems + copying.vanished == before:
            _make_room(copying, blobs, key)
            yield from copying.copy(_infos(blobs.stored, (thin_key(key),)))
    except PacsdError as error:
        if error.fault is Fault.FULL:
            raise
        if error.fault is Fault.NOT_FOUND or not blobs.is_thin(key):     # it went meanwhile
            copying.vanished += 1
            return
        copying.problems += 1
        yield Problem(key, error.message)


def _make_room(copying: "_Copying", blobs: ThinBlobs, key: str) -> None:
    """Another thin file of the pack goes from the folder, once the new one has given back every byte.

    Raises PacsdError NOT_FOUND, UNAVAILABLE.
    """
    name = thin_key(key)
    if is_there(copying.target, name) and _tail(copying.source, name) != _tail(copying.target, name):
        with blobs.open_thin(key, anew=True) as reader:      # whole meanwhile, and thin anew by another alternate
            at = 0
            while at < reader.size_bytes:
                at += len(reader.pread(CHUNK_BYTES, at))
        copying.target.delete([name])


def _replaced(copying: "_Copying", blobs: ThinBlobs, gone: Iterable[str]) -> Iterator[Problem]:
    """Packs in the folder, thin by now, that the copies there do not give back."""
    copies = blobs.over(copying.target)
    for key in gone:
        if blobs.is_thin(key) and copies.is_thin(key):
            try:
                with copies.open_thin(key, anew=True) as made, copies.stored.open(key) as whole:
                    is_same = same(made, whole)
            except PacsdError:
                is_same = False
            if not is_same:
                copying.problems += 1
                yield Problem(key, "a thin pack is not what the pack was, of which the folder holds a copy")


def _infos(blobs: BlobStore, keys: Iterable[str]) -> Iterator[BlobInfo]:
    """Those that are there."""
    return (BlobInfo(key, blobs.size(key), 0.0) for key in keys if is_there(blobs, key))


def _tail(blobs: BlobStore, key: str) -> bytes:
    """What tells a thin file from others. Raises PacsdError NOT_FOUND, UNAVAILABLE."""
    return blobs.read(key, offset_bytes=max(blobs.size(key) - TAIL_BYTES, 0))


def restore(
    blobs: ThinBlobs, folder: Path, progress: Progress, *, records: AppendFolder | None = None
) -> Iterator[Problem]:
    """Bring a finished backup back, to rebuild the index from; may be run again if it broke off.

    Raises PacsdError NOT_FOUND if `folder` holds no finished backup, FULL, UNAVAILABLE.
    """
    if not folder.is_dir():
        raise PacsdError(Fault.NOT_FOUND, "there is no such folder")
    source = LocalBlobs(folder, reserve_bytes=0)
    if next(source.list(DONE_PREFIX), None) is None:
        raise PacsdError(Fault.NOT_FOUND, "the folder holds no finished backup")
    copying = _Copying(source, blobs.stored, progress)
    others = (info for info in source.list("") if not info.key.startswith((*NOT_BLOBS, ALTERNATES_PREFIX)))
    yield from copying.copy(chain(others, source.list(ALTERNATES_PREFIX)))   # of no pack they would be left-overs
    if records is not None:
        yield from copying.copy_records(AppendFolder(folder / RECORDS), records)


class _Copying:
    """Copies blobs that are not there yet."""

    def __init__(self, source: BlobStore, target: BlobStore, progress: Progress) -> None:
        self.source = source
        self.target = target
        self.done = 0
        self.problems = 0
        self.vanished = 0
        self._progress = progress

    def copy(self, infos: Iterator[BlobInfo]) -> Iterator[Problem]:
        """Copy these; what another process took away meanwhile is counted in `vanished`."""
        for info in infos:
            try:
                if not self._is_there(info):
                    self._copy(info)
            except PacsdError as error:
                if error.fault is Fault.FULL:
                    raise
                if error.fault is Fault.NOT_FOUND:
                    self.vanished += 1
                    continue
                self.problems += 1
                yield Problem(info.key, error.message)
                continue
            self.done += 1
            self._progress(self.done, None)

    def copy_records(self, source: AppendFolder, target: AppendFolder) -> Iterator[Problem]:
        """Copy what is new of the records of accesses."""
        for name, problem in copy_records(source, target):
            self.problems += 1
            yield Problem(f"{RECORDS}/{name}", problem)

    def _is_there(self, info: BlobInfo) -> bool:
        try:
            size = self.target.size(info.key)
        except PacsdError as error:
            if error.fault is Fault.NOT_FOUND:
                return False
            raise
        if info.key.endswith(THIN_SUFFIX) and _tail(self.source, info.key) != _tail(self.target, info.key):
            raise PacsdError(Fault.CONFLICT, "another thin file of this name is there already")
        if size != info.size_bytes:
            raise PacsdError(Fault.CONFLICT, f"a blob of this name and of {size} bytes is there already")
        return True

    def _copy(self, info: BlobInfo) -> None:
        with self.source.open(info.key) as reader:
            if info.key.startswith(SPOOL_PREFIX) and not _is_complete(info.key, reader):
                return                   # still arriving, or never finished: not acknowledged
            writer = self.target.create(info.key)
            try:
                for at in range(0, reader.size_bytes, CHUNK_BYTES):
                    writer.write(reader.pread(CHUNK_BYTES, at))
                writer.commit()
            finally:
                writer.abort()


def _objects(blobs: BlobStore) -> Iterator[BlobInfo]:
    """Everything but packs and journal, and alternates: these are made again from the packs, or come with thin ones."""
    others = (*CHANGING_PREFIXES, JOURNAL_PREFIX, ALTERNATES_PREFIX)
    return (info for info in blobs.list("") if not info.key.startswith(others))


def _is_complete(key: str, reader: BlobReader) -> bool:
    return read_receipt(PieceReader(reader, Extent(key, 0, reader.size_bytes))) is not None


def _finish(target: BlobStore, copied: int) -> None:
    """Note that this backup is whole; only the last note is kept."""
    former = [info.key for info in target.list(DONE_PREFIX)]
    target.put(f"{DONE_PREFIX}{Ulids()()}.json", orjson.dumps({"version": 1, "blobs": copied}))
    target.delete(former)
