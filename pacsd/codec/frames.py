"""Where the frames and bulk data of a stored object stand, so that each is given out by ranged reads."""

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pacsd.codec.structure import ITEM, SEQUENCE_DELIMITATION, UNDEFINED, MalformedDataset
from pacsd.codec.walk import PIXEL_DATA, BytesReader, Dataset, Located, Reader
from pacsd.faults import Fault, PacsdError

__all__ = ["BulkExtent", "BytesReader", "FrameTable", "Reader", "bulk", "frame_extents", "unpacked_bits"]

Extent = tuple[int, int]                 # offset from the start of the reader, length; bytes
Frames = tuple[tuple[Extent, ...], ...]

MAX_FRAMES = MAX_FRAGMENTS = 1_000_000     # a table of them takes some hundred bytes each
_SAMPLES, _PHOTOMETRIC, _NUMBER_OF_FRAMES = 0x00280002, 0x00280004, 0x00280008
_ROWS, _COLUMNS, _BITS_ALLOCATED = 0x00280010, 0x00280011, 0x00280100
_OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002      # Extended Offset Table (PS3.3 C.7.6.3.1.8)
_DESCRIPTION = frozenset((_SAMPLES, _PHOTOMETRIC, _NUMBER_OF_FRAMES, _ROWS, _COLUMNS, _BITS_ALLOCATED,
                          _OFFSETS, _LENGTHS))
_MAX_DESCRIPTION_BYTES = 64 * 1024 * 1024
# Chroma subsampling of native YBR (PS3.3 C.7.6.3.1.2): stored samples of every three.
_SUBSAMPLED = {"YBR_FULL_422": (2, 3), "YBR_PARTIAL_422": (2, 3), "YBR_PARTIAL_420": (1, 2)}
# How a compressed frame begins: JPEG and JPEG-LS; JPEG 2000 and JPEG XL, each code stream and file.
_STARTS = (
    b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\xff\x0a", b"\0\0\0\x0cJXL ",
)


@dataclass(frozen=True, slots=True)
class FrameTable:
    """The frames of Pixel Data, Float or Double Float Pixel Data; each frame has one or several extents.

    `bit_offsets` is not empty when native one-bit frames do not begin at byte boundaries: so many low bits
    of a frame's first byte belong to the frame before it (`unpacked_bits`). With `inflated`, offsets count
    in the inflated data set. A video is one frame, whatever Number of Frames says.
    """

    frames: Frames
    encapsulated: bool
    big_endian: bool = False
    frame_bits: int = 0                  # of a native frame
    bit_offsets: tuple[int, ...] = ()
    inflated: bool = False


@dataclass(frozen=True, slots=True)
class BulkExtent:
    """One bulk value, without headers; an extent for each fragment. `big_endian` values are to be swapped."""

    vr: str
    extents: tuple[Extent, ...]
    big_endian: bool
    inflated: bool


def frame_extents(
    reader: Reader, *, offset_bytes: int, length_bytes: int, transfer_syntax_uid: str
) -> FrameTable | None:
    """The frames of the data set that stands at `offset_bytes`; None without pixel data (PS3.5 8.1, A.4).

    Raises PacsdError MALFORMED when Number of Frames and the bytes contradict each other or the pixel data is
    truncated, TOO_MUCH above MAX_FRAMES.
    """
    dataset = Dataset(
        reader, offset_bytes=offset_bytes, length_bytes=length_bytes, transfer_syntax_uid=transfer_syntax_uid
    )
    described: dict[int, bytes] = {}
    for element in dataset.elements():
        if element.tag in _DESCRIPTION and element.length <= _MAX_DESCRIPTION_BYTES:
            described[element.tag] = dataset.read(element.value_at, element.length)
        elif element.tag in PIXEL_DATA:
            if element.length == UNDEFINED:
                return _encapsulated(dataset, element, described)
            return _native(dataset, element, described)
    return None


def _integer(described: dict[int, bytes], tag: int, default: int, *, big: bool) -> int:
    raw = described.get(tag, b"")
    return int.from_bytes(raw[:2], "big" if big else "little") if len(raw) >= 2 else default


