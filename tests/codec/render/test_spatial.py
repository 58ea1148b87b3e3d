import numpy as np
import pytest

from pacsd.codec.render.canvas import placement
from pacsd.codec.render.parameters import Viewport
from pacsd.codec.render.presentation_state import DisplayedArea
from pacsd.codec.render.spatial import Spatial, onto
from pacsd.faults import PacsdError

SOURCE = np.arange(12, dtype=np.uint8).reshape(3, 4)
WHOLE = DisplayedArea(0, 0, 4, 3)


def test_rotation_is_clockwise_and_before_the_flip():
    # PS3.3 C.10.6
    assert Spatial(WHOLE, 90).apply(SOURCE)[0].tolist() == [8, 4, 0]
    assert Spatial(WHOLE, 180).apply(SOURCE)[0].tolist() == [11, 10, 9, 8]
    assert Spatial(WHOLE, 270).apply(SOURCE)[0].tolist() == [3, 7, 11]
    assert Spatial(WHOLE, 90, True).apply(SOURCE)[0].tolist() == [0, 4, 8]


def test_an_area_and_one_that_leaves_the_image():
    assert Spatial(DisplayedArea(1, 1, 3, 3)).apply(SOURCE).tolist() == [[5, 6], [9, 10]]
    assert Spatial(DisplayedArea(-1, 2, 2, 5)).apply(SOURCE).tolist() == [[0, 8, 9], [0, 0, 0], [0, 0, 0]]
    assert not Spatial(DisplayedArea(100, 100, 102, 103)).apply(SOURCE).any()
    assert not Spatial(DisplayedArea(-9, -9, -5, -5)).apply(SOURCE).any()


def test_an_area_larger_than_any_picture_is_refused():
    with pytest.raises(PacsdError):
        Spatial(DisplayedArea(-(2**31), -(2**31), 2**31, 2**31)).apply(SOURCE)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("viewport", [None, Viewport(80, 80), Viewport(40, 40, 1, 0, 2, 2, True, False)])
def test_points_go_where_their_pixels_go(rotation, flipped, viewport):
    source = np.zeros((30, 40), np.uint8)
    source[12, 17] = 255
    spatial = Spatial(DisplayedArea(5, 4, 38, 29), rotation, flipped)
    turned = spatial.apply(source)
    if viewport is not None and viewport.region_width:
        viewport = Viewport(300, 300, 2, 3, 22, 20, True, False)
    place = placement(*turned.shape, viewport)
    seen = place.apply(turned)
    row, column = np.unravel_index(seen.argmax(), seen.shape)
    x, y = onto(place, spatial.point((17.5, 12.5)))
    scale = place.width / (place.box[2] - place.box[0])
    assert abs(x - (column + 0.5)) <= scale / 2 + 0.51 and abs(y - (row + 0.5)) <= scale / 2 + 0.51
