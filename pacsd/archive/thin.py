"""Thin packs: of a pack with an alternate only what the alternate does not give back byte for byte (pacsd.blobs.thin).

A pack is made thin in this order: the thin file, durable; every byte read out of it as another process would, and
compared with the pack's, whose own checksums are compared with the sidecar's; then, while nobody else decides about the
series, the pack is removed. Until then the pack counts, whatever stands beside it, so that whoever stops in between has
lost nothing. Of a thin pack the alternate is no copy any more: it holds the only pixels.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import xxhash

from pacsd.archive.claimed import LEASE_S, ClaimedSeries
from pacsd.archive.pack_file import CHUNK_BYTES, PieceReader, checksums
from pacsd.archive.sidecar import SidecarEntry, SidecarIndex
from pacsd.blobs.port import BlobReader
from pacsd.blobs.thin import ThinBlobs
from pacsd.blobs.thin_file import Hole, ThinWriter
from pacsd.codec.frames import FrameTable
from pacsd.codec.pixel_module import read_pixel_module
from pacsd.codec.refill import NATIVE, form_of, native_frame
from pacsd.faults import Fault, PacsdError
from pacsd.index.alternates import Rule
from pacsd.index.records import Extent, PackRow, SeriesContent

WORTH = 10                               # a thin file saves one part in so many at least
_COMPARED_BYTES = 1 << 20
_CANNOT = frozenset((Fault.UNSUPPORTED, Fault.MALFORMED, Fault.TOO_MUCH))
log = logging.getLogger("pacsd.archive")

Place = tuple[Extent, Extent, str]       # of a frame in the pack, of its code stream in the alternate, form


class ThinIndex(Protocol):
    """Where packs are found that stand otherwise than a rule wants, and where it is noted what became of them."""

    def claim_undecided(
        self, thin: Sequence[Rule], whole: Sequence[Rule], *, lease_s: float, limit: int
    ) -> list[SeriesContent]:
        """Series that a rule wants thin, with packs that nobody looked at."""

    def claim_thin(self, whole: Sequence[Rule], *, lease_s: float, limit: int) -> list[SeriesContent]:
        """Series that a rule wants whole, with packs that are thin."""

    def deciding(self, series: int, pack: PackRow, *, thin: bool | None) -> AbstractContextManager[None]:
        """Note it; within the block nobody else decides. Raises PacsdError CONFLICT if pack or alternate is gone."""

    def release(self, series: int) -> None:
        """End the claim."""


class Thinner:
    """Makes packs thin where a rule says so, and whole again where another does; a few series at a time."""

    def __init__(
        self,
        blobs: ThinBlobs,
        index: ThinIndex,
        sidecar: Callable[[PackRow], SidecarIndex],
        *,
        thin: Sequence[Rule] = (),
        whole: Sequence[Rule] = (),
    ) -> None:
        self._blobs = blobs
        self._index = index
        self._sidecar = sidecar
        self._rules_thin = tuple(thin)
        self._rules_whole = tuple(whole)
        self._thinning = ClaimedSeries(self._thin_series, index.release, failed="a series was not made thin")
        self._filling = ClaimedSeries(self._fill_series, index.release, failed="a series was not made whole")

    def run(self, *, limit: int = 4) -> bool:
        """Claim some series and do to their packs what the rules say; whether there were any."""
        return self._run_thin(limit) or self._run_whole(limit)

    def _run_thin(self, limit: int) -> bool:
        rules = self._rules_thin, self._rules_whole
        return bool(rules[0]) and self._thinning.run(
            self._index.claim_undecided(*rules, lease_s=LEASE_S, limit=limit)
        )

    def _run_whole(self, limit: int) -> bool:
        return bool(self._rules_whole) and self._filling.run(
            self._index.claim_thin(self._rules_whole, lease_s=LEASE_S, limit=limit)
        )

    def _thin_series(self, content: SeriesContent) -> bool:
        for pack in content.packs:
            if pack.alternate is not None and pack.thin is None:
                self.thin(content, pack)
        return True

    def _fill_series(self, content: SeriesContent) -> bool:
        for pack in content.packs:
            if pack.thin:
                self.fill(content, pack)
        return True

    def thin(self, content: SeriesContent, pack: PackRow) -> bool:
        """Make a pack thin by its alternate; whether it is. One that would not become much smaller stays as it is.

        Raises PacsdError FULL, UNAVAILABLE; CONFLICT where pack or alternate went meanwhile.
        """
        if self._blobs.is_thin(pack.key):
            if self._is_thin_by(content, pack):
                return True
            self._drop_needless(content, pack)           # of somebody who died before he had proven it
        if not self._make(pack):
            return self._stays_whole(content, pack)
        with self._blobs.open_thin(pack.key, anew=True) as made, self._blobs.stored.open(pack.key) as whole:
            digest = made.head.digest
            proven = self._is_proven(pack, made, whole)
        if not proven:
            self._drop_thin(content, pack)
            return self._stays_whole(content, pack)
        with self._index.deciding(content.series, pack, thin=True):
            if self._blobs.head(pack.key).digest != digest:
                raise PacsdError(Fault.CONFLICT, "a thin pack is not the one that was proven")
            self._blobs.delete_whole(pack.key)
        return True

    def fill(self, content: SeriesContent, pack: PackRow) -> None:
        """Make a thin pack whole again, as its sidecar says that it was. Raises PacsdError FULL, UNAVAILABLE."""
        if not self._blobs.is_whole(pack.key):
            with self._blobs.open_thin(pack.key, anew=True) as reader:
                if not _agrees(self._sidecar(pack), reader):
                    raise PacsdError(Fault.UNAVAILABLE, "a thin pack is not what its sidecar says")
                self._copy(pack.key, reader)
        self._drop_needless(content, pack)

    def _is_thin_by(self, content: SeriesContent, pack: PackRow) -> bool:
        """Note a pack that is thin already, if it is filled from its alternate; from another, it is whole on return."""
        if self._blobs.is_whole(pack.key):
            return False
        if self._blobs.head(pack.key).source != pack.alternate_key:
            self.fill(content, pack)
            return False
        with self._index.deciding(content.series, pack, thin=True):
            return True

    def _drop_needless(self, content: SeriesContent, pack: PackRow) -> None:
        """Drop the thin file of a pack that is whole, and sound. Raises PacsdError UNAVAILABLE if it is not."""
        with self._blobs.stored.open(pack.key) as whole:
            if not _agrees(self._sidecar(pack), whole):
                raise PacsdError(Fault.UNAVAILABLE, "a pack beside its thin file is not what its sidecar says")
        self._drop_thin(content, pack)

    def _drop_thin(self, content: SeriesContent, pack: PackRow) -> None:
        with self._index.deciding(content.series, pack, thin=None):
            if not self._blobs.is_whole(pack.key):
                raise PacsdError(Fault.CONFLICT, "a pack was made thin meanwhile")
            self._blobs.delete_thin(pack.key)

    def _stays_whole(self, content: SeriesContent, pack: PackRow) -> bool:
        with self._index.deciding(content.series, pack, thin=False):
            return False

    def _make(self, pack: PackRow) -> bool:
        """Write the thin file; whether it is there, being worth it."""
        least = pack.size_bytes // WORTH
        if sum(frame.length_bytes for frame, _, _ in self._places(pack)) < least:
            return False
        writer = self._blobs.create_thin(pack.key, pack.alternate_key)
        try:
            with self._blobs.stored.open(pack.key) as whole, self._blobs.stored.open(pack.alternate_key) as source:
                _write(writer, whole, source, self._places(pack))
            if writer.left_bytes < least or writer.finish() > pack.size_bytes - least:
                return False
            writer.commit()
        finally:
            writer.abort()
        return True

    def _places(self, pack: PackRow) -> Iterator[Place]:
        """Frames that may be holes, in the order of the pack: native ones with a code stream in the alternate."""
        if pack.alternate is None:
            return
        sidecar, coded = self._sidecar(pack), self._sidecar(pack.alternate)
        with self._blobs.open(pack.key) as blob:
            for entry in sorted(sidecar, key=lambda entry: entry.offset_bytes):
                other = coded.get(entry.sop_instance_uid) if entry.transfer_syntax_uid in NATIVE else None
                if other is None or coded.proof(other).original != entry.digest:
                    continue
                form = _form(blob, entry)
                tables = sidecar.frames(entry), coded.frames(other)
                if form is not None and tables[0] is not None and tables[1] is not None:
                    yield from _frames(pack, entry, tables[0], other, tables[1], form)

    def _is_proven(self, pack: PackRow, made: BlobReader, whole: BlobReader) -> bool:
        """Whether the pack is what its sidecar says, and what is read out of the thin file is the pack."""
        if not _agrees(self._sidecar(pack), whole):
            log.error("a packed instance is damaged and its pack was not made thin", extra={"key": pack.key})
            return False
        if not same(made, whole):
            log.error("a thin pack is not what the pack is", extra={"key": pack.key})
            return False
        return True

    def _copy(self, key: str, reader: BlobReader) -> None:
        writer = self._blobs.create_whole(key)
        try:
            at = 0
            while at < reader.size_bytes:
                chunk = reader.pread(CHUNK_BYTES, at)
                writer.write(chunk)
                at += len(chunk)
            writer.commit()
        finally:
            writer.abort()


def _frames(
    pack: PackRow, entry: SidecarEntry, table: FrameTable, other: SidecarEntry, coded: FrameTable, form: str
) -> Iterator[Place]:
    """Each frame of an instance with its code stream; none where frames begin inside a byte, or do not match."""
    if table.encapsulated or table.inflated or table.bit_offsets or len(table.frames) != len(coded.frames):
        return
    for stands, stream in zip(table.frames, coded.frames, strict=True):
        if len(stands) == len(stream) == 1:
            (at, length), (coded_at, coded_length) = stands[0], stream[0]
            yield (
                Extent(pack.key, entry.offset_bytes + at, length),
                Extent(pack.alternate_key, other.offset_bytes + coded_at, coded_length), form,
            )


def _form(blob: BlobReader, entry: SidecarEntry) -> str | None:
    """How the frames of an instance stand; None where that is not told."""
    try:
        module = read_pixel_module(
            PieceReader(blob, Extent(blob.key, entry.offset_bytes, entry.length_bytes)),
            offset_bytes=entry.dataset_offset_bytes, length_bytes=entry.length_bytes - entry.dataset_offset_bytes,
            transfer_syntax_uid=entry.transfer_syntax_uid,
        )
    except PacsdError as error:
        if error.fault not in _CANNOT:
            raise
        return None
    return None if module is None else form_of(module, entry.transfer_syntax_uid)


def _write(writer: ThinWriter, whole: BlobReader, source: BlobReader, places: Iterable[Place]) -> None:
    """The pack with a hole for each frame that is made again of its code stream; the others stay as they are."""
    for frame, stream, form in places:
        if frame.offset_bytes < writer.at or not writer.has_room:
            continue
        _fill_up(writer, whole, frame.offset_bytes)
        stands = whole.pread(frame.length_bytes, frame.offset_bytes)
        if _made(form, source.pread(stream.length_bytes, stream.offset_bytes)) == stands:
            writer.leave(Hole(
                frame.offset_bytes, frame.length_bytes, stream.offset_bytes, stream.length_bytes, form,
                xxhash.xxh3_128(stands).digest(),
            ))  # fmt: skip
    _fill_up(writer, whole, whole.size_bytes)


def _fill_up(writer: ThinWriter, whole: BlobReader, end_bytes: int) -> None:
    """Everything up to there as it is. Raises PacsdError UNAVAILABLE if the pack ends too early."""
    while writer.at < end_bytes:
        data = whole.pread(min(CHUNK_BYTES, end_bytes - writer.at), writer.at)
        if not data:
            raise PacsdError(Fault.UNAVAILABLE, "a pack is shorter than its sidecar says")
        writer.write(data)


def _made(form: str, coded: bytes) -> bytes | None:
    try:
        return native_frame(form, coded)
    except PacsdError as error:
        if error.fault not in _CANNOT:
            raise
        return None


def _agrees(sidecar: SidecarIndex, blob: BlobReader) -> bool:
    """Whether every instance in the pack is what the sidecar says."""
    for entry in sidecar:
        reader = PieceReader(blob, Extent(blob.key, entry.offset_bytes, entry.length_bytes))
        sums = checksums(reader, entry.dataset_offset_bytes)
        if (sums.digest, sums.sha256) != (entry.digest, entry.sha256):
            return False
    return True


def same(made: BlobReader, whole: BlobReader) -> bool:
    """Whether both are the same, byte for byte. What cannot be read out of the thin file is not."""
    if made.size_bytes != whole.size_bytes:
        return False
    for start in range(0, whole.size_bytes, _COMPARED_BYTES):
        stands = whole.pread(_COMPARED_BYTES, start)
        try:
            if made.pread(_COMPARED_BYTES, start) != stands:
                return False
        except PacsdError:
            return False
    return True
