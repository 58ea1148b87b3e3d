"""Decoding and encoding of frames; pydicom and its plugins are the reference."""

import struct
import time
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.codec import decoders, encoders
from pacsd.codec.encoders import coded_description
from pacsd.codec.frames import BytesReader, frame_extents
from pacsd.codec.pixel_module import read_pixel_module
from pacsd.codec.pixels import (
    Loss,
    PixelDescription,
    decode_cells,
    decode_frame,
    decoded_photometric_interpretation,
    encode_frame,
    stored_values,
    to_rgb,
)
from pacsd.codec.transfer_syntaxes import TRANSFER_SYNTAXES, transfer_syntax
from pacsd.faults import Fault, PacsdError
from tests.codec.images import EXPLICIT, JPEG, LOSSLESS, LOSSY, Image, cells_of, descriptions, real_images

GREY = PixelDescription(33, 47, 1, 16, 12, 11)
COLOUR = PixelDescription(34, 48, 3, 8, 8, 7, 0, "RGB")
BYTES = PixelDescription(33, 47, 1, 8, 8, 7)
COMPRESSED = tuple(uid for uid in LOSSLESS if uid not in ("1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"))

# OpenJPH's wrapper writes the error that it does not raise
MAY_COMPLAIN = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_the_table_of_transfer_syntaxes_says_what_can_be_done() -> None:
    convertible = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"}
    assert {one.uid for one in TRANSFER_SYNTAXES if one.decoded} == set(decoders.DECODERS)
    assert {one.uid for one in TRANSFER_SYNTAXES if one.encoded} == set(encoders.ENCODERS) | convertible


def coded(description: PixelDescription, syntax: str, **how: Any) -> tuple[PixelDescription, bytes]:
    cells = cells_of(description, 1)
    return coded_description(syntax, description), encode_frame(cells, syntax, description, **how)


def may_be_coded(description: PixelDescription, syntax: str) -> bool:
    """What the tables of PS3.5 8.2 allow, as far as it goes here."""
    if syntax in ("1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"):
        return True
    return description.bits_allocated in ((8, 16, 32) if syntax == "1.2.840.10008.1.2.5" else (8, 16))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(descriptions(), st.sampled_from(LOSSLESS), st.integers(0, 99), st.booleans())
def test_what_is_coded_without_loss_comes_back_bit_for_bit(
    description: PixelDescription, syntax: str, seed: int, whole: bool
) -> None:
    cells = cells_of(description, seed, whole=whole)
    if not may_be_coded(description, syntax):
        with pytest.raises(PacsdError):
            encode_frame(cells, syntax, description)
        return
    then = coded_description(syntax, description)
    back = decode_cells(encode_frame(cells, syntax, description), syntax, then)
    assert back.dtype == cells.dtype and np.array_equal(back, cells)


@pytest.mark.parametrize(
    ("description", "syntax"), [(GREY, JPEG + "51"), (COLOUR, JPEG + "50"), (BYTES, JPEG + "50")]
)
def test_lossy_jpeg_stays_near(description: PixelDescription, syntax: str) -> None:
    smooth = np.add.outer(np.arange(description.rows), np.arange(description.columns)) % 200
    cells = np.broadcast_to(smooth.reshape(*smooth.shape, *[1] * (len(description.shape) - 2)), description.shape)
    then = coded_description(syntax, description)
    frame = encode_frame(cells.astype(description.dtype), syntax, description)
    back = decode_frame(frame, syntax, then).astype(int)
    assert np.abs(back - cells).mean() < 4
    if description is COLOUR:
        assert then.photometric_interpretation == "YBR_FULL_422"
        assert decoded_photometric_interpretation(syntax, then) == "RGB"


