"""Spatial transformations of presentation states (PS3.3 C.10.4, C.10.6): area, rotation, flip, and where points go."""

from dataclasses import dataclass

import numpy as np

from pacsd.codec.render.canvas import Placement
from pacsd.codec.render.parameters import MAX_VIEWPORT_PIXELS
from pacsd.codec.render.picture import Picture
from pacsd.codec.render.presentation_state import DisplayedArea
from pacsd.faults import Fault, PacsdError

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Spatial:
    """A displayed area, turned clockwise, then flipped."""

    area: DisplayedArea
    rotation: int = 0
    flipped: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of what is shown, in source pixels, as it lies when turned."""
        width, height = self.area.right - self.area.left, self.area.bottom - self.area.top
        return (height, width) if self.rotation in (90, 270) else (width, height)

    @property
    def aspect(self) -> float:
        """The height of a pixel by its width, as it lies when turned."""
        return 1 / self.area.aspect if self.rotation in (90, 270) else self.area.aspect

    def apply(self, picture: Picture) -> Picture:
        """The area cut out, black where it leaves the image, turned and flipped. Raises PacsdError MALFORMED."""
        width, height = self.size
        if width * height > max(MAX_VIEWPORT_PIXELS, picture.shape[0] * picture.shape[1]):
            raise PacsdError(Fault.MALFORMED, f"the displayed area holds more than {MAX_VIEWPORT_PIXELS} pixels")
        turned = np.rot90(self._cut(picture), -(self.rotation // 90))
        return turned[:, ::-1] if self.flipped else turned

    def _cut(self, picture: Picture) -> Picture:
        area, (rows, columns) = self.area, picture.shape[:2]
        if area.left >= 0 and area.top >= 0 and area.right <= columns and area.bottom <= rows:
            return picture[area.top : area.bottom, area.left : area.right]
        shape = (area.bottom - area.top, area.right - area.left, *picture.shape[2:])
        shown = np.zeros(shape, np.uint8)
        left, top = max(area.left, 0), max(area.top, 0)
        inside = picture[top : max(area.bottom, 0), left : max(area.right, 0)]
        shown[top - area.top :, left - area.left :][: inside.shape[0], : inside.shape[1]] = inside
        return shown

    def point(self, at: Point) -> Point:
        """Where a point of the source (0\\0 is its upper left corner) goes in what `apply` returns."""
        width, height = self.area.right - self.area.left, self.area.bottom - self.area.top
        x, y = at[0] - self.area.left, at[1] - self.area.top
        x, y = {0: (x, y), 90: (height - y, x), 180: (width - x, height - y), 270: (y, width - x)}[self.rotation]
        return (self.size[0] - x if self.flipped else x), y


def onto(place: Placement, at: Point) -> Point:
    """Where a point of the picture before `place` goes in the picture after it."""
    left, top, right, bottom = place.box
    x = (at[0] - left) / (right - left) * place.width
    y = (at[1] - top) / (bottom - top) * place.height
    return (place.width - x if place.flip_horizontal else x), (place.height - y if place.flip_vertical else y)
