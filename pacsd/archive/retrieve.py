"""Giving objects back: which instances a reader sees, and their bytes with overlays applied."""

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from pacsd.access.scope import Scope
from pacsd.archive.pack_file import PieceReader
from pacsd.archive.received import CharacterSetOf, as_declared, true_character_set
from pacsd.archive.sidecar import SidecarIndex
from pacsd.blobs.port import BlobReader, BlobStore
from pacsd.codec.part10 import build_meta
from pacsd.codec.splice import splice
from pacsd.codec.transcode import check, is_transcodable, result_uid, transcoded
from pacsd.codec.transfer_syntaxes import satisfies
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Extent, PackRow, SeriesContent

CHUNK_BYTES = 1 << 20
_LOOK_BYTES = 1 << 16                    # at headers
_SLOW = frozenset(("1.2.840.10008.1.2.4.90",))          # to decode: tens of milliseconds where HTJ2K takes a few
_CANNOT = frozenset((Fault.UNSUPPORTED, Fault.MALFORMED, Fault.TOO_MUCH))


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One visible instance and where its Part 10 file is."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    extent: Extent
    dataset_offset_bytes: int            # from the start of the extent
    overlay: Mapping[str, Mapping[str, object] | None]
    overlaid_at: datetime | None = None
    pack: PackRow | None = None          # whose sidecar knows more about it
    digest: bytes = b""                  # xxh3_128 of the stored data set


@dataclass(frozen=True, slots=True)
class Selection:
    """What to retrieve (PS3.4 C.4.2.2.1): every level named narrows; empty means all below."""

    study_instance_uids: tuple[str, ...] = ()
    series_instance_uids: tuple[str, ...] = ()
    sop_instance_uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileRange:
    """Bytes of an open file, which the kernel can send by itself."""

    descriptor: int
    offset_bytes: int
    size_bytes: int

    def chunks(self, chunk_bytes: int) -> Iterator[bytes]:
        """Its bytes. Raises PacsdError UNAVAILABLE if the file ends too early."""
        at, end = self.offset_bytes, self.offset_bytes + self.size_bytes
        while at < end:
            chunk = os.pread(self.descriptor, min(chunk_bytes, end - at), at)
            if not chunk:
                raise PacsdError(Fault.UNAVAILABLE, "a stored object is shorter than the index says")
            at += len(chunk)
            yield chunk

    def __len__(self) -> int:
        return self.size_bytes

    def __getitem__(self, part: slice) -> "FileRange":
        """A slice of it, as of bytes."""
        start, stop, _ = part.indices(self.size_bytes)
        return FileRange(self.descriptor, self.offset_bytes + start, max(0, stop - start))


Piece = bytes | FileRange                # of what goes out


