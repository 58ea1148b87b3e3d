import struct

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

from pacsd.codec import walk
from pacsd.codec.convert import converted
from pacsd.codec.frames import BytesReader
from pacsd.codec.render import image_header
from pacsd.codec.render.image_header import ImageHeader, split_items
from pacsd.codec.render.picture import picture
from pacsd.codec.render.values import decimals
from pacsd.faults import Fault, PacsdError
from tests.codec.render.images import gray_image, header_of, item, lut_item

ITEM = b"\xfe\xff\x00\xe0"


def frames(count):
    return [item(FrameVOILUTSequence=[item(WindowCenter=n, WindowWidth=10)]) for n in range(1, count + 1)]


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("undefined", [False, True])
def test_the_functional_groups_of_a_frame(implicit, undefined):
    made = gray_image(NumberOfFrames=3, PerFrameFunctionalGroupsSequence=frames(3))
    made["PerFrameFunctionalGroupsSequence"].is_undefined_length = undefined
    for one in made.PerFrameFunctionalGroupsSequence:
        one.is_undefined_length_sequence_item = undefined
    header = header_of(made, implicit=implicit)
    assert [header.macro(n, "FrameVOILUTSequence").WindowCenter for n in (1, 2, 3)] == [1, 2, 3]
    assert header.macro(4, "FrameVOILUTSequence") is header.dataset
    assert header.macro(0, "FrameVOILUTSequence") is header.dataset


@pytest.mark.parametrize("broken", [b"", b"x", ITEM, ITEM + b"\xff\xff\xff\xff", b"abcdefgh" * 3])
def test_items_of_a_broken_sequence_are_as_many_as_there_are(broken):
    assert len(split_items(broken, implicit=False)) <= 1


def test_an_object_without_pixels_or_size_is_no_image():
    made = gray_image()
    assert header_of(made).description is not None
    made.Rows = 0
    assert header_of(made).description is None


def test_an_image_that_nobody_could_show_is_refused():
    with pytest.raises(PacsdError) as refused:
        assert header_of(gray_image(65535, 65535)).description
    assert refused.value.fault is Fault.TOO_MUCH


def test_attributes_beyond_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr(image_header, "MAX_BYTES", 100_000)
    with pytest.raises(PacsdError) as refused:
        header_of(gray_image(ICCProfile=bytes(200_000)))
    assert refused.value.fault is Fault.TOO_MUCH


@pytest.mark.parametrize("value", [b"abc", b"1\\2\\x", b"NaN", b"1e999", b" "])
@pytest.mark.parametrize("keyword", [0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00280034])
def test_values_that_are_none_spoil_nothing(keyword, value):
    header = header_of(gray_image(WindowCenter=50, WindowWidth=100))
    header.dataset._dict[Tag(keyword)] = RawDataElement(Tag(keyword), "DS", len(value), value, 0, False, True)
    assert picture(header, np.array([[0, 100]], np.uint16), 1, "1.2.840.10008.1.2.1").shape == (1, 2)


def implicit(elements):
    """A data set in implicit VR, where every length has 32 bits, and 16 grey pixels."""
    described = [
        (0x00280002, b"\1\0"), (0x00280004, b"MONOCHROME2 "), (0x00280010, b"\4\0"), (0x00280011, b"\4\0"),
        (0x00280100, b"\x10\0"), (0x00280101, b"\x10\0"), (0x00280102, b"\x0f\0"), (0x00280103, b"\0\0"),
    ]  # fmt: skip
    data = b"".join(
        struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value
        for tag, value in (*sorted((*described, *elements)), (0x7FE00010, bytes(32)))
    )
    return ImageHeader(walk.Dataset(
        BytesReader(data), offset_bytes=0, length_bytes=len(data), transfer_syntax_uid="1.2.840.10008.1.2"
    ))


def test_values_longer_than_their_vr_can_tell_are_none():
    """A window of millions of values would take gigabytes once each of them is an object."""
    endless = b"1\\" * (1 << 20)
    header = implicit([(0x00281050, endless), (0x00281051, endless)])
    assert "WindowCenter" not in header.dataset
    window = struct.pack("<HHI", 0x28, 0x1050, len(endless)) + endless
    group = ITEM + struct.pack("<I", len(window)) + window
    macro = struct.pack("<HHI", 0x28, 0x9132, len(group)) + group
    header = implicit([(0x52009229, ITEM + struct.pack("<I", len(macro)) + macro)])
    assert decimals(header.macro(1, "FrameVOILUTSequence"), "WindowCenter") == []


@pytest.mark.parametrize("tag", [0x52009229, 0x52009230])
@pytest.mark.parametrize("value", [(ITEM + bytes(4)) * 1_100_000, ITEM + struct.pack("<I", 9 << 20) + bytes(9 << 20)])
def test_sequences_of_endless_items_or_elements_are_refused(tag, value):
    with pytest.raises(PacsdError) as refused:
        implicit([(tag, value)]).macro(1, "FrameVOILUTSequence")
    assert refused.value.fault is Fault.TOO_MUCH


def big_endian(made):
    """The same data set as Explicit VR Big Endian has it."""
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, made)
    source, target = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
    data = b"".join(converted([out.getvalue()], source=source, target=target))
    return ImageHeader(walk.Dataset(
        BytesReader(data), offset_bytes=0, length_bytes=len(data), transfer_syntax_uid=target
    ))


def test_lookup_tables_of_big_endian_objects_are_the_same():
    made = gray_image(PixelData=bytes(32), VOILUTSequence=[lut_item([0, 255, 256, 65535], bits=16)])
    made["PixelData"].VR = "OW"
    frame = np.array([[0, 1, 2, 3]], np.uint16)
    assert picture(big_endian(made), frame, 1, "1.2.840.10008.1.2.1").tolist() == [[0, 1, 1, 255]]
    for color in ("Red", "Green", "Blue"):
        setattr(made, f"{color}PaletteColorLookupTableDescriptor", [4, 0, 16])
        setattr(made, f"{color}PaletteColorLookupTableData", np.array([0, 256, 512, 65535], "<u2").tobytes())
    made.PhotometricInterpretation = "PALETTE COLOR"
    assert picture(big_endian(made), frame, 1, "1.2.840.10008.1.2.1")[0, :, 0].tolist() == [0, 1, 2, 255]


def test_what_the_pixels_are_is_told_by_the_element_they_stand_in():
    """Integers of 32 bits may lack Bits Stored, and writers put it beside floats, which have none."""
    integers = gray_image(BitsAllocated=32, PixelData=bytes(64))
    integers["PixelData"].VR = "OW"
    del integers.BitsStored, integers.HighBit
    assert header_of(integers).description.value_type == "integer"
    floats = gray_image(BitsAllocated=32, BitsStored=32, HighBit=31, FloatPixelData=bytes(64))
    assert header_of(floats).description.value_type == "float"


def test_a_broken_character_set_spoils_no_window():
    header = implicit([
        (0x00080005, b"ISO_IR\0 100"), (0x00100010, "张三".encode("gbk")), (0x00281050, b"50"), (0x00281051, b"100 "),
    ])  # fmt: skip
    assert decimals(header.dataset, "WindowCenter") == [50] and header.text("PatientName") == "张三"
