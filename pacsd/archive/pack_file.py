"""Writing packs: Part 10 files copied byte by byte into stored ZIPs, each verified on the way, each with its sidecar.

Order of durability: the pack, then its sidecar, then (elsewhere) the index. Whatever stops in between leaves blobs that
no index row names; collection removes them.
"""

import hashlib
import logging
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import xxhash

from pacsd.archive.sidecar import PackedInstance, PackHead, build_sidecar
from pacsd.archive.zip64 import StoredZip
from pacsd.blobs.port import BlobInfo, BlobReader, BlobWriter
from pacsd.blobs.ulid import Ulids, ulid_time
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Extent

PREFIX = "packs/"
PACK_SUFFIX, SIDECAR_SUFFIX = ".zip", ".sidecar.gz"
CHUNK_BYTES = 8 << 20                    # files up to this size are read once, larger ones twice
log = logging.getLogger("pacsd.archive")


@dataclass(frozen=True, slots=True)
class Piece:
    """A Part 10 file to be copied, what its bytes must be, and what to say about it once it stands in the pack."""

    sop_instance_uid: str
    extent: Extent
    dataset_offset_bytes: int
    digest: bytes                        # xxh3_128 of the data set
    received_at: datetime
    describe: Callable[["PieceReader", int, bytes], PackedInstance]   # reader, offset in the pack, SHA-256 of the file
    sha256: bytes | None = None          # of the file, where a sidecar tells it


@dataclass(frozen=True, slots=True)
class Damaged:
    """A piece whose bytes are not what was received; it is not packed."""

    sop_instance_uid: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class WrittenPack:
    """A durable pack with a durable sidecar."""

    key: str
    sidecar_key: str
    size_bytes: int
    instances: tuple[PackedInstance, ...]


class PieceReader:
    """Ranged reads from one Part 10 file, wherever it stands; offsets from the file's first byte.

    With `keep`, a file of up to 8 MiB is read once and kept: for those who read it whole several times.
    """

    def __init__(self, blob: BlobReader, extent: Extent, *, keep: bool = False) -> None:
        self._blob = blob
        self._extent = extent
        self._keep = keep and extent.length_bytes <= CHUNK_BYTES
        self._whole: bytes | None = None
        self.offset_bytes = extent.offset_bytes      # of the file, in its blob
        self.base_bytes = blob.base_bytes + extent.offset_bytes      # in the local file, if that is what it is in
        self.size_bytes = extent.length_bytes

    def fileno(self) -> int | None:
        """A descriptor of the blob, where it is a local file."""
        return self._blob.fileno()

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        """Up to `length_bytes` from `offset_bytes`."""
        length_bytes = max(min(length_bytes, self.size_bytes - offset_bytes), 0)
        if self._keep:
            if self._whole is None:
                self._whole = self._blob.pread(self.size_bytes, self._extent.offset_bytes)
            if length_bytes == self.size_bytes:
                return self._whole
            return self._whole[offset_bytes : offset_bytes + length_bytes]
        return self._blob.pread(length_bytes, self._extent.offset_bytes + offset_bytes)

    def chunks(self, start_bytes: int = 0) -> Iterator[bytes]:
        """The file in order. Raises PacsdError UNAVAILABLE if it ends too early."""
        at = start_bytes
        while at < self.size_bytes:
            chunk = self.pread(CHUNK_BYTES, at)
            if not chunk:
                raise PacsdError(Fault.UNAVAILABLE, "a stored object is shorter than the index says")
            yield chunk
            at += len(chunk)


@dataclass(frozen=True, slots=True)
class Sums:
    """Checksums of one Part 10 file."""

    crc32: int
    sha256: bytes
    digest: bytes                        # of the data set alone


def checksums(reader: PieceReader, dataset_offset_bytes: int) -> Sums:
    """All checksums in one pass, in bounded memory. Raises PacsdError UNAVAILABLE."""
    crc, sha, xxh = 0, hashlib.sha256(), xxhash.xxh3_128()
    skip = dataset_offset_bytes
    for chunk in reader.chunks():
        crc = zlib.crc32(chunk, crc)
        sha.update(chunk)
        xxh.update(memoryview(chunk)[skip:])
        skip = max(skip - len(chunk), 0)
    return Sums(crc, sha.digest(), xxh.digest())


class PackStore(Protocol):
    """Of a blob store, what packs are written to and read from."""

    def create(self, key: str) -> BlobWriter:
        """Begin a blob."""

    def put(self, key: str, data: bytes) -> BlobInfo:
        """A whole small blob, durable on return."""

    def open(self, key: str) -> BlobReader:
        """A reader of a piece's blob. Raises PacsdError NOT_FOUND."""


