"""Burned-in text: which images are refused, what is blackened, and in what transfer syntax it comes out."""

from io import BytesIO

import numpy
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from config.deidentification import BurnedIn
from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.pixels import encode_frame
from pacsd.deidentify.pixels import Blackening
from pacsd.faults import Fault, PacsdError
from tests.deidentify.objects import deidentified, image, outcome, part10

TOP = (BurnedIn(modality="US", black=((0, 0, 64, 8),)),)
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def ultrasound(syntax: str = ExplicitVRLittleEndian, *, frames: int = 2, **attributes: object) -> bytes:
    """Frames of 64 × 64, white throughout."""
    made = image(
        Modality="US", Rows=64, Columns=64, NumberOfFrames=frames, BitsAllocated=8, BitsStored=8, HighBit=7,
        **attributes,
    )  # fmt: skip
    white = numpy.full((64, 64), 200, numpy.uint8)
    if syntax in NATIVE:
        made.PixelData = white.tobytes() * frames
    else:
        described = PixelDescription(rows=64, columns=64, bits_allocated=8, bits_stored=8, high_bit=7)
        coded = encode_frame(white, syntax, described)
        made.PixelData = encapsulate([coded] * frames)
        made["PixelData"].is_undefined_length = True
    made["PixelData"].VR = "OB"
    return part10(made, syntax)


@pytest.mark.parametrize("syntax", [*NATIVE, RLELossless, JPEG2000Lossless, "1.2.840.10008.1.2.4.201"])
def test_regions_are_blackened_in_the_same_transfer_syntax(syntax: str) -> None:
    made = b"".join(outcome(ultrasound(syntax), "pixels", burned_in=TOP).part10())
    read = pydicom.dcmread(BytesIO(made))
    assert read.file_meta.TransferSyntaxUID == syntax
    if syntax != "1.2.840.10008.1.2.4.201":
        assert (read.pixel_array[:, :8] == 0).all() and (read.pixel_array[:, 8:] == 200).all()
    assert read.BurnedInAnnotation == "NO"
    assert "113101" in [code.CodeValue for code in read.DeidentificationMethodCodeSequence]


def test_what_was_coded_with_loss_is_coded_without_a_second_one() -> None:
    read = deidentified(ultrasound(JPEGBaseline8Bit), "pixels", burned_in=TOP)
    assert read.file_meta.TransferSyntaxUID == JPEG2000Lossless
    assert read.LossyImageCompression == "01"
    assert (read.pixel_array[:, :8] == 0).all() and (abs(read.pixel_array[:, 8:].astype(int) - 200) < 3).all()


def test_only_ultrasound_regions_stay() -> None:
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 10, 20
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 29, 39
    rule = (BurnedIn(modality="US", outside_ultrasound_regions=True),)
    read = deidentified(ultrasound(SequenceOfUltrasoundRegions=Sequence([region])), "pixels", burned_in=rule)
    inside = numpy.zeros((64, 64), bool)
    inside[20:40, 10:30] = True
    assert (read.pixel_array[:, inside] == 200).all() and (read.pixel_array[:, ~inside] == 0).all()
    with pytest.raises(PacsdError, match="Sequence of Ultrasound Regions"):
        outcome(ultrasound(), "pixels", burned_in=rule)


@pytest.mark.parametrize(
    ("attributes", "options", "more"),
    [
        ({}, (), {}),                                                            # ultrasound, nothing said
        ({}, ("pixels",), {}),                                                   # no rule
        ({"BurnedInAnnotation": "YES"}, (), {"without_rule": "keep"}),
        ({"BurnedInAnnotation": "YES"}, ("pixels",), {}),
        ({"Manufacturer": "OTHER"}, ("pixels",), {"burned_in": (BurnedIn(manufacturer="ACME*", clean=True),)}),
        ({}, ("pixels",), {"burned_in": (BurnedIn(rows=65, clean=True),)}),
        ({}, ("features",), {"burned_in": TOP}),                                 # a rule that leaves the face
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "Modality": "CT"}, (), {}),          # a captured screen
        ({"Modality": "CT", "ImageType": ["DERIVED", "SECONDARY"]}, (), {}),
    ],
)  # fmt: skip
def test_an_image_that_may_have_text_burned_in_is_refused(
    attributes: dict[str, object], options: tuple[str, ...], more: dict[str, object]
) -> None:
    given = image(Modality="US")
    for keyword, value in attributes.items():
        setattr(given, keyword, value)
    with pytest.raises(PacsdError) as caught:
        outcome(part10(given), *options, **more)
    assert caught.value.fault is Fault.UNSUPPORTED


