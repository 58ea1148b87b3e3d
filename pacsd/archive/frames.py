"""Frames and bulk data of stored instances, read by ranges."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from pacsd.access.scope import Scope
from pacsd.archive.pack_file import PieceReader
from pacsd.archive.retrieve import InstanceRef, Retrieve
from pacsd.archive.sidecar import SidecarIndex
from pacsd.blobs.port import BlobReader, BlobStore
from pacsd.codec.encoders import coded_description
from pacsd.codec.frames import BulkExtent, FrameTable, bulk, frame_extents, unpacked_bits
from pacsd.codec.pixel_module import PixelModule, read_pixel_module
from pacsd.codec.pixels import decode_cells, decoded_description, encode_frame
from pacsd.codec.structure import WORD_BYTES, swapped
from pacsd.codec.transcode import is_transcodable
from pacsd.codec.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, satisfies, transfer_syntax
from pacsd.codec.walk import Dataset
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Extent, PackRow

CHUNK_BYTES = 1 << 20
KEPT_FRAMES = 1_000_000                  # of loose instances' tables, for each process
KEPT_MODULES = 10_000                    # descriptions of pixels, for each process
_PIXEL_DATA_PATHS = ("7FE00008", "7FE00009", "7FE00010")


class _Ranged(Protocol):
    def pread(self, length_bytes: int, offset_bytes: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class FrameSet:
    """Frames in the order asked for, each as its size and its bytes, and what they are coded in."""

    transfer_syntax_uid: str
    frames: Iterator[tuple[int, Iterator[bytes]]]
    module: Callable[[], PixelModule | None]
    digest: bytes = b""                  # of the data set they are in
    # the same frames out of an alternate, where that is in the transfer syntax or is made into it sooner
    alternate: Callable[[str], "FrameSet | None"] = lambda uid: None
    untouched: bool = True               # byte for byte as a blob has them
    number: int = 1                      # of the frames

    def fits(self, transfer_syntax_uid: str) -> bool:
        """Whether the frames can be given in that transfer syntax, as far as their description tells."""
        if satisfies(self.transfer_syntax_uid, transfer_syntax_uid):
            return True
        if not is_transcodable(self.transfer_syntax_uid, transfer_syntax_uid):
            return False
        try:
            module = self.module()
            if module is not None:
                decoded = decoded_description(self.transfer_syntax_uid, module.description)
                coded_description(transfer_syntax_uid, decoded)
        except PacsdError:
            return False
        return module is not None

    def transcoded(self, transfer_syntax_uid: str) -> "FrameSet":
        """The frames in another transfer syntax, each coded when its turn comes (PS3.18 8.7.3); `untouched` where a
        blob has them so. Takes the place of this set, which is closed when it is not needed.

        Raises PacsdError UNSUPPORTED, and MALFORMED when a frame that cannot be decoded is taken.
        """
        other = self.alternate(transfer_syntax_uid)
        if other is not None:
            close(self.frames)
            return other.transcoded(transfer_syntax_uid)
        if satisfies(self.transfer_syntax_uid, transfer_syntax_uid):
            return replace(self, transfer_syntax_uid=transfer_syntax_uid)
        module = self.module()
        if module is None:
            raise PacsdError(Fault.NOT_FOUND, "the instance has no frames")
        frames = _coded(self.frames, module, self.transfer_syntax_uid, transfer_syntax_uid)
        return FrameSet(transfer_syntax_uid, frames, self.module, self.digest, untouched=False, number=self.number)

    def joins(self) -> bool:
        """Whether the frames, decoded and one behind the other, are a value of Pixel Data: frames of single bits that
        end within a byte are not (PS3.5 8.1.1)."""
        module = self.module()
        if module is None or self.number == 1 or module.description.bits_allocated % 8 == 0:
            return True
        described = module.description
        return described.rows * described.columns * described.samples_per_pixel * described.bits_allocated % 8 == 0


@dataclass(frozen=True, slots=True)
class BulkValue:
    """One bulk value, its fragments one behind the other."""

    size_bytes: int
    media_type: str
    _reader: _Ranged
    _extents: tuple[tuple[int, int], ...]
    digest: bytes = b""                  # of the data set it is in

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """A range of the value; shorter only at its end."""
        pieces = []
        for start, length in self._extents:
            if offset_bytes < length and length_bytes > 0:
                piece = self._reader.pread(min(length_bytes, length - offset_bytes), start + offset_bytes)
                pieces.append(piece)
                length_bytes -= len(piece)
                offset_bytes = 0
            else:
                offset_bytes -= length
        return b"".join(pieces)


class Frames:
    """Reads frames (PS3.18 10.4.1.1.6) and bulk data (10.4.1.1.5) out of packs and spool files."""

    def __init__(
        self, retrieve: Retrieve, blobs: BlobStore, sidecar: Callable[[PackRow], SidecarIndex]
    ) -> None:
        self._retrieve = retrieve
        self._blobs = blobs
        self._sidecar = sidecar
        self._tables = _Tables()
        self._modules: dict[Extent, PixelModule | None] = {}

    def read(self, scope: Scope, study: str, series: str, sop: str, numbers: Sequence[int]) -> FrameSet:
        """Frames by number, from 1, as they are stored; native ones as they would be in explicit VR little endian.

        Raises PacsdError NOT_FOUND (instance, or a frame it does not have), MALFORMED (its pixel data is damaged).
        """
        return self.of(self._retrieve.instances(scope, study, series, sop)[0], numbers)

    def of(self, ref: InstanceRef, numbers: Sequence[int] | None = None) -> FrameSet:
        """As `read`, of an instance that has been found; all its frames where none are named."""
        blob = self._blobs.open(ref.extent.key)
        piece = PieceReader(blob, ref.extent)
        try:
            table = self._table(ref, piece)
            if table is None or not table.frames:
                raise PacsdError(Fault.NOT_FOUND, "the instance has no frames")
            numbers = range(1, len(table.frames) + 1) if numbers is None else numbers
            if max(numbers) > len(table.frames):
                raise PacsdError(Fault.NOT_FOUND, f"the instance has {len(table.frames)} frames")
            reader = _inflated(piece, ref) if table.inflated else piece
            module = partial(self._module, ref, piece)
            frames = _frames(table, self._in_order(table, reader, module), numbers, blob.close)
        except PacsdError:
            blob.close()
            raise
        alternate = partial(self._alternate, ref, numbers)
        return FrameSet(_given_syntax(ref), frames, module, ref.digest, alternate, number=len(numbers))

    def _alternate(self, ref: InstanceRef, numbers: Sequence[int], transfer_syntax_uid: str) -> FrameSet | None:
        other = self._retrieve.best(ref, transfer_syntax_uid)
        return None if other.extent == ref.extent else self.of(other, numbers)

    def bulk(self, scope: Scope, study: str, series: str, sop: str, path: str) -> BulkValue:
        """The value that the path of a Bulk Data URI names. Raises PacsdError NOT_FOUND."""
        return self.bulk_of(self._retrieve.instances(scope, study, series, sop)[0], path)

    def bulk_of(self, ref: InstanceRef, path: str) -> BulkValue:
        """As `bulk`, of an instance that has been found."""
        piece = PieceReader(_Reopening(self._blobs, ref.extent.key), ref.extent)
        found = bulk(
            piece,
            path,
            offset_bytes=ref.dataset_offset_bytes,
            length_bytes=ref.extent.length_bytes - ref.dataset_offset_bytes,
            transfer_syntax_uid=ref.transfer_syntax_uid,
        )
        reader: _Ranged = _inflated(piece, ref) if found.inflated else piece
        if found.big_endian and len(found.extents) == 1 and (unit := WORD_BYTES.get(found.vr)):
            reader = _Swapped(reader, found.extents[0][0], unit)
        size = sum(length for _, length in found.extents)
        return BulkValue(size, _bulk_media_type(ref, path, found), reader, found.extents, ref.digest)

    @staticmethod
    def _in_order(table: FrameTable, reader: _Ranged, module: Callable[[], PixelModule | None]) -> _Ranged:
        """The reader, with words in little endian (PS3.18 8.7.3: big endian is not for the web)."""
        found = module() if table.big_endian else None
        unit = WORD_BYTES.get(found.vr, 1) if found is not None else 1
        return reader if unit == 1 else _Swapped(reader, table.frames[0][0][0], unit)

    def _module(self, ref: InstanceRef, piece: PieceReader) -> PixelModule | None:
        """What describes the frames; the latest are kept."""
        kept = self._modules.get(ref.extent)
        if kept is None:
            if len(self._modules) >= KEPT_MODULES:
                self._modules.clear()
            kept = self._modules[ref.extent] = read_pixel_module(
                piece,
                offset_bytes=ref.dataset_offset_bytes,
                length_bytes=ref.extent.length_bytes - ref.dataset_offset_bytes,
                transfer_syntax_uid=ref.transfer_syntax_uid,
            )
        return kept

    def _table(self, ref: InstanceRef, piece: PieceReader) -> FrameTable | None:
        if ref.pack is not None:
            sidecar = self._sidecar(ref.pack)
            entry = sidecar.get(ref.sop_instance_uid)
            packed = None if entry is None else sidecar.frames(entry)
            if packed is not None:
                return packed                    # else the bytes say why there is none
        kept = self._tables.get(ref.extent) if ref.pack is None else None
        if kept is not None:
            return kept
        table = frame_extents(
            piece,
            offset_bytes=ref.dataset_offset_bytes,
            length_bytes=ref.extent.length_bytes - ref.dataset_offset_bytes,
            transfer_syntax_uid=ref.transfer_syntax_uid,
        )
        if table is not None and ref.pack is None:
            self._tables.keep(ref.extent, table)
        return table


class _Tables:
    """Frame tables of loose instances read lately, by where they are: a blob may hold several."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Extent, FrameTable] = OrderedDict()
        self._frames = 0
        self._lock = threading.Lock()

    def get(self, where: Extent) -> FrameTable | None:
        with self._lock:
            if where in self._kept:
                self._kept.move_to_end(where)
            return self._kept.get(where)

    def keep(self, where: Extent, table: FrameTable) -> None:
        with self._lock:
            if where not in self._kept:
                self._kept[where] = table
                self._frames += len(table.frames)
            while self._frames > KEPT_FRAMES and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._frames -= len(oldest.frames)


