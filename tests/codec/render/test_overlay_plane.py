import numpy as np
import pytest

from pacsd.codec.render.overlay_plane import overlay_plane
from tests.codec.render.images import gray_image, header_of

BLACK = np.zeros((4, 4), np.uint8)


def with_overlay(bits, *, rows=2, columns=3, origin=(1, 1), group=0x6000, **more):
    made = gray_image()
    made.add_new(group << 16 | 0x10, "US", rows)
    made.add_new(group << 16 | 0x11, "US", columns)
    made.add_new(group << 16 | 0x50, "SS", list(origin))
    made.add_new(group << 16 | 0x100, "US", more.get("allocated", 1))
    made.add_new(group << 16 | 0x102, "US", 0)
    packed = np.packbits(bits, bitorder="little").tobytes()
    made.add_new(group << 16 | 0x3000, "OW", packed + bytes(len(packed) % 2))
    for element, vr, value in more.get("elements", ()):
        made.add_new(group << 16 | element, vr, value)
    return header_of(made)


def test_bits_count_from_the_lowest():
    plane = overlay_plane(with_overlay([1, 0, 0, 0, 1, 1]), 0x6000, 1)
    assert plane.points.tolist() == [[True, False, False], [False, True, True]]
    assert plane.on(BLACK, 200).tolist() == [[200, 0, 0, 0], [0, 200, 200, 0], [0] * 4, [0] * 4]


@pytest.mark.parametrize(
    ("origin", "where"),
    [((3, 2), [(2, 1), (3, 2), (3, 3)]), ((0, 0), [(0, 0), (0, 1)]), ((4, 4), [(3, 3)]), ((99, 99), [])],
)
def test_the_origin_is_a_row_and_a_column_maybe_outside(origin, where):
    plane = overlay_plane(with_overlay([1, 0, 0, 0, 1, 1], origin=origin), 0x6000, 1)
    assert [tuple(map(int, one)) for one in np.argwhere(plane.on(BLACK, 9))] == where


@pytest.mark.parametrize("origin", [(7, 1), (1, 7), (-30, 1), (1, -30), (32767, -32768)])
def test_a_plane_larger_than_the_image_and_beside_it_changes_nothing(origin):
    plane = overlay_plane(with_overlay([1] * 400, rows=20, columns=20, origin=origin), 0x6000, 1)
    assert not plane.on(BLACK, 9).any()


def test_overlays_of_several_frames():
    elements = [(0x15, "IS", "2"), (0x51, "US", 2)]
    header = with_overlay([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], elements=elements)
    assert overlay_plane(header, 0x6000, 1) is None
    assert overlay_plane(header, 0x6000, 2).points.sum() == overlay_plane(header, 0x6000, 3).points.sum() == 1
    assert overlay_plane(header, 0x6000, 3).points[1, 2]
    assert overlay_plane(header, 0x6000, 4) is None


def test_what_is_too_short_or_in_the_pixels_is_none():
    assert overlay_plane(with_overlay([1], rows=500, columns=500), 0x6000, 1) is None
    assert overlay_plane(with_overlay([1] * 6, allocated=16), 0x6000, 1) is None
    assert overlay_plane(with_overlay([1] * 6), 0x6002, 1) is None
