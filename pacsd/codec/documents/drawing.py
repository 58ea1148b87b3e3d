"""Pages of lines and text in millimetres, which become SVG or PDF. The origin is top left, y grows downwards."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Colour = tuple[float, float, float]      # red, green, blue from 0 to 1
Point = tuple[float, float]

BLACK: Colour = (0.0, 0.0, 0.0)
GREY: Colour = (0.35, 0.35, 0.35)
A4_MM = (210.0, 297.0)


@dataclass(frozen=True, slots=True)
class Text:
    """A text whose baseline begins, is centred or ends at a point."""

    x_mm: float
    y_mm: float
    text: str
    size_mm: float = 3.2
    bold: bool = False
    colour: Colour = BLACK
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True, slots=True)
class Polyline:
    """Joined points."""

    points: Sequence[Point]
    width_mm: float = 0.25
    colour: Colour = BLACK


@dataclass(frozen=True, slots=True)
class Grid:
    """Millimetre paper: thin lines every millimetre, thicker ones every five, both counted from the top left."""

    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float


@dataclass(frozen=True, slots=True)
class Clip:
    """What lies in the frame is drawn only inside it."""

    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float
    parts: Sequence[Polyline]


Part = Text | Polyline | Grid | Clip
THIN: Colour = (0.98, 0.80, 0.80)
THICK: Colour = (0.93, 0.58, 0.58)


@dataclass(frozen=True, slots=True)
class Page:
    """One sheet."""

    width_mm: float
    height_mm: float
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Sheets that belong together."""

    title: str
    pages: Sequence[Page] = field(default_factory=tuple)
    language: str = ""

    def texts(self) -> list[str]:
        """All text on it."""
        return [part.text for page in self.pages for part in page.parts if isinstance(part, Text)]