@pytest.mark.parametrize(
    ("attributes", "options", "more", "said"),
    [
        ({"BurnedInAnnotation": "NO"}, (), {}, "NO"),
        ({"Modality": "CT"}, ("pixels",), {}, "NO"),
        ({}, ("pixels",), {"burned_in": (BurnedIn(manufacturer="acme", model="scanner*", clean=True),)}, "NO"),
        ({}, ("pixels",), {"without_rule": "keep"}, None),
        ({}, (), {"without_rule": "keep"}, None),
    ],
)  # fmt: skip
def test_an_image_of_which_somebody_says_that_it_is_clean_keeps_its_pixels(
    attributes: dict[str, object], options: tuple[str, ...], more: dict[str, object], said: str | None
) -> None:
    given = image(Modality="US")
    for keyword, value in attributes.items():
        setattr(given, keyword, value)
    read = deidentified(part10(given), *options, **more)
    assert (read.pixel_array == numpy.arange(16).reshape(4, 4)).all()
    assert read.get("BurnedInAnnotation") == said
    claimed = "113101" in [code.CodeValue for code in read.DeidentificationMethodCodeSequence]
    assert claimed == (bool(options) and said == "NO")


def test_features_are_claimed_where_a_rule_takes_them_away() -> None:
    rule = (BurnedIn(modality="CT", black=((0, 0, 4, 2),), features=True),)
    read = deidentified(part10(image()), "features", burned_in=rule)
    assert read.RecognizableVisualFeatures == "NO"
    assert (read.pixel_array[:2] == 0).all() and (read.pixel_array[2:] != 0).all()


def test_overlays_in_unused_bits_are_cleared() -> None:
    given = image(PixelData=(numpy.arange(16, dtype="<u2") | 0xF000).tobytes())
    given.add_new(0x60000010, "US", 4)
    given.add_new(0x60000100, "US", 16)
    given.add_new(0x60000102, "US", 15)
    read = deidentified(part10(given))
    assert numpy.frombuffer(read.PixelData, "<u2").tolist() == list(range(16))
    assert 0x60000010 not in read


@pytest.mark.parametrize(
    ("colour", "shape", "signed", "black"),
    [
        ("MONOCHROME1", (4, 4), 0, 4095), ("MONOCHROME2", (4, 4), 0, 0), ("MONOCHROME2", (4, 4), 1, -2048),
        ("RGB", (4, 4, 3), 0, [0, 0, 0]), ("YBR_FULL", (4, 4, 3), 0, [0, 2048, 2048]),
    ],
)  # fmt: skip
def test_black_is_what_the_colours_call_black(
    colour: str, shape: tuple[int, ...], signed: int, black: int | list[int]
) -> None:
    described = PixelDescription(
        rows=4, columns=4, samples_per_pixel=3 if len(shape) == 3 else 1, bits_stored=12, high_bit=11,
        pixel_representation=signed, photometric_interpretation=colour,
    )  # fmt: skip
    cells = numpy.full(shape, 7, numpy.int16 if signed else numpy.uint16)
    made = Blackening(boxes=((-2, -1, 100, 100), (2, 0, 1, 1)))(cells, described)
    assert made[3, 2].tolist() == made[3, 3].tolist() == made[0, 2].tolist() == black
    assert (made[0, 0] == 7).all() and (made[3, 1] == 7).all() and (cells == 7).all()
