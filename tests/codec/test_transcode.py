"""Whole data sets from one transfer syntax into another: every real file into everything it may be, and back.

What our libraries have coded is decoded by others in tests/web/test_every_image.py.
"""

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import generate_frames

from pacsd.codec.frames import BytesReader, frame_extents
from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.transcode import Loss, check, is_transcodable, result_uid, transcoded
from pacsd.codec.transfer_syntaxes import TRANSFER_SYNTAXES
from pacsd.faults import Fault, PacsdError
from tests.codec.images import (
    EXPLICIT,
    JPEG,
    LOSSLESS,
    Image,
    cells_of,
    descriptions,
    image_of,
    kind,
    real_images,
)

RLE = "1.2.840.10008.1.2.5"
PIXEL_ATTRIBUTES = {"PhotometricInterpretation", "PlanarConfiguration", "LossyImageCompression", "PixelData"}


def same(one: pydicom.Dataset, other: pydicom.Dataset, *, but: frozenset[str] = frozenset()) -> bool:
    """Whether two data sets say the same, element by element and byte by byte; group lengths and padding apart."""
    ours = {element.tag: element for element in one if element.tag.element and element.keyword not in but}
    theirs = {element.tag: element for element in other if element.tag.element and element.keyword not in but}
    if ours.keys() != theirs.keys():
        return False
    return all(ours[tag] == theirs[tag] or _same_pixels(ours[tag], theirs[tag]) for tag in ours)


def _same_pixels(one: Any, other: Any) -> bool:
    if one.keyword != "PixelData":
        return False
    short, long = sorted((bytes(one.value), bytes(other.value)), key=len)
    return long.startswith(short) and len(long) - len(short) < 2


@pytest.mark.slow
def test_every_real_image_survives_the_lossless_syntaxes(data_folder: Path) -> None:
    """The first of each kind all of them; each further one of a kind another, in turn."""
    legal = 0
    seen: Counter[object] = Counter()
    for image in real_images(data_folder / "dicom"):
        if not is_transcodable(image.syntax, EXPLICIT):
            continue
        plain = image if image.syntax == EXPLICIT else image.into(EXPLICIT)
        stored = plain.read()
        if stored.get("PhotometricInterpretation") == "YBR_FULL_422":
            continue                     # native: chrominance is upsampled; see below
        what = kind(image)[1:]
        turn = seen[what] - 1
        seen[what] += 1
        targets = LOSSLESS if turn < 0 else (LOSSLESS[turn % len(LOSSLESS)],)
        for target in targets:
            if not fits(image, target):
                continue
            back = image.into(target).into(EXPLICIT)
            assert same(back.read(), stored), (image.path, target)
            legal += 1
    assert legal > 200


def fits(image: Image, target: str) -> bool:
    try:
        check([image.data], source=image.syntax, target=target, length_bytes=len(image.data))
    except PacsdError as error:
        assert error.fault is Fault.UNSUPPORTED, (image.path, target)  # noqa: PT017
        return False
    return True


@settings(max_examples=60, deadline=None, derandomize=True)
@given(descriptions(), st.integers(1, 3), st.sampled_from(LOSSLESS), st.sampled_from(LOSSLESS), st.integers(1, 5000))
def test_made_up_images_survive_two_syntaxes_in_pieces(
    description: PixelDescription, count: int, first: str, second: str, piece: int
) -> None:
    image = image_of(description, [cells_of(description, seed) for seed in range(count)])
    if not (fits(image, first) and fits(image, second)):
        return
    there = image.into(first, piece=piece)
    assert frames_of(there) == count
    further = there if first == second else there.into(second, piece=piece)
    back = further.into(EXPLICIT, piece=piece)
    interleaved = description.planar_configuration and description.samples_per_pixel > 1
    if interleaved and not {first, second} <= {"1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1", RLE}:
        assert same(back.read(), image.read(), but=frozenset(PIXEL_ATTRIBUTES))
    else:
        assert back.data == image.data


def frames_of(image: Image) -> int:
    table = frame_extents(
        BytesReader(image.data), offset_bytes=0, length_bytes=len(image.data), transfer_syntax_uid=image.syntax
    )
    return len(table.frames) if table is not None else 0


COLOUR = PixelDescription(8, 6, 3, 8, 8, 7, 0, "RGB", 1)