@pytest.mark.parametrize(
    ("syntax", "loss", "at_most"),
    [(JPEG + "81", Loss(near=3), 3), (JPEG + "91", Loss(psnr_db=60), 60), (JPEG + "203", Loss(step=1 / 1024), 60)],
)
def test_a_stated_loss_is_lost_and_no_more(syntax: str, loss: Loss, at_most: int) -> None:
    smooth = replace(GREY, rows=256, columns=256)
    cells = (np.add.outer(np.arange(256), np.arange(256)) * 7 + cells_of(smooth, 1) // 64).astype(np.uint16) % 4096
    lossless = encode_frame(cells, syntax, smooth)
    frame = encode_frame(cells, syntax, smooth, loss=loss)
    error = np.abs(decode_frame(frame, syntax, smooth).astype(int) - cells)
    assert 0 < error.max() <= at_most
    assert len(frame) < len(lossless)


def test_loss_is_refused_where_a_syntax_cannot_lose() -> None:
    with pytest.raises(PacsdError) as refused:
        encode_frame(cells_of(GREY, 1), JPEG + "80", GREY, loss=Loss())
    assert refused.value.fault is Fault.UNSUPPORTED


def test_every_real_frame_is_what_pydicom_decodes(data_folder: Any) -> None:
    checked = set()
    for image in real_images(data_folder / "dicom"):
        if transfer_syntax(image.syntax).deflated or transfer_syntax(image.syntax).big_endian:
            image = image.into(EXPLICIT)
        dataset = image.read()
        if "PixelData" not in dataset:
            continue
        frame, description = first_frame(image)
        if description.subsampled:
            continue                     # pydicom makes RGB of it
        try:
            theirs = dataset.pixel_array
        except (RuntimeError, NotImplementedError):
            continue                     # no plugin for it here
        ours = decode_frame(frame, image.syntax, description)
        assert np.array_equal(ours, theirs[0] if description.number_of_frames > 1 else theirs), image.path
        checked.add(image.syntax)
    assert checked >= {EXPLICIT, "1.2.840.10008.1.2.5", JPEG + "90"}


@pytest.mark.parametrize("end", ["50", "51", "53", "55", "57", "70", "80", "81", "90", "91"])
def test_the_same_slice_in_many_syntaxes_decodes_to_nearly_the_same(data_folder: Any, end: str) -> None:
    folder = data_folder / "dicom" / "transfer_syntax" / "same_ct_in_many"
    by_syntax = {image.syntax: image for image in real_images(folder)}
    plain = by_syntax[EXPLICIT].read().pixel_array.astype(int)
    frame, description = first_frame(by_syntax[JPEG + end])
    ours = decode_frame(frame, JPEG + end, description).astype(int)
    if end in ("57", "70", "80", "90"):
        shift = int(by_syntax[JPEG + end].read().RescaleIntercept) - int(by_syntax[EXPLICIT].read().RescaleIntercept)
        assert np.array_equal(ours + shift, plain)
    else:                                # their writer scaled the values to what the process holds
        assert np.corrcoef(ours.ravel(), plain.ravel())[0, 1] > 0.98


def first_frame(image: Image) -> tuple[bytes, PixelDescription]:
    where = {"offset_bytes": 0, "length_bytes": len(image.data), "transfer_syntax_uid": image.syntax}
    table, module = frame_extents(BytesReader(image.data), **where), read_pixel_module(BytesReader(image.data), **where)
    assert table is not None and module is not None
    return b"".join(image.data[start : start + length] for start, length in table.frames[0]), module.description


def test_bits_beside_bits_stored_are_no_value() -> None:
    high = PixelDescription(1, 3, 1, 16, 8, 11, 1)
    cells = np.array([[0x0FF0, 0xF7F5, 0x0800]], np.uint16).view(np.int16)
    assert stored_values(cells, high).tolist() == [[-1, 0x7F, -128]]
    assert decode_frame(cells.tobytes(), EXPLICIT, high).tolist() == [[-1, 0x7F, -128]]
    assert decode_cells(cells.tobytes(), EXPLICIT, high).tolist() == cells.tolist()


def test_native_planes_and_subsampled_chrominance() -> None:
    by_plane = replace(COLOUR, rows=1, columns=2, planar_configuration=1)
    assert decode_frame(bytes(range(6)), EXPLICIT, by_plane).tolist() == [[[0, 2, 4], [1, 3, 5]]]
    half = replace(COLOUR, rows=1, columns=2, photometric_interpretation="YBR_FULL_422")
    assert decode_frame(bytes((10, 20, 30, 40)), EXPLICIT, half).tolist() == [[[10, 30, 40], [20, 30, 40]]]
    assert decoded_photometric_interpretation(EXPLICIT, half) == "YBR_FULL"
    with pytest.raises(PacsdError):
        decode_frame(bytes(6), EXPLICIT, replace(half, columns=3))


def test_one_bit_and_floating_values() -> None:
    bits = PixelDescription(2, 5, 1, 1, 1, 0)
    assert decode_frame(b"\x21\x02", EXPLICIT, bits).tolist() == [[1, 0, 0, 0, 0], [1, 0, 0, 0, 1]]
    floats = PixelDescription.of_values({"rows": 1, "columns": 2}, value_type="float")
    assert decode_frame(struct.pack("<2f", 1.5, -2), EXPLICIT, floats).tolist() == [[1.5, -2]]
    doubles = PixelDescription.of_values({"rows": 1, "columns": 1}, value_type="double")
    assert decode_frame(struct.pack("<d", 0.1), EXPLICIT, doubles).tolist() == [[0.1]]


def test_luminance_becomes_red_green_blue() -> None:
    grey = np.full((1, 1, 3), 128, np.uint8)
    assert to_rgb(grey, "YBR_FULL").tolist() == [[[128, 128, 128]]]
    assert to_rgb(np.array([[[76, 85, 255]]], np.uint8), "YBR_FULL").tolist() == [[[254, 0, 0]]]
    assert to_rgb(np.array([[[235, 128, 128]]], np.uint8), "YBR_PARTIAL_422").tolist() == [[[255, 255, 255]]]
    with pytest.raises(PacsdError):
        to_rgb(grey, "CMYK")


@MAY_COMPLAIN
@pytest.mark.parametrize("description", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("syntax", COMPRESSED)
def test_a_truncated_frame_is_never_decoded(description: PixelDescription, syntax: str) -> None:
    then, frame = coded(description, syntax)
    for length in sorted({*range(0, 120, 7), *range(120, len(frame) - 8, max(len(frame) // 40, 1))}):
        with pytest.raises(PacsdError) as error:
            decode_frame(frame[:length], syntax, then)
        assert error.value.fault is Fault.MALFORMED


@MAY_COMPLAIN
@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from(COMPRESSED + LOSSY),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6),
)
def test_a_damaged_frame_has_the_described_shape_or_is_refused(syntax: str, damage: list[tuple[int, int]]) -> None:
    description = BYTES if syntax == JPEG + "50" else GREY
    then, frame = coded(description, syntax)
    broken = bytearray(frame)
    for place, value in damage:
        broken[place % len(broken)] = value
    with suppress(PacsdError):           # and nothing else
        assert decode_frame(bytes(broken), syntax, then).shape == description.shape


@pytest.mark.parametrize("syntax", COMPRESSED)
@pytest.mark.parametrize(
    "change", [{"rows": 32}, {"columns": 46}, {"samples_per_pixel": 3, "photometric_interpretation": "RGB"}]
)
def test_a_frame_of_other_dimensions_is_refused(syntax: str, change: dict[str, Any]) -> None:
    then, frame = coded(GREY, syntax)
    with pytest.raises(PacsdError) as error:
        decode_frame(frame, syntax, replace(then, **change))
    assert error.value.fault is Fault.MALFORMED


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_a_bomb_is_found_before_it_is_unpacked(syntax: str) -> None:
    """A code stream that claims 65,000 × 65,000 pixels; and a data set that agrees with it."""
    then, frame = coded(GREY, syntax)
    bomb = frame
    if syntax != "1.2.840.10008.1.2.5":
        small, huge = struct.pack(">HH", 33, 47), struct.pack(">HH", 65000, 65000)
        if frame[:2] == b"\xff\x4f":
            small, huge = struct.pack(">II", 47, 33), struct.pack(">II", 65000, 65000)
        bomb = frame.replace(small, huge)
        assert bomb != frame
    started = time.monotonic()
    for description in (then, replace(then, rows=65000, columns=65000)):
        if bomb == frame and description is then:
            continue
        with pytest.raises(PacsdError) as error:
            decode_frame(bomb, syntax, description)
        assert error.value.fault in (Fault.MALFORMED, Fault.TOO_MUCH)
    assert time.monotonic() - started < 5                        # to decode it would take longer


def test_a_mosaic_of_tiny_tiles_is_refused() -> None:
    description = PixelDescription(250, 250)
    frame = bytearray(encode_frame(cells_of(description, 1), JPEG + "90", description))
    frame[24:32] = struct.pack(">II", 1, 1)          # XTsiz, YTsiz
    with pytest.raises(PacsdError) as error:
        decode_frame(bytes(frame), JPEG + "90", description)
    assert error.value.fault is Fault.TOO_MUCH


def coding_styles(frame: bytes, *, layers: int, exponent: int) -> dict[str, bytes]:
    """A JPEG 2000 frame with another coding style, in each of the places that one may stand in (T.800 A.6.1, A.6.2)."""
    at, sot = frame.index(b"\xff\x52"), frame.index(b"\xff\x90")
    end = at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    said = bytearray(frame[at + 4 : end])
    said[0], said[2:4] = said[0] | 1, struct.pack(">H", layers)
    said += bytes((exponent | exponent << 4,)) * (said[5] + 1)
    style = b"\xff\x52" + struct.pack(">H", len(said) + 2) + said
    component = b"\xff\x53" + struct.pack(">H", len(said) - 1) + b"\0\1" + said[5:]
    tile = bytearray(frame[sot : sot + 12])
    tile[6:10] = struct.pack(">I", int.from_bytes(tile[6:10], "big") + len(style))
    return {
        "main header": frame[:at] + style + frame[end:],
        "component": frame[:end] + component + frame[end:],
        "tile": frame[:sot] + tile + style + frame[sot + 12 :],
    }


@pytest.mark.parametrize("syntax", [JPEG + "90", JPEG + "201"])
@pytest.mark.parametrize(
    ("place", "layers", "exponent"),
    [("main header", 1, 1), ("component", 1, 1), ("tile", 1, 1), ("main header", 65535, 7), ("tile", 65535, 7)],
)
def test_a_mosaic_of_tiny_precincts_is_refused(syntax: str, place: str, layers: int, exponent: int) -> None:
    """160 bytes of which a decoder would make tables of 2 GB; so it would of more layers than anyone uses."""
    description = PixelDescription(2048, 2048, 1, 8, 8, 7)
    frame = encode_frame(np.zeros((2048, 2048), np.uint8), syntax, description)
    with pytest.raises(PacsdError) as error:
        decode_frame(coding_styles(frame, layers=layers, exponent=exponent)[place], syntax, description)
    assert error.value.fault is Fault.TOO_MUCH


def test_usual_precincts_and_layers_are_decoded() -> None:
    description = PixelDescription(512, 512, 1, 8, 8, 7)
    cells = np.zeros((512, 512), np.uint8)
    frame = coding_styles(encode_frame(cells, JPEG + "90", description), layers=1, exponent=7)["main header"]
    assert np.array_equal(decode_frame(frame, JPEG + "90", description), cells)


def test_a_jpeg_stream_of_endless_scans_is_refused() -> None:
    """Each scan goes over all pixels: a megabyte of them would keep a processor for an hour."""
    description = PixelDescription(64, 64, 1, 8, 8, 7)
    out = BytesIO()
    PIL.Image.new("L", (64, 64)).save(out, "JPEG", progressive=True)
    frame = out.getvalue()
    assert (decode_frame(frame, JPEG + "55", description) == 0).all()
    last = frame[frame.rindex(b"\xff\xda") : -2]
    with pytest.raises(PacsdError) as error:
        decode_frame(frame[:-2] + last * 200 + frame[-2:], JPEG + "55", description)
    assert error.value.fault is Fault.TOO_MUCH


def test_an_rle_frame_cannot_grow() -> None:
    description = PixelDescription(100, 100, 1, 8, 8, 7)
    bomb = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 100_000
    with pytest.raises(PacsdError) as error:
        decode_frame(bomb, "1.2.840.10008.1.2.5", description)
    assert error.value.fault is Fault.MALFORMED


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"rows": 0, "columns": 1}, Fault.MALFORMED),
        ({"rows": 1, "columns": 1, "number_of_frames": "many"}, Fault.MALFORMED),
        ({"rows": 1, "columns": 1, "bits_allocated": 12}, Fault.UNSUPPORTED),
        ({"rows": 1, "columns": 1, "samples_per_pixel": 2}, Fault.UNSUPPORTED),
        ({"rows": 1, "columns": 1, "bits_allocated": 8, "bits_stored": 12}, Fault.MALFORMED),
        ({"rows": 65535, "columns": 65535}, Fault.TOO_MUCH),
    ],
)
def test_what_describes_no_image_is_refused(values: dict[str, Any], fault: Fault) -> None:
    with pytest.raises(PacsdError) as error:
        PixelDescription.of_values(values)
    assert error.value.fault is fault


