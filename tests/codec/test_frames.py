"""Frames and bulk data found by ranged reads, in every way Pixel Data is written."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import generate_frames

from pacsd.codec import walk
from pacsd.codec.frames import BytesReader, FrameTable, bulk, frame_extents, unpacked_bits
from pacsd.codec.part10 import read_meta
from pacsd.faults import Fault, PacsdError

EXPLICIT, JPEG, RLE, MPEG4 = (
    "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.102",
)
SOI = b"\xff\xd8\xff\xe0"


def described(frames: int, *, rows: int = 2, columns: int = 2, bits: int = 8) -> bytes:
    count = b"%d" % frames
    count += b" " * (len(count) % 2)
    return (
        struct.pack("<HH2sHH", 0x28, 2, b"US", 2, 1)
        + struct.pack("<HH2sH", 0x28, 8, b"IS", len(count)) + count
        + struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, rows)
        + struct.pack("<HH2sHH", 0x28, 0x11, b"US", 2, columns)
        + struct.pack("<HH2sHH", 0x28, 0x100, b"US", 2, bits)
    )


def item(value: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


def encapsulated(table: bytes, *fragments: bytes, ended: bool = True) -> bytes:
    head = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) if ended else b""
    return head + item(table) + b"".join(map(item, fragments)) + end


def table_of(data: bytes, syntax: str) -> FrameTable:
    found = frame_extents(
        BytesReader(b"xx" + data), offset_bytes=2, length_bytes=len(data), transfer_syntax_uid=syntax
    )
    assert found is not None
    return found


def frames_of(data: bytes, syntax: str) -> list[bytes]:
    return [
        b"".join((b"xx" + data)[at : at + length] for at, length in extents)
        for extents in table_of(data, syntax).frames
    ]


def test_basic_offset_table() -> None:
    data = described(2) + encapsulated(struct.pack("<2I", 0, 20), b"aa", b"bb", b"cc")
    assert frames_of(data, JPEG) == [b"aabb", b"cc"]


def test_extended_offset_table_takes_off_padding() -> None:
    extended = struct.pack("<HH2sHI2Q", 0x7FE0, 1, b"OV", 0, 16, 0, 12)
    extended += struct.pack("<HH2sHI2Q", 0x7FE0, 2, b"OV", 0, 16, 3, 2)
    data = described(2) + extended + encapsulated(b"", b"abc\0", b"cc")
    assert frames_of(data, JPEG) == [b"abc", b"cc"]


def test_no_table_and_a_fragment_a_frame() -> None:
    assert frames_of(described(2) + encapsulated(b"", b"aa", b"bb"), RLE) == [b"aa", b"bb"]


def test_no_table_and_one_frame_takes_all() -> None:
    assert frames_of(described(1) + encapsulated(b"", b"aa", b"bb"), JPEG) == [b"aabb"]


@pytest.mark.parametrize("table", [b"", struct.pack("<2I", 0, 7), struct.pack("<3I", 0, 1, 2)])
def test_without_a_usable_table_code_streams_begin_frames(table: bytes) -> None:
    data = described(2) + encapsulated(table, SOI, b"bb", b"cc", SOI)
    assert frames_of(data, JPEG) == [SOI + b"bbcc", SOI]


@pytest.mark.parametrize("syntax", [EXPLICIT, JPEG])
def test_more_frames_than_a_table_can_hold_are_refused(syntax: str) -> None:
    """A frame of one pixel takes a byte of the object, and some hundred of a table."""
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 1_000_002) + bytes(1_000_002)
    fragments = encapsulated(b"", *[b""] * 1_000_001)
    data = described(1_000_001, rows=1, columns=1) + (pixels if syntax == EXPLICIT else fragments)
    with pytest.raises(PacsdError) as refused:
        table_of(data, syntax)
    assert refused.value.fault is Fault.TOO_MUCH


def test_a_table_of_more_offsets_than_frames_is_not_looked_at() -> None:
    data = described(2) + encapsulated(bytes(8 << 20), b"aa", b"bb")
    tracemalloc.start()
    assert frames_of(data, JPEG) == [b"aa", b"bb"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 << 20


def test_a_video_is_one_frame() -> None:
    assert frames_of(described(250) + encapsulated(b"", b"aa", b"bb"), MPEG4) == [b"aabb"]


@pytest.mark.parametrize(
    "data",
    [
        described(3) + encapsulated(b"", b"aa", b"bb"),
        described(2) + encapsulated(b"", b"aa", b"bb", b"cc"),
        described(1) + encapsulated(b"", b"aa", ended=False),
        described(1) + encapsulated(b""),
        described(2) + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 6) + bytes(6),
        described(2**31) + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 6) + bytes(6),
        described(1, rows=0) + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 6) + bytes(6),
    ],
)
def test_contradictions_are_malformed(data: bytes) -> None:
    with pytest.raises(PacsdError) as caught:
        table_of(data, RLE)
    assert caught.value.fault is Fault.MALFORMED


def test_one_bit_frames_share_bytes() -> None:
    pixels = bytes([0b1010_1011, 0b0000_0110, 0, 0])
    head = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 4)
    data = described(2, rows=3, columns=3, bits=1) + head + pixels
    found = table_of(data, EXPLICIT)
    assert (found.frame_bits, found.bit_offsets) == (9, (0, 1))
    second = frames_of(data, EXPLICIT)[1]
    assert unpacked_bits(second, bit_offset=1, bits=9) == bytes([0b0000_0011, 0])


def test_no_pixel_data_is_none() -> None:
    data = described(1)
    reader = BytesReader(data)
    assert frame_extents(reader, offset_bytes=0, length_bytes=len(data), transfer_syntax_uid=EXPLICIT) is None


def test_bulk_data_of_an_item_of_undefined_length() -> None:
    value = struct.pack("<HH2sHI", 0x5400, 0x1010, b"OW", 0, 4) + b"wave"
    first = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    second = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + value + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    data = struct.pack("<HH2sHI", 0x5400, 0x100, b"SQ", 0, 0xFFFFFFFF) + first + second
    data += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    how = {"offset_bytes": 0, "length_bytes": len(data), "transfer_syntax_uid": EXPLICIT}
    found = bulk(BytesReader(data), "54000100/2/54001010", **how)           # type: ignore[arg-type]
    ((at, length),) = found.extents
    assert (data[at : at + length], found.vr) == (b"wave", "OW")
    for path in ("54000100/1/54001010", "54000100/3/54001010", "7FE00010", "x", "54000100/1", ""):
        with pytest.raises(PacsdError) as caught:
            bulk(BytesReader(data), path, **how)                            # type: ignore[arg-type]
        assert caught.value.fault is Fault.NOT_FOUND


# Their pixel data is truncated or not described; pydicom hands out what there is.
REFUSED = {"MR_truncated.dcm", "badVR.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm",
           "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"}


def test_agrees_with_pydicom_on_every_real_file(data_folder: Path) -> None:
    seen = 0
    for path in sorted((data_folder / "dicom").rglob("*.dcm")):
        if path.name in REFUSED or path.name == "no_meta.dcm":
            continue
        data = path.read_bytes()
        meta = read_meta(data[:65536])
        found = frame_extents(
            BytesReader(data), offset_bytes=meta.dataset_offset, length_bytes=len(data) - meta.dataset_offset,
            transfer_syntax_uid=meta.transfer_syntax_uid,
        )
        reference = pydicom.dcmread(path, force=True)
        keyword = next((k for k in ("PixelData", "FloatPixelData") if k in reference), None)
        assert (found is None) == (keyword is None), path.name
        if found is None or keyword is None or found.inflated:
            continue
        ours = [b"".join(data[at : at + length] for at, length in extents) for extents in found.frames]
        value = reference[keyword].value
        if found.encapsulated:
            count = int(reference.get("NumberOfFrames") or 1)
            assert ours == list(generate_frames(value, number_of_frames=count)), path.name
        elif not found.bit_offsets:
            assert value.startswith(b"".join(ours)), path.name
        seen += 1
    assert seen > 100


class Counting(BytesReader):
    """Counts what is read."""

    read = 0

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        Counting.read += length_bytes
        return super().pread(length_bytes, offset_bytes)


def test_a_deflated_data_set_is_read_no_further_than_it_may_inflate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_INFLATED_BYTES", 8 << 20)
    deflater = zlib.compressobj(level=0, wbits=-15)
    bomb = deflater.compress(bytes(64 << 20)) + deflater.flush()
    with pytest.raises(PacsdError) as refused:
        frame_extents(
            Counting(bomb), offset_bytes=0, length_bytes=len(bomb), transfer_syntax_uid="1.2.840.10008.1.2.1.99"
        )
    assert refused.value.fault is Fault.TOO_MUCH and Counting.read < 12 << 20
