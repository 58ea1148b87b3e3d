import numpy as np
import pytest

from pacsd.codec.render.canvas import aspect_ratio, placement
from pacsd.codec.render.parameters import Viewport
from pacsd.faults import Fault, PacsdError
from tests.codec.render.images import gray_image

PICTURE = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def placed(viewport, aspect=1.0, source=PICTURE):
    return placement(*source.shape[:2], viewport, aspect=aspect).apply(source)


def test_without_a_viewport_nothing_changes():
    assert (placed(None) == PICTURE).all()


@pytest.mark.parametrize(
    ("viewport", "size"),
    [((8, 6), (6, 8)), ((8, 100), (6, 8)), ((100, 6), (6, 8)), ((2, 2), (2, 2)), ((1, 1), (1, 1)), ((400, 3), (3, 4))],
)
def test_it_fits_into_the_viewport_and_keeps_its_aspect_ratio(viewport, size):
    assert placed(Viewport(*viewport)).shape == size


def test_a_region_in_its_own_size():
    assert (placed(Viewport(2, 2, 1, 1, 2, 2)) == PICTURE[1:3, 1:3]).all()


def test_a_region_without_an_end_goes_to_the_edge():
    assert (placed(Viewport(2, 2, 2, 1)) == PICTURE[1:, 2:]).all()


def test_a_region_beyond_the_edge_ends_there():
    assert (placed(Viewport(1, 1, 3, 2, 50, 50)) == PICTURE[2:, 3:]).all()


def test_flips():
    assert (placed(Viewport(4, 3, 0, 0, 4, 3, True, False)) == PICTURE[:, ::-1]).all()
    assert (placed(Viewport(4, 3, 0, 0, 4, 3, False, True)) == PICTURE[::-1]).all()
    assert (placed(Viewport(2, 2, 1, 0, 2, 2, True, True)) == PICTURE[0:2, 1:3][::-1, ::-1]).all()


@pytest.mark.parametrize("region", [(4, 0, 1, 1), (0, 3, 1, 1), (100, 100, None, None)])
def test_a_region_outside_the_image_is_refused(region):
    with pytest.raises(PacsdError) as refused:
        placed(Viewport(4, 4, *region))
    assert refused.value.fault is Fault.MALFORMED


def test_colours_are_scaled_as_well():
    assert placed(Viewport(8, 6), source=np.zeros((3, 4, 3), np.uint8)).shape == (6, 8, 3)


@pytest.mark.parametrize(
    ("attributes", "ratio"),
    [
        ({}, 1.0),
        ({"PixelAspectRatio": ["2", "1"]}, 2.0),
        ({"PixelAspectRatio": ["0", "0"]}, 1.0),
        ({"PixelSpacing": [0.5, 1.0]}, 0.5),
        ({"PixelSpacing": [0.5, 0.5004]}, 1.0),
        ({"ImagerPixelSpacing": [3, 1]}, 3.0),
        ({"PixelSpacing": [1e9, 1e-9]}, 1.0),
    ],
)
def test_aspect_ratios(attributes, ratio):
    assert aspect_ratio(gray_image(**attributes)) == pytest.approx(ratio)


def test_pixels_become_square_and_nothing_smaller():
    assert placed(None, aspect=2.0).shape == (6, 4)
    assert placed(None, aspect=0.5).shape == (3, 8)
    assert placed(Viewport(100, 12), aspect=2.0).shape == (12, 8)


@pytest.mark.parametrize("region", [(0, 0, 1e-9, 1e-9), (3.999999999, 0, 5, 5), (0, 0, 1e-9, 3), (0, 0, 999999999, 1)])
def test_regions_of_next_to_nothing(region):
    rows, columns = placed(Viewport(200, 100, *region)).shape
    assert 1 <= rows <= 100 and 1 <= columns <= 200
