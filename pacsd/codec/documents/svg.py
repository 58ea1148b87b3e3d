"""A drawing as SVG 1.1: one user unit is one millimetre, pages stand below each other."""

from collections.abc import Iterator, Sequence
from html import escape

from pacsd.codec.documents.drawing import THICK, THIN, Clip, Colour, Drawing, Grid, Page, Part, Point, Polyline, Text

MEDIA_TYPE = "image/svg+xml"
_FONT = "Helvetica, Arial, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"


def svg(drawing: Drawing) -> bytes:
    """image/svg+xml in UTF-8; a printer at 100 % prints it to scale."""
    width = max((page.width_mm for page in drawing.pages), default=1.0)
    height = sum(page.height_mm for page in drawing.pages) or 1.0
    lang = f' xml:lang="{escape(drawing.language)}"' if drawing.language else ""
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="{_FONT}"{lang}>',
        f"<title>{escape(drawing.title)}</title>",
        _PAPER,
    ]
    top = 0.0
    for number, page in enumerate(drawing.pages, 1):
        out.append(f'<g id="page{number}" transform="translate(0 {top:g})">')
        out.append(f'<rect width="{page.width_mm:g}" height="{page.height_mm:g}" fill="#fff"/>')
        out += _parts(page, number)
        out.append("</g>")
        top += page.height_mm
    out.append("</svg>\n")
    return "".join(out).encode()


def _parts(page: Page, number: int) -> Iterator[str]:
    for place, part in enumerate(page.parts):
        yield _part(part, f"c{number}-{place}")


def _part(part: Part, name: str) -> str:
    if isinstance(part, Text):
        return _text(part)
    if isinstance(part, Polyline):
        return _polyline(part)
    if isinstance(part, Grid):
        return _grid(part)
    return _clip(part, name)


def _text(part: Text) -> str:
    weight = ' font-weight="bold"' if part.bold else ""
    anchor = f' text-anchor="{part.anchor}"' if part.anchor != "start" else ""
    return (
        f'<text x="{part.x_mm:g}" y="{part.y_mm:g}" font-size="{part.size_mm:g}" fill="{_colour(part.colour)}"'
        f'{weight}{anchor} xml:space="preserve">{escape(part.text)}</text>'
    )


def _polyline(part: Polyline) -> str:
    return (
        f'<polyline points="{_points(part.points)}" fill="none" stroke="{_colour(part.colour)}" '
        f'stroke-width="{part.width_mm:g}" stroke-linejoin="round"/>'
    )


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{_short(x)},{_short(y)}" for x, y in points)


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _grid(part: Grid) -> str:
    return (
        f'<g transform="translate({part.x_mm:g} {part.y_mm:g})"><rect width="{part.width_mm:g}" '
        f'height="{part.height_mm:g}" fill="url(#mm)"/><rect width="{part.width_mm:g}" height="{part.height_mm:g}" '
        f'fill="url(#cm)" stroke="{_colour(THICK)}" stroke-width="0.2"/></g>'
    )


def _clip(part: Clip, name: str) -> str:
    frame = f'x="{part.x_mm:g}" y="{part.y_mm:g}" width="{part.width_mm:g}" height="{part.height_mm:g}"'
    inside = "".join(map(_polyline, part.parts))
    return f'<clipPath id="{name}"><rect {frame}/></clipPath><g clip-path="url(#{name})">{inside}</g>'


def _colour(colour: Colour) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)


_PAPER = (
    '<defs><pattern id="mm" width="1" height="1" patternUnits="userSpaceOnUse">'
    f'<path d="M1 0H0V1" fill="none" stroke="{_colour(THIN)}" stroke-width="0.1"/></pattern>'
    '<pattern id="cm" width="5" height="5" patternUnits="userSpaceOnUse">'
    f'<path d="M5 0H0V5" fill="none" stroke="{_colour(THICK)}" stroke-width="0.2"/></pattern></defs>'
)
