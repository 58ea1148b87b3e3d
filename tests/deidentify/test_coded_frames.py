"""Pixel data of hostile objects, in every transfer syntax: nothing comes out beside the picture."""

import zlib
from io import BytesIO

import imagecodecs
import numpy
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.rle import _rle_decode_frame
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from pacsd.codec.bare_frames import BARE
from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.part10 import build_meta, read_meta
from pacsd.codec.pixels import encode_frame
from pacsd.codec.transfer_syntaxes import TRANSFER_SYNTAXES
from pacsd.faults import Fault, PacsdError
from tests.deidentify.objects import image, outcome, part10

SECRET = b"Zhangsan 000777123 Nobody Knows"
JPEG = "1.2.840.10008.1.2.4."
DESCRIBED = PixelDescription(rows=64, columns=64, bits_allocated=8, bits_stored=8, high_bit=7)
CELLS = (numpy.add.outer(numpy.arange(64), numpy.arange(64)) % 200).astype(numpy.uint8)
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, "1.2.840.10008.1.2.1.99")
CODED = ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1",
         *(JPEG + end for end in ("50", "51", "57", "70", "80", "81", "90", "91", "201", "202", "203")))  # fmt: skip


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def jpeg(coded: bytes) -> bytes:
    """With comments and application data in front, behind the tables, before the end and behind it."""
    told = segment(0xFE, SECRET) + segment(0xE1, b"Exif\0\0" + SECRET) + segment(0xED, SECRET)
    told += segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\1\1" + SECRET[:3]) + segment(0xEE, SECRET)
    scan = coded.index(b"\xff\xda")
    assert coded.endswith(b"\xff\xd9")
    return coded[:2] + told + coded[2:scan] + b"\xff\xff" + told + coded[scan:-2] + told + b"\xff\xd9" + SECRET


def jpeg_2000(coded: bytes) -> bytes:
    """In a JP2 box with another one, with comments in the main header and in that of a tile-part, and a tail."""
    comment = b"\xff\x64" + (len(SECRET) + 4).to_bytes(2, "big") + b"\0\1" + SECRET
    tile = coded.index(b"\xff\x90")
    length = int.from_bytes(coded[tile + 6 : tile + 10], "big")
    part = coded[tile : tile + 6] + (length + len(comment) if length else 0).to_bytes(4, "big") + coded[
        tile + 10 : tile + 12] + comment + coded[tile + 12 :]      # fmt: skip
    at = coded.index(b"\xff\x52")
    stream = coded[:at] + comment + coded[at:tile] + part + SECRET
    uuid = b"uuid" + SECRET
    box = b"\0\0\0\x0cjP  \r\n\x87\n" + (len(uuid) + 4).to_bytes(4, "big") + uuid
    return box + (len(stream) + 8).to_bytes(4, "big") + b"jp2c" + stream


def rle(coded: bytes) -> bytes:
    """With bytes in place of offsets that are not used."""
    return coded[:8] + SECRET.ljust(56, b"\0") + coded[64:]


def plain(syntax: str) -> bytes:
    """A frame as it should be."""
    return encode_frame(CELLS, JPEG + "50" if syntax == JPEG + "51" else syntax, DESCRIBED)


def hostile(syntax: str) -> bytes:
    """A frame with secrets in every place that its syntax has for them."""
    if syntax == "1.2.840.10008.1.2.8.1":
        squeeze = zlib.compressobj(wbits=-15)
        return squeeze.compress(CELLS.tobytes()) + squeeze.flush() + SECRET
    coded = plain(syntax)
    if syntax in BARE:
        return jpeg_2000(coded) if syntax.endswith(("90", "91", "201", "202", "203")) else jpeg(coded)
    return rle(coded) if syntax.endswith("2.5") else coded + SECRET


def file_of(frames: list[bytes], syntax: str, **attributes: object) -> bytes:
    given = image(Rows=64, Columns=64, BitsAllocated=8, BitsStored=8, HighBit=7, NumberOfFrames=len(frames),
                  **attributes)  # fmt: skip
    given.PixelData = encapsulate(frames, has_bot=True)
    given["PixelData"].VR = "OB"
    given["PixelData"].is_undefined_length = True
    data = part10(given, RLELossless)        # pydicom writes no syntax that it does not know
    meta = build_meta(sop_class_uid=given.SOPClassUID, sop_instance_uid=given.SOPInstanceUID,
                      transfer_syntax_uid=syntax)  # fmt: skip
    return meta.data + data[read_meta(data).dataset_offset :]


@pytest.mark.parametrize("syntax", CODED)
def test_nothing_is_left_beside_the_picture(syntax: str) -> None:
    given = file_of([hostile(syntax)] * 2, syntax)
    assert given.count(SECRET[:20]) >= 2
    made = b"".join(outcome(given).part10())
    assert SECRET[:8] not in made and b"Nobody" not in made and b"000777123" not in made
    read = pydicom.dcmread(BytesIO(made))
    assert read_meta(made).transfer_syntax_uid == syntax
    frames = list(generate_frames(read.PixelData, number_of_frames=2))
    assert len(frames) == 2 and frames[0] == frames[1]
    lossless = not syntax.endswith(("4.50", "4.51", "4.81"))
    cells = decoded(frames[0], syntax)
    assert (cells == CELLS).all() if lossless else (abs(cells.astype(int) - CELLS) < 40).all()


