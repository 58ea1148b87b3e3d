import numpy as np
import pytest

from pacsd.codec.render.palette_color import expanded
from pacsd.codec.render.picture import picture
from pacsd.faults import PacsdError
from tests.codec.render.images import EXPLICIT, gray_image, header_of


def with_palette(red, green, blue, *, first=0, bits=16, allocated=8, segmented=False, packed=False):
    made = gray_image(
        PhotometricInterpretation="PALETTE COLOR", BitsAllocated=allocated, BitsStored=allocated, HighBit=allocated - 1
    )
    count = 4
    for color, entries in (("Red", red), ("Green", green), ("Blue", blue)):
        setattr(made, f"{color}PaletteColorLookupTableDescriptor", [count, first, bits])
        data = bytes(entries) if packed else np.array(entries, "<u2").tobytes()
        setattr(made, f"{'Segmented' * segmented}{color}PaletteColorLookupTableData", data)
    return header_of(made)


def colors(header, values, kind=np.uint8):
    return [tuple(map(int, one)) for one in picture(header, np.array([values], kind), 1, EXPLICIT)[0]]


def test_entries_of_sixteen_bits():
    header = with_palette([0, 65535, 0, 0], [0, 0, 65535, 0], [0, 0, 0, 65535])
    assert colors(header, [0, 1, 2, 3, 200]) == [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 255)]


def test_entries_of_eight_bits_packed_into_words():
    header = with_palette([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], bits=8, packed=True)
    assert colors(header, [0, 3]) == [(1, 5, 9), (4, 8, 12)]


def test_eight_bits_that_call_themselves_sixteen():
    header = with_palette([0, 255, 128, 0], [0, 0, 0, 0], [0, 0, 0, 0])
    assert colors(header, [1, 2]) == [(255, 0, 0), (128, 0, 0)]


def test_values_before_the_first_entry():
    header = with_palette([10, 20, 30, 40], [0] * 4, [0] * 4, first=100, bits=8, allocated=16)
    assert [one[0] for one in colors(header, [0, 100, 102, 65535], np.uint16)] == [10, 10, 30, 40]


def test_segments_of_the_standard():
    # PS3.3 C.7.9.2: discrete, linear, and an indirect one that repeats the first two
    assert expanded([0, 2, 10, 20, 1, 4, 60]) == [10, 20, 30, 40, 50, 60]
    assert expanded([0, 1, 7, 2, 1, 0, 0]) == [7, 7]
    header = with_palette(*[[0, 1, 0, 1, 3, 65535]] * 3, segmented=True)
    assert colors(header, [0, 1, 2, 3]) == [(0, 0, 0), (85, 85, 85), (170, 170, 170), (255, 255, 255)]


def test_segments_of_eight_bits():
    # discrete, linear, and an indirect one that repeats the first; its offset has four bytes
    segments = [0, 1, 7, 1, 2, 9, 2, 1, 0, 0, 0, 0]
    assert expanded(segments, unit_bytes=1) == [7, 8, 9, 7]
    assert expanded([0, 1, 7, 1, 2, 9, 2, 1, 0, 0]) == [7, 8, 9, 7]
    for written in (bytes(segments), np.array([0, 1, 7, 1, 2, 9, 2, 1, 0, 0], "<u2").tobytes()):
        made = gray_image(PhotometricInterpretation="PALETTE COLOR", BitsAllocated=8, BitsStored=8, HighBit=7)
        for color in ("Red", "Green", "Blue"):
            setattr(made, f"{color}PaletteColorLookupTableDescriptor", [4, 0, 8])
            setattr(made, f"Segmented{color}PaletteColorLookupTableData", written)
        assert [one[0] for one in colors(header_of(made), [0, 1, 2, 3])] == [7, 8, 9, 7]


def test_segments_that_stand_for_nothing_are_refused():
    """65,535 of them stand behind each of 65,535 others: nobody would see the end."""
    for segments in ([0, 0] * 10, [0, 1, 7, 1, 0, 9], [0, 1, 7, *[2, 65535, 6, 0] * 65535, *[0, 0] * 65535]):
        with pytest.raises(PacsdError):
            expanded(segments)


def test_segments_longer_than_any_palette_are_refused():
    with pytest.raises(PacsdError):
        colors(with_palette(*[[0, 1, 7, *[1, 1, 1] * 100_000]] * 3, segmented=True), [0])


@pytest.mark.parametrize("segments", [[9, 1, 1], [1, 3, 5], [2, 9, 0, 0], [0, 60000, *[1] * 60000, 1, 60000, 2]])
def test_broken_segments_are_refused(segments):
    with pytest.raises(PacsdError):
        expanded(segments)


def test_a_broken_palette_is_refused():
    with pytest.raises(PacsdError):
        colors(with_palette([1], [1], [1]), [0])
