import numpy as np
import pytest

from pacsd.codec.render.shutter import shutter_of
from tests.codec.render.images import gray_image, header_of

WHITE = np.full((10, 10), 255, np.uint8)


def shuttered(picture=WHITE, **attributes):
    return shutter_of(header_of(gray_image(10, 10, **attributes)).dataset).apply(picture)


def test_a_rectangle_shows_what_is_inside_its_edges():
    # PS3.3 C.7.6.11: the edges are the last columns and rows that are seen, counted from 1
    seen = shuttered(
        ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge=3, ShutterRightVerticalEdge=5,
        ShutterUpperHorizontalEdge=2, ShutterLowerHorizontalEdge=9,
    )  # fmt: skip
    assert (np.argwhere(seen == 255).min(0) == (1, 2)).all() and (np.argwhere(seen == 255).max(0) == (8, 4)).all()
    assert (seen == 255).sum() == 3 * 8


def test_a_circle_has_its_centre_as_row_and_column():
    seen = shuttered(ShutterShape="CIRCULAR", CenterOfCircularShutter=[4, 6], RadiusOfCircularShutter=2)
    rows, columns = np.nonzero(seen)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 5, 3, 7)
    assert seen[3, 5] == 255 and seen[1, 3] == 0


def test_a_polygon_of_rows_and_columns_in_the_shutters_grey():
    seen = shuttered(
        ShutterShape="POLYGONAL",
        VerticesOfThePolygonalShutter=[2, 2, 2, 6, 8, 6, 8, 2],
        ShutterPresentationValue=0x8000,
    )
    assert seen[0, 0] == 0x80 and seen[4, 3] == 255 and seen[4, 8] == 0x80


def test_several_shapes_all_have_to_let_through():
    seen = shuttered(
        ShutterShape=["RECTANGULAR", "CIRCULAR"], ShutterLeftVerticalEdge=1, ShutterRightVerticalEdge=6,
        ShutterUpperHorizontalEdge=1, ShutterLowerHorizontalEdge=10, CenterOfCircularShutter=[5, 6],
        RadiusOfCircularShutter=3,
    )  # fmt: skip
    assert np.nonzero(seen)[1].max() == 5


@pytest.mark.parametrize(
    "attributes",
    [{}, {"ShutterShape": "CIRCULAR"}, {"ShutterShape": "ROUND"}, {"ShutterShape": "RECTANGULAR"},
     {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 2, 3]}],
)  # fmt: skip
def test_no_shutter_or_a_broken_one_hides_nothing(attributes):
    assert (shuttered(**attributes) == WHITE).all()


def test_colours_are_shuttered_too():
    grey = np.full((10, 10, 3), 200, np.uint8)
    seen = shuttered(grey, ShutterShape="CIRCULAR", CenterOfCircularShutter=[5, 5], RadiusOfCircularShutter=1)
    assert list(seen[4, 4]) == [200] * 3 and list(seen[0, 0]) == [0] * 3


@pytest.mark.timeout(10)
def test_corners_and_circles_on_the_moon_take_no_time():
    far = 2_000_000_000
    corners = [-far, -far, -far, far, far, far, far, -far]
    assert (shuttered(ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=corners) == WHITE).all()
    circle = {"CenterOfCircularShutter": [5, 5], "RadiusOfCircularShutter": far}
    assert (shuttered(ShutterShape="CIRCULAR", **circle) == WHITE).all()