def decoded(frame: bytes, syntax: str) -> numpy.ndarray:
    """By libraries that know nothing of ours."""
    if syntax.endswith(("90", "91")):
        return imagecodecs.jpeg2k_decode(frame)
    if syntax.endswith(("201", "202", "203")):
        return imagecodecs.htj2k_decode(frame)
    if syntax.endswith(("80", "81")):
        return imagecodecs.jpegls_decode(frame)
    if syntax in BARE:
        return imagecodecs.jpeg8_decode(frame)
    if syntax.endswith("2.5"):
        return numpy.frombuffer(_rle_decode_frame(frame, 64, 64, 1, 8), numpy.uint8).reshape(64, 64)
    raw = frame if syntax.endswith("98") else zlib.decompress(frame, -15)
    return numpy.frombuffer(raw[: 64 * 64], numpy.uint8).reshape(64, 64)


@pytest.mark.parametrize("syntax", [one for one in CODED if one in BARE])
def test_the_code_stream_itself_stays_bit_for_bit(syntax: str) -> None:
    given = plain(syntax)
    coded = given[given.index(b"\xff\x93" if b"\xff\x93" in given else b"\xff\xda") :]
    clean = BARE[syntax](given)
    assert BARE[syntax](hostile(syntax)).endswith(coded) and clean.endswith(coded)
    assert BARE[syntax](clean) == clean and len(clean) <= len(given)


@pytest.mark.parametrize("syntax", NATIVE)
def test_native_pixel_data_ends_where_it_is_described_to_end(syntax: str) -> None:
    cells = numpy.arange(16, dtype=">u2" if syntax == ExplicitVRBigEndian else "<u2").tobytes()
    made = b"".join(outcome(part10(image(PixelData=cells + SECRET + b"\0"), syntax)).part10())
    read = pydicom.dcmread(BytesIO(made))
    assert read.PixelData == cells and (read.pixel_array == numpy.arange(16).reshape(4, 4)).all()


def test_offset_tables_are_made_anew() -> None:
    syntax = JPEG + "70"
    frames = [encode_frame(CELLS, syntax, DESCRIBED)] * 2
    given = file_of(frames, syntax, ExtendedOffsetTable=SECRET.ljust(32), ExtendedOffsetTableLengths=SECRET.ljust(32))
    made = b"".join(outcome(given).part10())
    assert SECRET[:8] not in made and "ExtendedOffsetTable" not in pydicom.dcmread(BytesIO(made))
    table = given.index(b"\xfe\xff\x00\xe0\x08\0\0\0") + 8
    made = b"".join(outcome(given[:table] + b"Zhangsan" + given[table + 8 :]).part10())
    assert b"Zhangsan" not in made


HANDLED = {*CODED, *BARE}


@pytest.mark.parametrize("syntax", [one.uid for one in TRANSFER_SYNTAXES if one.encapsulated and one.uid not in HANDLED]
                         + ["1.2.3.4"])  # fmt: skip
def test_what_nobody_here_can_look_through_is_refused(syntax: str) -> None:
    with pytest.raises(PacsdError) as caught:
        outcome(file_of([b"\xff\x0a" + SECRET], syntax))
    assert caught.value.fault is Fault.UNSUPPORTED


@pytest.mark.parametrize("syntax", sorted(BARE))
def test_damaged_frames_are_errors_and_take_no_time(syntax: str) -> None:
    known = syntax if syntax in CODED else JPEG + ("90" if syntax.endswith(("92", "93")) else "50")
    frame = hostile(known)
    for at in range(0, len(frame), 7):
        for damaged in (frame[:at], frame[:at] + b"\xff\xfe" + frame[at:], frame[:at] + b"\xff" * 9 + frame[at + 9 :]):
            try:
                clean = BARE[syntax](damaged)
            except PacsdError:
                continue
            assert len(clean) <= len(damaged)
    for body in (b"", b"\xff\xd8", b"\xff\x4f\xff\x51\0\x29", b"\xff\xd8" + segment(0xC0, b"") * 3, SECRET):
        with pytest.raises(PacsdError):
            BARE[syntax](body)


def test_a_tile_part_that_leads_back_is_an_error() -> None:
    coded = encode_frame(CELLS, JPEG + "90", DESCRIBED)
    tile = coded.index(b"\xff\x90")
    for length in (1, 12, 13, 14, 1 << 31):
        with pytest.raises(PacsdError):
            BARE[JPEG + "90"](coded[: tile + 6] + length.to_bytes(4, "big") + coded[tile + 10 :])
