"""From an image's own pixel grid to the picture that is sent: aspect, source region, viewport (PS3.18 8.3.5.1.3)."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from pacsd.codec.render.parameters import MAX_VIEWPORT_PIXELS, Viewport
from pacsd.codec.render.picture import Picture
from pacsd.codec.render.values import decimals
from pacsd.faults import Fault, PacsdError

Box = tuple[float, float, float, float]
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_REDUCING_GAP = 2.0                      # a much smaller picture is made of one at least twice its size
_SQUARE = 0.01                           # ratios nearer to 1 than this are left alone


@dataclass(frozen=True, slots=True)
class Placement:
    """Which box of the source, in pixels, fills a picture of which size, and how it is turned over."""

    box: Box
    width: int
    height: int
    flip_horizontal: bool = False
    flip_vertical: bool = False

    def apply(self, picture: Picture) -> Picture:
        """The picture cut out, scaled and flipped."""
        rows, columns = picture.shape[:2]
        whole = self.box == (0, 0, columns, rows)
        if not whole or self.width != columns or self.height != rows:
            resampled = Image.fromarray(np.ascontiguousarray(picture)).resize(
                (self.width, self.height), Image.Resampling.BILINEAR, box=self.box, reducing_gap=_REDUCING_GAP
            )
            picture = np.asarray(resampled)
        if self.flip_horizontal:
            picture = picture[:, ::-1]
        if self.flip_vertical:
            picture = picture[::-1]
        return picture


def placement(rows: int, columns: int, viewport: Viewport | None, *, aspect: float = 1.0) -> Placement:
    """Where a source of that many rows and columns goes; `aspect` is the height of a pixel by its width.

    The region keeps its aspect ratio and fits into the viewport without truncation. Without a viewport the source
    keeps its size, but for pixels that are not square. Raises PacsdError MALFORMED for a region outside the source.
    """
    if viewport is None:
        width, height = _square(rows, columns, aspect)
        return Placement((0, 0, columns, rows), width, height)
    left, top = viewport.x, viewport.y
    right = columns if viewport.region_width is None else min(left + viewport.region_width, columns)
    bottom = rows if viewport.region_height is None else min(top + viewport.region_height, rows)
    if right <= left or bottom <= top:
        raise PacsdError(Fault.MALFORMED, f"the source region lies outside the image of {columns} × {rows} pixels")
    across, down = right - left, (bottom - top) * aspect
    scale = min(viewport.width / across, viewport.height / down)
    width, height = max(round(across * scale), 1), max(round(down * scale), 1)
    return Placement(
        (left, top, right, bottom), width, height, viewport.flip_horizontal, viewport.flip_vertical
    )


def aspect_ratio(dataset: Dataset) -> float:
    """The height of a pixel by its width: Pixel Aspect Ratio, else from the spacing (PS3.3 C.7.6.3.1.7)."""
    for keyword in ("PixelAspectRatio", *_SPACINGS):
        pair = decimals(dataset, keyword)
        if len(pair) >= 2 and pair[0] > 0 and pair[1] > 0:
            ratio = pair[0] / pair[1]
            return ratio if abs(ratio - 1) > _SQUARE and 0.02 < ratio < 50 else 1.0
    return 1.0


def _square(rows: int, columns: int, aspect: float) -> tuple[int, int]:
    """Columns and rows of square pixels; nothing gets smaller, and nothing larger than a viewport may be."""
    width, height = (columns, round(rows * aspect)) if aspect >= 1 else (round(columns / aspect), rows)
    return (width, height) if width * height <= max(MAX_VIEWPORT_PIXELS, rows * columns) else (columns, rows)