def _number_of_frames(described: dict[int, bytes]) -> int:
    text = described.get(_NUMBER_OF_FRAMES, b"").split(b"\\")[0].strip(b" \0")
    if not text:
        return 1
    if not text.isdigit() or len(text) > 12:
        raise PacsdError(Fault.MALFORMED, "Number of Frames is no number")
    return int(text) or 1


def _native(dataset: Dataset, element: Located, described: dict[int, bytes]) -> FrameTable:
    big = dataset.big_endian
    count = _number_of_frames(described)
    samples = _integer(described, _SAMPLES, 1, big=big)
    pixels = _integer(described, _ROWS, 0, big=big) * _integer(described, _COLUMNS, 0, big=big)
    allocated = _integer(described, _BITS_ALLOCATED, 0, big=big)
    depth = {0x7FE00008: 32, 0x7FE00009: 64}.get(element.tag, allocated)
    photometric = described.get(_PHOTOMETRIC, b"").decode("latin_1").strip(" \0")
    stored, of = _SUBSAMPLED.get(photometric, (1, 1)) if samples == 3 else (1, 1)
    bits = pixels * samples * depth * stored // of
    if bits == 0:
        raise PacsdError(Fault.MALFORMED, "Rows, Columns and Bits Allocated do not describe a frame")
    have = min(element.length, element.end - element.value_at)
    if (bits * count + 7) // 8 > have:
        raise PacsdError(Fault.MALFORMED, f"pixel data is too short for {count} frames")
    if count > MAX_FRAMES:
        raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_FRAMES} frames")
    if bits % 8 == 0:
        size = bits // 8
        frames = tuple(((element.value_at + n * size, size),) for n in range(count))
        return FrameTable(frames, False, big, bits, inflated=dataset.inflated)
    frames = tuple(
        ((element.value_at + n * bits // 8, ((n + 1) * bits + 7) // 8 - n * bits // 8),) for n in range(count)
    )
    offsets = tuple(n * bits % 8 for n in range(count))
    return FrameTable(frames, False, big, bits, offsets if any(offsets) else (), dataset.inflated)


def unpacked_bits(data: bytes, *, bit_offset: int, bits: int) -> bytes:
    """A one-bit frame shifted to begin at a byte boundary, unused high bits zero (PS3.5 8.1.1)."""
    number = int.from_bytes(data, "little") >> bit_offset & (1 << bits) - 1
    return number.to_bytes((bits + 7) // 8, "little")


def _encapsulated(dataset: Dataset, element: Located, described: dict[int, bytes]) -> FrameTable:
    table, fragments = _fragments(dataset, element)
    count = _number_of_frames(described)
    if dataset.syntax.video:
        groups = [fragments]
    else:
        groups = (
            _by_offsets(fragments, _numbers("Q", described.get(_OFFSETS, b""), count), count)
            or _by_offsets(fragments, _numbers("I", table, count), count)
            or _without_table(dataset, fragments, count)
        )
    lengths = _numbers("Q", described.get(_LENGTHS, b""), count) if _OFFSETS in described else ()
    frames = []
    for number, group in enumerate(groups):
        if lengths and len(group) == 1 and lengths[number] <= group[0][1]:
            group = [(group[0][0], lengths[number])]      # without the padding byte
        frames.append(tuple(group))
    return FrameTable(tuple(frames), True, inflated=dataset.inflated)


def _fragments(dataset: Dataset, element: Located) -> tuple[bytes, list[Extent]]:
    """The Basic Offset Table and the fragments behind it. Raises PacsdError MALFORMED when truncated."""
    table: bytes | None = None
    fragments: list[Extent] = []
    ended = False
    for item in dataset.items(element.value_at, element.end):
        if item.tag == SEQUENCE_DELIMITATION:
            ended = True
            break
        if item.length == UNDEFINED or item.value_at + item.length > element.end:
            break
        if table is None:
            table = dataset.read(item.value_at, min(item.length, _MAX_DESCRIPTION_BYTES))
        else:
            fragments.append((item.value_at, item.length))
        if len(fragments) > MAX_FRAGMENTS:
            raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_FRAGMENTS} fragments")
    if not ended:
        raise PacsdError(Fault.MALFORMED, "encapsulated pixel data is truncated")
    if not fragments:
        raise PacsdError(Fault.MALFORMED, "encapsulated pixel data without a fragment")
    return table or b"", fragments


def _numbers(code: str, raw: bytes, count: int) -> Sequence[int]:
    """So many numbers; none where there are more or fewer, so that none are made of what no frame needs."""
    form = struct.Struct(f"<{count}{code}")
    return form.unpack(raw) if len(raw) == form.size else ()


def _by_offsets(fragments: list[Extent], offsets: Sequence[int], count: int) -> list[list[Extent]] | None:
    """Fragments grouped at the offsets, which count from the first item tag; None if they do not fit."""
    if len(offsets) != count or not offsets or offsets[0] != 0:
        return None
    first = fragments[0][0]
    place = {at - first: number for number, (at, _) in enumerate(fragments)}
    starts = [place.get(offset, -1) for offset in offsets]
    if -1 in starts or any(a >= b for a, b in itertools.pairwise(starts)):
        return None
    return [fragments[a:b] for a, b in zip(starts, [*starts[1:], len(fragments)], strict=True)]


def _without_table(dataset: Dataset, fragments: list[Extent], count: int) -> list[list[Extent]]:
    """One frame takes all; as many fragments as frames, one each; else a code stream begins each frame."""
    if count == 1:
        return [fragments]
    if len(fragments) == count:
        return [[fragment] for fragment in fragments]
    groups: list[list[Extent]] = []
    if len(fragments) > count:
        for fragment in fragments:
            head = dataset.reader.pread(min(12, fragment[1]), fragment[0])
            if head.startswith(_STARTS) or not groups:
                groups.append([])
            groups[-1].append(fragment)
    if len(groups) != count:
        raise PacsdError(
            Fault.MALFORMED, f"{len(fragments)} fragments cannot be told apart into {count} frames"
        )
    return groups


def bulk(
    reader: Reader, path: str, *, offset_bytes: int, length_bytes: int, transfer_syntax_uid: str
) -> BulkExtent:
    """The value that a Bulk Data URI's path names: `7FE00010`, or `54000100/1/54001010` inside items.

    Raises PacsdError NOT_FOUND when there is none.
    """
    steps = path.strip("/").split("/")
    if len(steps) % 2 == 0 or len(steps) > 129:
        raise PacsdError(Fault.NOT_FOUND, "no such bulk data")
    dataset = Dataset(
        reader, offset_bytes=offset_bytes, length_bytes=length_bytes, transfer_syntax_uid=transfer_syntax_uid
    )
    at, end, big = dataset.start, dataset.end, dataset.big_endian
    try:
        for tag, number in zip(steps[0:-1:2], steps[1::2], strict=True):
            sequence = _find(dataset, int(tag, 16), at, end, big)
            at, end, big = dataset.item(sequence, int(number), big=big)
        element = _find(dataset, int(steps[-1], 16), at, end, big)
    except (ValueError, MalformedDataset) as error:
        raise PacsdError(Fault.NOT_FOUND, "no such bulk data") from error
    extents: tuple[Extent, ...] = ((element.value_at, element.end - element.value_at),)
    if element.length == UNDEFINED:
        extents = tuple(
            (item.value_at, min(item.length, element.end - item.value_at))
            for item in dataset.items(element.value_at, element.end, big=big)
            if item.tag == ITEM
        )[1:]
    return BulkExtent(element.vr, extents, big, dataset.inflated)


def _find(dataset: Dataset, tag: int, at: int, end: int, big: bool) -> Located:
    found: Located | None = None
    for element in dataset.elements(at, end, big=big):
        if element.tag == tag:
            found = element
    if found is None:
        raise PacsdError(Fault.NOT_FOUND, "no such bulk data")
    return found