@pytest.mark.parametrize("end", ["201", "202", "203"])
@pytest.mark.parametrize("size", [(40, 50), (512, 512), (70, 2100)])
def test_htj2k_is_in_resolution_order_with_tile_part_lengths(end: str, size: tuple[int, int]) -> None:
    """PS3.5 10.18: RPCL, TLM, and a base resolution of at most 64 × 64."""
    description = PixelDescription(*size, 1, 16, 12, 11)
    frame = encode_frame(cells_of(description, 1), JPEG + end, description)
    coding = frame.index(b"\xff\x52")
    order, decompositions = frame[coding + 5], frame[coding + 9]
    assert order == 2 and max(size) / 2**decompositions <= 64
    assert b"\xff\x55" in frame[: frame.index(b"\xff\x90")]
    assert frame[42] == 11                           # depth less one: Bits Stored


def test_nothing_but_the_code_stream_is_written() -> None:
    for syntax in (JPEG + "80", JPEG + "70", JPEG + "90", JPEG + "201"):
        _, frame = coded(GREY, syntax)
        assert b"JFIF" not in frame and b"SPIFF" not in frame and b"jP  " not in frame


def test_an_unknown_syntax_has_no_decoder() -> None:
    for uid in ("1.2.3", JPEG + "102", JPEG + "92"):
        with pytest.raises(PacsdError) as error:
            decode_frame(b"x", uid, GREY)
        assert error.value.fault is Fault.UNSUPPORTED


def test_pydicom_agrees_on_signed_jpeg_2000(data_folder: Any) -> None:
    path = data_folder / "dicom" / "transfer_syntax" / "small" / "MR_small_jp2klossless.dcm"
    [image] = [one for one in real_images(path.parent) if one.path == path]
    frame, description = first_frame(image)
    assert description.pixel_representation == 1
    assert np.array_equal(decode_frame(frame, image.syntax, description), pydicom.dcmread(path).pixel_array)