@pytest.mark.parametrize(
    ("target", "photometric", "planar"),
    [
        (RLE, "RGB", 1), (JPEG + "50", "YBR_FULL_422", 0), (JPEG + "70", "RGB", 0), (JPEG + "80", "RGB", 0),
        (JPEG + "90", "YBR_RCT", 0), (JPEG + "201", "YBR_RCT", 0),
    ],
)  # fmt: skip
def test_what_describes_colours_follows_the_coding(target: str, photometric: str, planar: int) -> None:
    image = image_of(COLOUR, [cells_of(COLOUR, 1)])
    coded = image.into(target).read()
    assert (coded.PhotometricInterpretation, coded.PlanarConfiguration) == (photometric, planar)
    assert coded["PixelData"].VR == "OB" and coded[0xFFFCFFFC].value == b"behind"
    assert image.into(target).into(EXPLICIT).read().PhotometricInterpretation == "RGB"


def test_native_chrominance_is_upsampled() -> None:
    half = image_of(COLOUR, [cells_of(COLOUR, 1)]).read()
    half.PhotometricInterpretation, half.PlanarConfiguration = "YBR_FULL_422", 0
    half.PixelData = bytes(8 * 6 * 2)
    image = Image(EXPLICIT, written(half))
    back = image.into(JPEG + "80").into(EXPLICIT).read()
    assert back.PhotometricInterpretation == "YBR_FULL" and len(back.PixelData) == 8 * 6 * 3


def written(dataset: pydicom.Dataset) -> bytes:
    out = pydicom.filebase.DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = False, True
    pydicom.filewriter.write_dataset(out, dataset)
    return out.getvalue()


def test_a_lossy_image_is_derived_and_names_its_source() -> None:
    """PS3.3 C.7.6.1.1.5."""
    grey = PixelDescription(64, 64, 1, 8, 8, 7)
    image = image_of(grey, [cells_of(grey, 1)])
    coded = image.into(JPEG + "50").read()
    assert coded.SOPInstanceUID == result_uid("1.2.3", EXPLICIT, JPEG + "50") != "1.2.3"
    assert coded.SOPInstanceUID == image.into(JPEG + "50", piece=99).read().SOPInstanceUID
    assert coded.ImageType == ["DERIVED", "PRIMARY"]
    assert coded.LossyImageCompression == "01" and coded.LossyImageCompressionMethod == "ISO_10918_1"
    [frame] = generate_frames(coded.PixelData, number_of_frames=1)
    assert abs(float(coded.LossyImageCompressionRatio) - 64 * 64 / len(frame)) < 0.1
    [source] = coded.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == "1.2.3" and source.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121320"
    assert coded.DerivationCodeSequence[0].CodeValue == "113040"
    back = image.into(JPEG + "50").into(EXPLICIT).read()
    assert back.SOPInstanceUID == coded.SOPInstanceUID and back.LossyImageCompression == "01"


def test_a_loss_before_is_added_to() -> None:
    grey = PixelDescription(64, 64)
    one = image_of(grey, [cells_of(grey, 1)]).read()
    one.LossyImageCompression, one.LossyImageCompressionRatio = "01", "9"
    one.LossyImageCompressionMethod = "ISO_10918_1"
    data = written(one)
    coded = b"".join(transcoded([data], source=EXPLICIT, target=JPEG + "81", loss=Loss(near=5)))
    read = Image(JPEG + "81", coded).read()
    assert read.LossyImageCompressionMethod == ["ISO_10918_1", "ISO_14495_1"]
    assert read.LossyImageCompressionRatio[0] == 9 and len(read.LossyImageCompressionRatio) == 2


@pytest.mark.parametrize(("end", "loss"), [("91", Loss()), ("203", Loss())])
def test_the_wavelet_tells_whether_something_was_lost(end: str, loss: Loss) -> None:
    grey = PixelDescription(64, 64)
    image = image_of(grey, [cells_of(grey, 1)])
    lossy = Image(JPEG + end, b"".join(transcoded([image.data], source=EXPLICIT, target=JPEG + end, loss=loss))).read()
    del lossy.LossyImageCompression
    assert Image(JPEG + end, written(lossy)).into(EXPLICIT).read().LossyImageCompression == "01"
    assert "LossyImageCompression" not in image.into(JPEG + end).into(EXPLICIT).read()


