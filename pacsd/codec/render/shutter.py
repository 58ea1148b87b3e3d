"""The Display Shutter (PS3.3 C.7.6.11): what around the region of interest is not to be seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from pacsd.codec.render.picture import Picture
from pacsd.codec.render.values import decimals, integer, text, words

_MAX_VERTICES = 10_000


@dataclass(frozen=True, slots=True)
class Shutter:
    """The shapes of a shutter, all of which must let a pixel through; positions count from 1."""

    rectangle: tuple[int, int, int, int] | None = None      # left, right, upper, lower edge
    circle: tuple[float, float, float] | None = None         # row, column, radius
    polygon: tuple[tuple[float, float], ...] = ()            # column, row
    presentation_value: int = 0                              # P-value of 16 bits

    def apply(self, picture: Picture) -> Picture:
        """The picture with everything outside in the shutter's grey."""
        if self == _OPEN:
            return picture
        rows, columns = picture.shape[:2]
        shown = np.array(picture)
        shown[~self.opening(rows, columns)] = self.presentation_value >> 8
        return shown

    def opening(self, rows: int, columns: int) -> NDArray[np.bool_]:
        """Which pixels are seen."""
        seen = np.ones((rows, columns), np.bool_)
        if self.rectangle is not None:
            left, right, upper, lower = self.rectangle
            inside = np.zeros_like(seen)
            inside[max(upper - 1, 0) : max(lower, 0), max(left - 1, 0) : max(right, 0)] = True
            seen &= inside
        if self.circle is not None:
            row, column, radius = self.circle
            down, across = np.ogrid[1 : rows + 1, 1 : columns + 1]
            seen &= (down - row) ** 2 + (across - column) ** 2 <= radius * radius
        if self.polygon:
            mask = Image.new("1", (columns, rows))
            # Corners far outside come nearer: a line to them would be drawn pixel by pixel.
            corners = [(_near(x - 1, columns), _near(y - 1, rows)) for x, y in self.polygon]
            ImageDraw.Draw(mask).polygon(corners, fill=1, outline=1)
            seen &= np.asarray(mask, np.bool_)
        return seen


_OPEN = Shutter()


def _near(at: float, size: int) -> float:
    return min(max(at, -size), 2 * size)


def shutter_of(dataset: Dataset) -> Shutter:
    """The shutter of an image or presentation state, open where it has none; broken shapes are left out."""
    try:
        shapes = dataset.get("ShutterShape")
    except Exception:  # a value that is none of its VR
        shapes = None
    if not shapes:
        return _OPEN
    shapes = {shapes} if isinstance(shapes, str) else set(shapes)
    edges = [integer(dataset, f"Shutter{edge}Edge", 0) for edge in
             ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")]  # fmt: skip
    center, radius = decimals(dataset, "CenterOfCircularShutter"), decimals(dataset, "RadiusOfCircularShutter")
    flat = decimals(dataset, "VerticesOfThePolygonalShutter")[: 2 * _MAX_VERTICES]
    corners = tuple((flat[at + 1], flat[at]) for at in range(0, len(flat) - 1, 2))
    value = words(dataset, "ShutterPresentationValue")
    return Shutter(
        (edges[0], edges[1], edges[2], edges[3]) if "RECTANGULAR" in shapes and any(edges) else None,
        (center[0], center[1], radius[0]) if "CIRCULAR" in shapes and len(center) == 2 and radius else None,
        corners if "POLYGONAL" in shapes and len(corners) >= 3 else (),
        value[0] if value and text(dataset, "ShutterPresentationValue") else 0,
    )
