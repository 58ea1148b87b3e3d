import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from pacsd.codec.render import image_header
from pacsd.codec.render.image_header import split_items
from pacsd.codec.render.picture import picture
from pacsd.faults import Fault, PacsdError
from tests.codec.render.images import gray_image, header_of, item

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
    assert len(split_items(broken, implicit=False, big_endian=False)) <= 1


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