def read(pieces: Iterator[Piece], chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The pieces, those in files read. Closing it closes the pieces. Raises PacsdError UNAVAILABLE."""
    try:
        for piece in pieces:
            if isinstance(piece, FileRange):
                yield from piece.chunks(chunk_bytes)
            else:
                yield piece
    finally:
        if isinstance(pieces, Generator):
            pieces.close()


@dataclass(frozen=True, slots=True)
class Part10:
    """A Part 10 file on its way out; the size is unknown (None) while an overlay rewrites it.

    What goes out as it stands in a local file comes as its place, good until the next piece is asked for.
    """

    size_bytes: int | None
    pieces: Iterator[Piece]


class Contents(Protocol):
    """Where the index says the instances are."""

    def __call__(self, scope: Scope, selection: Selection) -> list[SeriesContent]: ...


class DatasetReader:
    """The data set of one instance as it is given out: stored bytes, with overlays applied.

    Use as a context manager. Without an overlay, `plain` tells where the bytes stand so that an edge may sendfile them.
    """

    def __init__(self, blobs: BlobStore, ref: InstanceRef, character_set_of: CharacterSetOf = as_declared) -> None:
        self._ref = ref
        self._character_set_of = character_set_of
        self._blob = blobs.open(ref.extent.key)
        self.offset_bytes = ref.extent.offset_bytes + ref.dataset_offset_bytes
        self._stored_bytes = ref.extent.length_bytes - ref.dataset_offset_bytes

    @property
    def size_bytes(self) -> int | None:
        """Bytes of the data set; None while an overlay rewrites it."""
        return None if self._ref.overlay else self._stored_bytes

    @property
    def plain(self) -> BlobReader | None:
        """The blob, if the data set is exactly `size_bytes` bytes from `offset_bytes` of it."""
        return None if self._ref.overlay else self._blob

    @property
    def file_range(self) -> FileRange | None:
        """Where the data set stands as it is given out, if that is in a local file, and all of it."""
        return None if self._ref.overlay else self._range(self.offset_bytes, self._stored_bytes)

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """The bytes in order. Raises PacsdError UNAVAILABLE if the blob ends too early."""
        if not self._ref.overlay:
            return self._stored(self.offset_bytes, self._stored_bytes, chunk_bytes)
        return read(self._corrected(), chunk_bytes)

    def pieces(self) -> Iterator[Piece]:
        """The same bytes; those that stand so in a local file as their place."""
        where = self.file_range
        if where is not None:
            return iter((where,))
        return self._corrected() if self._ref.overlay else self.chunks()

    def close(self) -> None:
        """Release the blob."""
        self._blob.close()

    def __enter__(self) -> "DatasetReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _range(self, offset_bytes: int, size_bytes: int) -> FileRange | None:
        descriptor = self._blob.fileno()
        if descriptor is None or offset_bytes + size_bytes > self._blob.size_bytes:
            return None
        return FileRange(descriptor, self._blob.base_bytes + offset_bytes, size_bytes)

    def _corrected(self) -> Iterator[Piece]:
        made = splice(
            self._blob,
            offset_bytes=self.offset_bytes,
            length_bytes=self._stored_bytes,
            transfer_syntax_uid=self._ref.transfer_syntax_uid,
            overlay=self._ref.overlay,
            override=true_character_set(PieceReader(self._blob, self._ref.extent), self._character_set_of),
            modified_at=self._ref.overlaid_at,
        )
        yield from made.head
        where = self._range(made.rest_at, made.rest_bytes)
        if where is None:
            yield from self._stored(made.rest_at, made.rest_bytes, CHUNK_BYTES)
        else:
            yield where

    def _stored(self, at: int, size_bytes: int, chunk_bytes: int) -> Iterator[bytes]:
        end = at + size_bytes
        while at < end:
            chunk = self._blob.pread(min(chunk_bytes, end - at), at)
            if not chunk:
                raise PacsdError(Fault.UNAVAILABLE, "a stored object is shorter than the index says")
            at += len(chunk)
            yield chunk


class Retrieve:
    """Finds instances for a reader and opens them."""

    def __init__(
        self,
        blobs: BlobStore,
        contents: Contents,
        sidecar: Callable[[PackRow], SidecarIndex],
        character_set_of: CharacterSetOf = as_declared,
    ) -> None:
        self._blobs = blobs
        self._character_set_of = character_set_of
        self._contents = contents
        self._sidecar = sidecar

    @property
    def contents(self) -> Contents:
        """Where instances are looked for."""
        return self._contents

    def instances(
        self,
        scope: Scope,
        study_instance_uid: str,
        series_instance_uid: str | None = None,
        sop_instance_uid: str | None = None,
    ) -> list[InstanceRef]:
        """The visible instances below a study, series or instance. Raises PacsdError NOT_FOUND if there is none."""
        found = self.select(
            scope,
            Selection(
                (study_instance_uid,),
                (series_instance_uid,) if series_instance_uid else (),
                (sop_instance_uid,) if sop_instance_uid else (),
            ),
        )
        if not found:
            raise PacsdError(Fault.NOT_FOUND, "no such study, series or instance")
        return found

    def select(self, scope: Scope, selection: Selection) -> list[InstanceRef]:
        """The visible instances of a selection, series by series; maybe none."""
        wanted = frozenset(selection.sop_instance_uids)
        return [ref for content in self._contents(scope, selection) for ref in self.of_series(content, wanted)]

    def of_series(self, content: SeriesContent, wanted: frozenset[str] = frozenset()) -> Iterator[InstanceRef]:
        """The visible instances of one series, or those of `wanted`: packs first, then what came later."""
        hidden = content.rejected | content.replaced
        for pack in content.packs:
            sidecar = self._sidecar(pack)
            entries = sidecar if not wanted else filter(None, map(sidecar.get, wanted))
            for entry in entries:
                if entry.sop_instance_uid not in hidden:
                    yield self._ref(content, entry, Extent(pack.key, entry.offset_bytes, entry.length_bytes), pack)
        for loose in content.loose:
            if loose.sop_instance_uid not in content.rejected and (not wanted or loose.sop_instance_uid in wanted):
                yield self._ref(content, loose, loose.extent)

    def open(self, ref: InstanceRef) -> DatasetReader:
        """The data set as it is given out. Raises PacsdError NOT_FOUND if its blob is gone."""
        return DatasetReader(self._blobs, ref, self._character_set_of)

    def fits(self, ref: InstanceRef, transfer_syntax_uid: str) -> bool:
        """Whether the instance can be given in that transfer syntax, as far as its header tells."""
        if satisfies(self.best(ref, transfer_syntax_uid).transfer_syntax_uid, transfer_syntax_uid):
            return True
        if not is_transcodable(ref.transfer_syntax_uid, transfer_syntax_uid):
            return False
        with self.open(ref) as reader:
            try:
                check(
                    reader.chunks(_LOOK_BYTES),
                    source=ref.transfer_syntax_uid,
                    target=transfer_syntax_uid,
                    length_bytes=reader.size_bytes,
                )
            except PacsdError as error:
                if error.fault in _CANNOT:
                    return False
                raise
        return True

    def alternate(self, ref: InstanceRef) -> InstanceRef | None:
        """The same instance in another lossless coding, if one is kept beside it."""
        pack = None if ref.pack is None else ref.pack.alternate
        if pack is None:
            return None
        try:
            entry = self._sidecar(pack).get(ref.sop_instance_uid)
        except PacsdError as error:
            if error.fault not in (Fault.NOT_FOUND, Fault.UNAVAILABLE, Fault.UNSUPPORTED):
                raise
            return None                          # lost or damaged: `check` tells, and the pack has all that is needed
        if entry is None:
            return None
        return replace(
            ref,
            transfer_syntax_uid=entry.transfer_syntax_uid,
            extent=Extent(pack.key, entry.offset_bytes, entry.length_bytes),
            dataset_offset_bytes=entry.dataset_offset_bytes,
            pack=pack,
            digest=entry.digest,
        )

    def best(self, ref: InstanceRef, transfer_syntax_uid: str) -> InstanceRef:
        """Of an instance and its alternate, that which is in a transfer syntax already, or is made into it sooner."""
        if satisfies(ref.transfer_syntax_uid, transfer_syntax_uid):
            return ref
        other = self.alternate(ref)
        if other is None:
            return ref
        if satisfies(other.transfer_syntax_uid, transfer_syntax_uid) or ref.transfer_syntax_uid in _SLOW:
            return other if self._is_there(other) else ref
        return ref

    def _is_there(self, ref: InstanceRef) -> bool:
        try:
            self._blobs.size(ref.extent.key)
        except PacsdError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise
            return False
        return True

    def size_bytes(self, ref: InstanceRef) -> int | None:
        """Of the Part 10 file of an instance as it is stored; None while an overlay rewrites it. Opens nothing."""
        if ref.overlay:
            return None
        stored_bytes = ref.extent.length_bytes - ref.dataset_offset_bytes
        return len(_meta(ref, ref.transfer_syntax_uid)) + stored_bytes

    def part10(self, ref: InstanceRef, transfer_syntax_uid: str | None = None) -> Part10:
        """The instance as a Part 10 file: group 2 written afresh, without what only this archive needs to know.

        With another transfer syntax than the stored one it is transcoded while it is read; what the header and the
        first frame show to be impossible is raised here. Raises PacsdError MALFORMED, UNSUPPORTED, TOO_MUCH.
        """
        wanted = transfer_syntax_uid or ref.transfer_syntax_uid
        ref = self.best(ref, wanted)
        reader = self.open(ref)
        meta = _meta(ref, wanted)
        if not satisfies(ref.transfer_syntax_uid, wanted):
            return Part10(None, _begun(_transcoded(meta, reader, ref.transfer_syntax_uid, wanted)))
        size = reader.size_bytes
        return Part10(None if size is None else len(meta) + size, _with_meta(meta, reader))

    @staticmethod
    def _ref(content: SeriesContent, entry: "Entry", extent: Extent, pack: PackRow | None = None) -> InstanceRef:
        return InstanceRef(
            content.study_instance_uid,
            content.series_instance_uid,
            entry.sop_instance_uid,
            entry.sop_class_uid,
            entry.transfer_syntax_uid,
            extent,
            entry.dataset_offset_bytes,
            content.overlay,
            content.overlaid_at,
            pack,
            entry.digest,
        )


class Entry(Protocol):
    """What loose rows and sidecar entries have in common."""

    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def sop_class_uid(self) -> str: ...
    @property
    def transfer_syntax_uid(self) -> str: ...
    @property
    def dataset_offset_bytes(self) -> int: ...
    @property
    def digest(self) -> bytes: ...


def _meta(ref: InstanceRef, transfer_syntax_uid: str) -> bytes:
    """Group 2 of a Part 10 file of the instance."""
    return build_meta(
        sop_class_uid=ref.sop_class_uid,
        sop_instance_uid=result_uid(ref.sop_instance_uid, ref.transfer_syntax_uid, transfer_syntax_uid),
        transfer_syntax_uid=transfer_syntax_uid,
    ).data


def _with_meta(meta: bytes, reader: DatasetReader) -> Iterator[Piece]:
    with reader:
        yield meta
        yield from reader.pieces()


def _transcoded(meta: bytes, reader: DatasetReader, source: str, target: str) -> Iterator[bytes]:
    with reader:
        chunks = transcoded(reader.chunks(), source=source, target=target, length_bytes=reader.size_bytes)
        yield meta + next(chunks, b"")
        yield from chunks


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, the first of them made already; closing it closes what it comes from."""
    return _continued(next(chunks), chunks)


def _continued(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield first
        yield from chunks
    finally:
        if isinstance(chunks, Generator):
            chunks.close()
