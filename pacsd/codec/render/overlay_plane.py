"""Overlay planes (PS3.3 C.9.2): one-bit graphics over an image, groups 6000 to 601E."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pacsd.codec.render.image_header import ImageHeader
from pacsd.codec.render.picture import Picture

GROUPS = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES, _ORIGIN, _FRAME_ORIGIN = 0x10, 0x11, 0x15, 0x50, 0x51
_BITS_ALLOCATED, _LAYER, _DATA = 0x0100, 0x1001, 0x3000


@dataclass(frozen=True, slots=True, eq=False)
class OverlayPlane:
    """The plane of one frame; `row` and `column` are where its first point lies in the image, from 0."""

    group: int
    row: int
    column: int
    points: NDArray[np.bool_]

    def on(self, picture: Picture, gray: int) -> Picture:
        """The picture with the plane's points in a grey."""
        rows, columns = picture.shape[:2]
        top, left = max(self.row, 0), max(self.column, 0)
        below, right = max(rows - self.row, 0), max(columns - self.column, 0)
        points = self.points[top - self.row : below, left - self.column : right]
        shown = np.array(picture)
        shown[top : top + points.shape[0], left : left + points.shape[1]][points] = gray
        return shown

    def opening(self, rows: int, columns: int) -> NDArray[np.bool_]:
        """Which pixels of an image a bitmap shutter of this plane lets through (PS3.3 C.7.6.15)."""
        return np.asarray(self.on(np.zeros((rows, columns), np.uint8), 1) == 0, np.bool_)


def overlay_plane(header: ImageHeader, group: int, number: int) -> OverlayPlane | None:
    """The plane of a group in frame `number`, from 1; None where there is none or it cannot be read.

    Planes in unused bits of the pixels, retired since 2004, are none.
    """
    rows, columns = _number(header, group, _ROWS, 0), _number(header, group, _COLUMNS, 0)
    data = header.raw(group << 16 | _DATA)
    if not (0 < rows <= 65535 and 0 < columns <= 65535) or not data or _number(header, group, _BITS_ALLOCATED, 1) != 1:
        return None
    frames = max(_number(header, group, _FRAMES, 1), 1)
    index = number - max(_number(header, group, _FRAME_ORIGIN, 1), 1) if frames > 1 else 0
    size = rows * columns
    if not 0 <= index < frames or len(data) * 8 < (index + 1) * size:
        return None
    first, last = index * size // 8, ((index + 1) * size + 7) // 8
    bits = np.unpackbits(np.frombuffer(data[first:last], np.uint8), bitorder="little")
    start = index * size - first * 8
    origin = header.numbers(group << 16 | _ORIGIN)
    row, column = origin if len(origin) == 2 else (1, 1)
    points = bits[start : start + size].reshape(rows, columns).astype(np.bool_)
    return OverlayPlane(group, row - 1, column - 1, points)


def activated(state: ImageHeader) -> Iterator[tuple[int, str]]:
    """The groups a presentation state shows, each with its layer (PS3.3 C.11.7)."""
    for group in GROUPS:
        layer = header_text(state, group << 16 | _LAYER)
        if layer:
            yield group, layer


def header_text(header: ImageHeader, tag: int) -> str:
    """A code string by tag."""
    return header.raw(tag).decode("ascii", "replace").strip(" \0")


def _number(header: ImageHeader, group: int, element: int, default: int) -> int:
    found = header.numbers(group << 16 | element)
    if not found:
        text = header_text(header, group << 16 | element) if element == _FRAMES else ""
        return int(text) if text.isdigit() and len(text) < 10 else default
    return found[0]
