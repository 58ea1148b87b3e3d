"""Expectations are the formulae of PS3.3 C.11.2.1.2 and C.11.2.1.3, written out once more, ymin 0, ymax 255."""

import math

import numpy as np
import pytest

from pacsd.codec.render.voi_lut import Window
from tests.codec.render.images import gray_image, item, lut_item, shown


def linear(x: float, c: float, w: float) -> float:
    if x <= c - 0.5 - (w - 1) / 2:
        return 0
    if x > c - 0.5 + (w - 1) / 2:
        return 255
    return ((x - (c - 0.5)) / (w - 1) + 0.5) * 255


def linear_exact(x: float, c: float, w: float) -> float:
    if x <= c - w / 2:
        return 0
    if x > c + w / 2:
        return 255
    return ((x - c) / w + 0.5) * 255


def sigmoid(x: float, c: float, w: float) -> float:
    return 255 / (1 + math.exp(max(min(-4 * (x - c) / w, 700), -700)))


FORMULAE = {"LINEAR": linear, "LINEAR_EXACT": linear_exact, "SIGMOID": sigmoid}
WINDOWS = [(2048, 4096), (2048, 1), (0, 100), (100, 1), (0, 1), (1000.5, 301), (4095, 2), (-500, 50), (50.25, 10.5)]


@pytest.mark.parametrize("function", FORMULAE)
@pytest.mark.parametrize(("center", "width"), WINDOWS)
def test_a_window_of_the_object(function, center, width):
    made = gray_image(WindowCenter=center, WindowWidth=width, VOILUTFunction=function)
    values = list(range(0, 4096, 3))
    expected = [FORMULAE[function](value, center, width) for value in values]
    assert np.abs(np.array(shown(made, values)) - expected).max() <= 0.5 + 1e-6


def test_the_examples_of_the_standard():
    # PS3.3 C.11.2.1.2.1 Note: c=2048, w=4096 becomes 0 at 0 and below, 255 at 4095 and above; w=1 is a threshold
    assert shown(gray_image(), [0, 4095], Window(2048, 4096)) == [0, 255]
    assert shown(gray_image(), [0, 2047, 2048, 4095], Window(2048, 1)) == [0, 0, 255, 255]


def test_a_window_is_over_rescaled_values():
    made = gray_image(RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400)
    expected = [linear(2 * value - 1024, 40, 400) for value in (400, 500, 532, 600, 700)]
    assert np.abs(np.array(shown(made, [400, 500, 532, 600, 700])) - expected).max() <= 0.5


def test_signed_values():
    made = gray_image(PixelRepresentation=1, BitsStored=16, HighBit=15, WindowCenter=-600, WindowWidth=1500)
    values = [-32768, -1400, -1000, -600, 0, 150, 32767]
    expected = [linear(value, -600, 1500) for value in values]
    assert np.abs(np.array(shown(made, values)) - expected).max() <= 0.5


def test_the_first_of_several_windows_and_the_client_before_all():
    made = gray_image(WindowCenter=[100, 2000], WindowWidth=[100, 2000])
    assert shown(made, [50, 100, 150]) == [0, 129, 255]
    assert shown(made, [50, 100, 150], Window(1000, 10)) == [0, 0, 0]


@pytest.mark.parametrize(("center", "width"), [("40", "0"), ("40", "-5"), ("", ""), ("40", "")])
def test_a_window_that_is_none_is_passed_over(center, width):
    made = gray_image(WindowCenter=center, WindowWidth=width)
    assert shown(made, [0, 50, 100]) == [0, 128, 255]


def test_a_voi_lut():
    made = gray_image(VOILUTSequence=[lut_item([0, 10, 100, 255], first=100)])
    assert shown(made, [0, 99, 100, 101, 102, 103, 104, 4000]) == [0, 0, 0, 10, 100, 255, 255, 255]


def test_a_voi_lut_of_sixteen_bits_from_a_negative_value():
    made = gray_image(
        PixelRepresentation=1,
        BitsStored=16,
        HighBit=15,
        VOILUTSequence=[lut_item([0, 32768, 65535], first=-1, bits=16)],
    )
    assert shown(made, [-5, -1, 0, 1, 5]) == [0, 0, 128, 255, 255]


def test_windows_by_frame():
    windows = [item(FrameVOILUTSequence=[item(WindowCenter=center, WindowWidth=100)]) for center in (50, 150)]
    made = gray_image(NumberOfFrames=2, PerFrameFunctionalGroupsSequence=windows)
    assert shown(made, [100], number=1) == [255]
    assert shown(made, [100], number=2) == [0]


def test_a_shared_window_and_rescale():
    shared = item(
        FrameVOILUTSequence=[item(WindowCenter=0, WindowWidth=200)],
        PixelValueTransformationSequence=[item(RescaleSlope=1, RescaleIntercept=-1000)],
    )
    made = gray_image(NumberOfFrames=2, SharedFunctionalGroupsSequence=[shared])
    for implicit_number in (1, 2):
        assert shown(made, [900, 1100], number=implicit_number) == [0, 255]


def test_without_a_window_all_values_but_the_padding_are_shown():
    made = gray_image(PixelPaddingValue=0, PixelPaddingRangeLimit=10)
    assert shown(made, [0, 5, 10, 100, 200, 300]) == [0, 0, 0, 0, 128, 255]
    assert shown(gray_image(), [0, 300]) == [0, 255]
    assert shown(gray_image(PixelPaddingValue=7), [7, 7]) == [255, 255]        # nothing else is there


def test_eight_bits_without_a_window_stay_as_they_are():
    made = gray_image(BitsAllocated=8, BitsStored=8, HighBit=7)
    assert shown(made, [0, 1, 100, 254, 255]) == [0, 1, 100, 254, 255]


def test_one_bit():
    made = gray_image(BitsAllocated=1, BitsStored=1, HighBit=0)
    assert shown(made, [0, 1]) == [0, 255]


def test_a_voi_lut_behind_a_modality_lut_begins_at_an_unsigned_value():
    """Stored values are signed, entries of the Modality LUT are not (PS3.3 C.11.1.1, C.11.2.1.1)."""
    made = gray_image(PixelRepresentation=1, BitsStored=16, HighBit=15)
    made.ModalityLUTSequence = [lut_item([40_000, 40_001, 40_002], bits=16)]
    made.VOILUTSequence = [lut_item([10, 20, 30], first=40_000)]
    assert shown(made, [-5, 0, 1, 2, 9]) == [10, 10, 20, 30, 30]