class _Swapped:
    """Big endian words of `unit` bytes that begin at `start_bytes`, read as little endian ones."""

    def __init__(self, reader: _Ranged, start_bytes: int, unit: int) -> None:
        self._reader = reader
        self._start_bytes = start_bytes
        self._unit = unit

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        before = (offset_bytes - self._start_bytes) % self._unit
        behind = -(before + length_bytes) % self._unit
        raw = self._reader.pread(before + length_bytes + behind, offset_bytes - before)
        return swapped(raw, self._unit)[before : before + length_bytes]


class _Reopening:
    """A blob opened for each read: a bulk value may be read long after it was found, or never.

    One that is in no file is kept open once it is read: what its bytes are made of is so made once, not for each read.
    """

    def __init__(self, blobs: BlobStore, key: str) -> None:
        self._blobs = blobs
        self.key = key
        self.size_bytes = blobs.size(key)
        self.base_bytes = 0
        self._kept: BlobReader | None = None

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        if self._kept is not None:
            return self._kept.pread(length_bytes, offset_bytes)
        reader = self._blobs.open(self.key)
        if reader.fileno() is None:
            self._kept = reader
            return reader.pread(length_bytes, offset_bytes)
        with reader:
            return reader.pread(length_bytes, offset_bytes)

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        """What is held goes with this."""

    def __enter__(self) -> "_Reopening":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _frames(
    table: FrameTable, reader: _Ranged, numbers: Sequence[int], close: Callable[[], None]
) -> Iterator[tuple[int, Iterator[bytes]]]:
    try:
        for number in numbers:
            extents = table.frames[number - 1]
            if table.bit_offsets:
                yield _unpacked(table, reader, number - 1)
            else:
                yield sum(length for _, length in extents), _chunks(reader, extents)
    finally:
        close()