class PackWriter:
    """Writes the pieces of one series into as many packs as they need, none above `max_pack_bytes` unless alone.

    Use as a context manager: what is unfinished at the end is forgotten.
    """

    def __init__(
        self, blobs: "PackStore", head: "SeriesHead", *, max_pack_bytes: int, ulids: Ulids, prefix: str = PREFIX
    ) -> None:
        self._blobs = blobs
        self._prefix = prefix
        self._head = head
        self._max_pack_bytes = max_pack_bytes
        self._ulids = ulids
        self._open: _OpenPack | None = None
        self.damaged: list[Damaged] = []

    def write(self, pieces: Iterable[Piece]) -> Iterator[WrittenPack]:
        """Copy the pieces in order; yields each pack once it is durable. Damaged pieces are left out and listed.

        Raises PacsdError FULL, UNAVAILABLE; then nothing of the open pack remains.
        """
        try:
            for piece in pieces:
                if self._open is not None and self._open.at + piece.extent.length_bytes > self._max_pack_bytes:
                    yield self._finish(self._open)
                self._add(piece)
            if self._open is not None:
                yield self._finish(self._open, last=True)
        finally:
            if self._open is not None:
                self._open.writer.abort()
                self._open = None

    def _add(self, piece: Piece) -> None:
        try:
            blob = self._blobs.open(piece.extent.key)
        except PacsdError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise
            self._leave_out(piece, "missing")
            return
        with blob:
            reader = PieceReader(blob, piece.extent, keep=True)
            if piece.extent.offset_bytes + piece.extent.length_bytes > blob.size_bytes:
                self._leave_out(piece, "truncated")
                return
            sums = checksums(reader, piece.dataset_offset_bytes)
            if sums.digest != piece.digest or piece.sha256 not in (None, sums.sha256):
                self._leave_out(piece, "digest")
                return
            if self._open is None:
                self._open = _OpenPack(self._blobs, f"{self._prefix}{self._head.organisation}/", self._ulids)
            self._open.add(piece, reader, sums)

    def _leave_out(self, piece: Piece, reason: str) -> None:
        """An alarm: bytes that were acknowledged are not what they were. They stay where they are."""
        self.damaged.append(Damaged(piece.sop_instance_uid, piece.extent.key, reason))
        log.error(
            "a stored object is damaged and was not packed",
            extra={"sop": piece.sop_instance_uid, "key": piece.extent.key, "reason": reason},
        )

    def _finish(self, pack: "_OpenPack", *, last: bool = False) -> WrittenPack:
        """Only the last pack of a merge says what they replace: if it is there, all are, and nothing is missing."""
        info = pack.finish()
        self._open = None
        replaces = self._head.replaces if last and not self.damaged else ()
        sidecar_key = pack.key.removesuffix(PACK_SUFFIX) + SIDECAR_SUFFIX
        head = PackHead(
            pack.key, self._head.organisation, self._head.study_instance_uid, self._head.series_instance_uid,
            self._head.generation, replaces, pack.created_at, self._head.of,
        )
        self._blobs.put(sidecar_key, build_sidecar(head, pack.instances))
        return WrittenPack(pack.key, sidecar_key, info.size_bytes, tuple(pack.instances))


@dataclass(frozen=True, slots=True)
class SeriesHead:
    """What the sidecars of one series' new packs have in common."""

    organisation: str
    study_instance_uid: str
    series_instance_uid: str
    generation: int
    replaces: tuple[str, ...] = ()
    of: str = ""                         # of an alternate: the pack whose instances it holds


class _OpenPack:
    """A pack being written."""

    def __init__(self, blobs: "PackStore", prefix: str, ulids: Ulids) -> None:
        ulid = ulids()
        self.created_at = ulid_time(ulid)
        self.key = f"{prefix}{self.created_at:%Y/%m/%d}/{ulid}{PACK_SUFFIX}"
        self.writer: BlobWriter = blobs.create(self.key)
        self.instances: list[PackedInstance] = []
        self._zip = StoredZip(self.writer.write)

    @property
    def at(self) -> int:
        return self._zip.at

    def add(self, piece: Piece, reader: PieceReader, sums: Sums) -> None:
        offset = self._zip.begin(
            f"{piece.sop_instance_uid}.dcm",
            size_bytes=reader.size_bytes, crc32=sums.crc32, modified_at=piece.received_at,
        )
        crc = 0
        for chunk in reader.chunks():
            crc = zlib.crc32(chunk, crc)
            self._zip.write(chunk)
        if crc != sums.crc32:            # read twice, and not the same twice
            raise PacsdError(Fault.UNAVAILABLE, "a stored object changed while it was copied")
        self.instances.append(piece.describe(reader, offset, sums.sha256))

    def finish(self) -> BlobInfo:
        self._zip.finish()
        return self.writer.commit()
