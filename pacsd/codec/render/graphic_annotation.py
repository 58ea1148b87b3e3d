"""Graphic annotations of presentation states (PS3.3 C.10.5): text, points, lines, circles, ellipses."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from pacsd.codec.render.annotation import DRAWING, NO_FONT
from pacsd.codec.render.fonts import font_for
from pacsd.codec.render.picture import Picture
from pacsd.codec.render.presentation_state import PresentationState
from pacsd.codec.render.values import decimals, integer, items, text

Point = tuple[float, float]
Box = tuple[float, float, float, float]
ToPicture = Callable[[Point], Point]

# Of one presentation state on one picture, whose drawing keeps others from theirs
MAX_POINTS = 100_000
MAX_FILLED = 500
MAX_CHARACTERS = 20_000
LEFT_OUT = "not all graphics of the presentation state are shown: there are too many"
_MAX_TEXT = 1024                         # of an ST (PS3.5 6.2)
_CURVE_STEPS = 72
_POINT_RADIUS = 3
_MIN_SIZE, _MAX_SIZE = 8, 64


class Drawing:
    """Draws on a finished picture. `pixel` and `display` lead from the two kinds of coordinates to its own."""

    def __init__(self, picture: Picture, *, pixel: ToPicture, display: ToPicture) -> None:
        self._image = Image.fromarray(np.ascontiguousarray(picture))
        self._draw = ImageDraw.Draw(self._image)
        self._ways = {"PIXEL": pixel, "DISPLAY": display}
        self._points, self._filled, self._characters = MAX_POINTS, MAX_FILLED, MAX_CHARACTERS
        self.warning = ""

    def annotations(self, state: PresentationState, sop_instance_uid: str, number: int) -> Picture:
        """The picture with everything the state draws on a frame, layer over layer."""
        found = list(state.items_for("GraphicAnnotationSequence", sop_instance_uid, number))
        found.sort(key=lambda item: state.layer_order(text(item, "GraphicLayer")))
        for item in found:
            gray = state.layer_gray(text(item, "GraphicLayer"))
            ink = gray if self._image.mode == "L" else (gray, gray, gray)
            for graphic in items(item, "GraphicObjectSequence"):
                self._graphic(graphic, ink)
            for words in items(item, "TextObjectSequence"):
                self._text(state.header.text_of(words, "UnformattedTextValue"), words, ink)
        if min(self._points, self._filled, self._characters) < 0:
            self.warning = LEFT_OUT
        return np.asarray(self._image)

    def _graphic(self, graphic: Dataset, ink: object) -> None:
        way = self._ways.get(text(graphic, "GraphicAnnotationUnits"))
        flat = decimals(graphic, "GraphicData")
        self._points -= len(flat) // 2
        if way is None or integer(graphic, "GraphicDimensions", 2) != 2 or self._points < 0:
            return
        points = list(zip(flat[::2], flat[1::2], strict=False))
        kind = text(graphic, "GraphicType")
        if kind == "POINT":
            self._dot(self._placed(way, points[0]), ink) if points else None
            return
        line = [self._placed(way, one) for one in OUTLINES.get(kind, _nothing)(points)]
        if len(line) < 2:
            return
        if text(graphic, "GraphicFilled") == "Y" and len(line) > 2:
            self._filled -= 1
            if self._filled < 0:
                return
            self._draw.polygon(line, fill=ink, outline=ink)  # type: ignore[arg-type]
        else:
            self._draw.line(line, fill=ink, width=self._width)  # type: ignore[arg-type]

    def _text(self, value: str, words: Dataset, ink: object) -> None:
        said = value[:_MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n")
        self._characters -= len(said)
        if not said or self._characters < 0:
            return
        box = self._box(words)
        anchor = self._anchor(words)
        if box is None and anchor is None:
            return
        lines = said.count("\n") + 1
        size = self._image.height // 30
        if box is not None:
            size = int((box[3] - box[1]) / lines * 0.8) or size
        size = min(max(size, _MIN_SIZE), _MAX_SIZE)
        font, shown = font_for(said, size)
        if shown != said:
            self.warning = NO_FONT
        where = self._start(words, box, anchor, shown, font)
        if anchor is not None and text(words, "AnchorPointVisibility") == "Y" and box is not None:
            middle = min(max(anchor[0], box[0]), box[2]), min(max(anchor[1], box[1]), box[3])
            self._draw.line([anchor, middle], fill=ink, width=self._width)  # type: ignore[arg-type]
        self._draw.multiline_text(where, shown, font=font, fill=ink, stroke_width=1, stroke_fill=self._dark)  # type: ignore[arg-type]

    @property
    def _width(self) -> int:
        return max(1, self._image.height // 512)

    @property
    def _dark(self) -> object:
        return 0 if self._image.mode == "L" else (0, 0, 0)

    def _placed(self, way: ToPicture, point: Point) -> Point:
        """In the picture, or not far beside it: a line to the moon would be drawn pixel by pixel."""
        x, y = way(point)
        width, height = self._image.size
        return min(max(x, -width), 2 * width), min(max(y, -height), 2 * height)

    def _dot(self, at: Point, ink: object) -> None:
        radius = _POINT_RADIUS * self._width
        box = at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius
        self._draw.ellipse(box, fill=ink)  # type: ignore[arg-type]

    def _box(self, words: Dataset) -> Box | None:
        way = self._ways.get(text(words, "BoundingBoxAnnotationUnits"))
        corners = decimals(words, "BoundingBoxTopLeftHandCorner"), decimals(words, "BoundingBoxBottomRightHandCorner")
        if way is None or len(corners[0]) != 2 or len(corners[1]) != 2:
            return None
        (x1, y1), (x2, y2) = (self._placed(way, (one[0], one[1])) for one in corners)
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)

    def _anchor(self, words: Dataset) -> Point | None:
        way = self._ways.get(text(words, "AnchorPointAnnotationUnits"))
        point = decimals(words, "AnchorPoint")
        return None if way is None or len(point) != 2 else self._placed(way, (point[0], point[1]))

    def _start(
        self, words: Dataset, box: Box | None, anchor: Point | None, said: str, font: object
    ) -> Point:
        if box is None:
            return anchor or (0.0, 0.0)
        length = self._draw.multiline_textbbox((0, 0), said, font=font)[2]  # type: ignore[arg-type]
        room = max(box[2] - box[0] - length, 0)
        share = {"RIGHT": 1.0, "CENTER": 0.5}.get(text(words, "BoundingBoxTextHorizontalJustification"), 0.0)
        return box[0] + room * share, box[1]


def drawn(
    picture: Picture,
    state: PresentationState,
    sop_instance_uid: str,
    number: int,
    *,
    pixel: ToPicture,
    display: ToPicture,
) -> tuple[Picture, str]:
    """The picture with the graphics of a frame, and a warning where some are left out or lack characters."""
    if not items(state.header.dataset, "GraphicAnnotationSequence"):
        return picture, ""
    with DRAWING:
        drawing = Drawing(picture, pixel=pixel, display=display)
        return drawing.annotations(state, sop_instance_uid, number), drawing.warning


def _polyline(points: Sequence[Point]) -> Sequence[Point]:
    return points


def _nothing(_: Sequence[Point]) -> Sequence[Point]:
    return ()


def _interpolated(points: Sequence[Point]) -> Sequence[Point]:
    """A smooth line through all points (the standard leaves the curve open): Catmull-Rom."""
    if len(points) < 3:
        return points
    padded = [points[0], *points, points[-1]]
    line: list[Point] = []
    steps = max(2, min(12, MAX_POINTS // len(points)))
    for before, start, stop, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        line += [_between(before, start, stop, after, n / steps) for n in range(steps)]
    return [*line, points[-1]]


def _between(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    def one(a: float, b: float, c: float, d: float) -> float:
        return b + t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))) / 2

    return one(a[0], b[0], c[0], d[0]), one(a[1], b[1], c[1], d[1])


def _circle(points: Sequence[Point]) -> Sequence[Point]:
    """The centre and a point on the circle."""
    if len(points) < 2:
        return ()
    (x, y), edge = points[0], points[1]
    radius = math.hypot(edge[0] - x, edge[1] - y)
    return _round((x, y), (radius, 0.0), (0.0, radius))


def _ellipse(points: Sequence[Point]) -> Sequence[Point]:
    """The ends of the major axis, then of the minor one."""
    if len(points) < 4:
        return ()
    (x1, y1), (x2, y2), (x3, y3), (x4, y4) = points[:4]
    return _round(((x1 + x2) / 2, (y1 + y2) / 2), ((x2 - x1) / 2, (y2 - y1) / 2), ((x4 - x3) / 2, (y4 - y3) / 2))


def _round(center: Point, major: Point, minor: Point) -> list[Point]:
    turns = [2 * math.pi * n / _CURVE_STEPS for n in range(_CURVE_STEPS + 1)]
    return [
        (
            center[0] + major[0] * math.cos(turn) + minor[0] * math.sin(turn),
            center[1] + major[1] * math.cos(turn) + minor[1] * math.sin(turn),
        )
        for turn in turns
    ]


OUTLINES: dict[str, Callable[[Sequence[Point]], Sequence[Point]]] = {
    "POLYLINE": _polyline,
    "INTERPOLATED": _interpolated,
    "CIRCLE": _circle,
    "ELLIPSE": _ellipse,
}