@pytest.mark.parametrize("end", ["50", "81"])
def test_what_was_stored_with_loss_is_marked_when_it_is_decoded(data_folder: Path, end: str) -> None:
    folder = data_folder / "dicom" / "transfer_syntax" / "same_ct_in_many"
    [image] = [one for one in real_images(folder) if one.syntax == JPEG + end]
    unmarked = image.read()
    for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if keyword in unmarked:
            delattr(unmarked, keyword)
    back = Image(image.syntax, written(unmarked)).into(EXPLICIT).read()
    assert back.LossyImageCompression == "01"


def test_an_object_without_pixels_is_not_compressed() -> None:
    report = pydicom.Dataset()
    report.SOPClassUID, report.PatientName = "1.2.840.10008.5.1.4.1.1.88.11", "Nobody"
    data = written(report)
    with pytest.raises(PacsdError) as refused:
        Image(EXPLICIT, data).into(JPEG + "80")
    assert refused.value.fault is Fault.UNSUPPORTED
    assert Image(JPEG + "80", data).into(EXPLICIT).data == data


@pytest.mark.parametrize("target", [RLE, JPEG + "90"])
def test_a_cut_object_is_not_passed_off_as_whole(target: str) -> None:
    grey = PixelDescription(16, 16)
    image = image_of(grey, [cells_of(grey, seed) for seed in range(3)])
    coded = image.into(target)
    for whole, into in ((image, target), (coded, EXPLICIT)):
        place = whole.data.index(b"\xe0\x7f\x10\0")
        for length in (place - 3, place + 6, place + 40, len(whole.data) - 30):
            with pytest.raises(PacsdError) as error:
                Image(whole.syntax, whole.data[:length]).into(into)
            assert error.value.fault in (Fault.MALFORMED, Fault.UNSUPPORTED)


@pytest.mark.parametrize("change", ["more", "fewer"])
def test_another_number_of_frames_than_there_are_is_refused(change: str) -> None:
    grey = PixelDescription(16, 16)
    coded = image_of(grey, [cells_of(grey, seed) for seed in range(3)]).into(RLE)
    told = coded.data.replace(b"IS\x02\x003 ", b"IS\x02\x004 " if change == "more" else b"IS\x02\x002 ")
    assert told != coded.data
    with pytest.raises(PacsdError):
        Image(RLE, told).into(EXPLICIT)


def test_frames_in_several_fragments_are_joined() -> None:
    grey = PixelDescription(64, 64)
    image = image_of(grey, [cells_of(grey, seed) for seed in range(2)])
    one = image.into(JPEG + "90").read()
    frames = list(generate_frames(one.PixelData, number_of_frames=2))
    for offsets in (True, False):
        one.PixelData = pydicom.encaps.encapsulate(frames, fragments_per_frame=3, has_bot=offsets)
        one["PixelData"].is_undefined_length = True
        assert Image(JPEG + "90", written(one)).into(EXPLICIT).data == image.data


def test_a_long_object_goes_through_in_bounded_memory() -> None:
    grey = PixelDescription(512, 512)
    frames, cells = 200, cells_of(grey, 1).tobytes()
    header = image_of(grey, [cells_of(grey, 1)]).data
    start = header.index(b"\xe0\x7f\x10\0")
    head = header[:start].replace(b"IS\x02\x001 ", b"IS\x04\x00200 ")

    def chunks() -> Iterator[bytes]:
        yield head + b"\xe0\x7f\x10\0OW\0\0" + (frames * len(cells)).to_bytes(4, "little")
        for _ in range(frames):
            yield cells

    tracemalloc.start()
    size = sum(map(len, transcoded(chunks(), source=EXPLICIT, target=JPEG + "201")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > frames * 1000 and peak < 16 << 20


def test_what_cannot_be_reached_is_said() -> None:
    with pytest.raises(PacsdError) as refused:
        next(transcoded([b""], source=JPEG + "102", target=EXPLICIT))
    assert refused.value.fault is Fault.UNSUPPORTED
    video = [one.uid for one in TRANSFER_SYNTAXES if one.video]
    assert not any(is_transcodable(uid, EXPLICIT) for uid in video)


def test_float_pixels_stay_uncompressed(data_folder: Path) -> None:
    path = data_folder / "dicom" / "modality" / "parametric_map" / "parametric_map_float.dcm"
    [image] = real_images(path.parent)
    assert not fits(image, JPEG + "80")
    assert image.into("1.2.840.10008.1.2").into(EXPLICIT).read() == image.read()