def _coded(
    frames: Iterator[tuple[int, Iterator[bytes]]], module: PixelModule, source: str, target: str
) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Each frame decoded and coded anew; the source is closed with it."""
    stored = module.description
    decoded = decoded_description(source, stored)
    try:
        for _, chunks in frames:
            cells = decode_cells(b"".join(chunks), source, stored)
            frame = encode_frame(cells, target, decoded)
            yield len(frame), iter((frame,))
    finally:
        close(frames)


def close(frames: Iterator[object]) -> None:
    """Give back what frames are read from."""
    if isinstance(frames, Generator):
        frames.close()


def _unpacked(table: FrameTable, reader: _Ranged, index: int) -> tuple[int, Iterator[bytes]]:
    raw = b"".join(_chunks(reader, table.frames[index]))
    frame = unpacked_bits(raw, bit_offset=table.bit_offsets[index], bits=table.frame_bits)
    return len(frame), iter((frame,))


def _chunks(reader: _Ranged, extents: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    for start, length in extents:
        at, end = start, start + length
        while at < end:
            chunk = reader.pread(min(CHUNK_BYTES, end - at), at)
            if not chunk:
                raise PacsdError(Fault.UNAVAILABLE, "a stored object is shorter than its frame table says")
            at += len(chunk)
            yield chunk


def _inflated(piece: PieceReader, ref: InstanceRef) -> _Ranged:
    """The inflated data set, in memory (PS3.5 A.5)."""
    return Dataset(
        piece,
        offset_bytes=ref.dataset_offset_bytes,
        length_bytes=ref.extent.length_bytes - ref.dataset_offset_bytes,
        transfer_syntax_uid=ref.transfer_syntax_uid,
    ).reader


def _given_syntax(ref: InstanceRef) -> str:
    """What stored values are in as they are read here: never implicit VR, big endian or deflated (PS3.18 8.7.3)."""
    stored = transfer_syntax(ref.transfer_syntax_uid)
    plain = stored.deflated or stored.implicit or stored.big_endian
    return EXPLICIT_VR_LITTLE_ENDIAN if plain else ref.transfer_syntax_uid


def _bulk_media_type(ref: InstanceRef, path: str, found: BulkExtent) -> str:
    """Octets, whose transfer syntax is named where it is not the default (PS3.18 8.7.3)."""
    if path in _PIXEL_DATA_PATHS and len(found.extents) and found.vr not in ("OW", "OF", "OD"):
        return f"application/octet-stream; transfer-syntax={_given_syntax(ref)}"
    return "application/octet-stream"
