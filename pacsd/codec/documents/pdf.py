"""A drawing as PDF 1.7 (ISO 32000-1): one content stream a page, fonts by name, nothing that runs or loads."""

import zlib
from collections.abc import Iterator, Sequence

from pacsd.codec.documents.drawing import THICK, THIN, Clip, Colour, Drawing, Grid, Page, Part, Polyline, Text
from pacsd.codec.documents.fonts import FONTS, Font, runs, width

MEDIA_TYPE = "application/pdf"
_POINTS_PER_MM = 72 / 25.4
_FIRST_FONT = 4                          # objects: 1 catalogue, 2 page tree, 3 information, then fonts


def pdf(drawing: Drawing) -> bytes:
    """application/pdf, the same bytes for the same drawing."""
    pages = drawing.pages or (Page(210.0, 297.0, ()),)
    used = _used_fonts(drawing)
    fonts = [object_ for place, font in enumerate(used) for object_ in _font(font, _FIRST_FONT + 3 * place)]
    first_page = _FIRST_FONT + len(fonts)
    kids = " ".join(f"{first_page + 2 * place} 0 R" for place in range(len(pages)))
    lang = f"/Lang {_string(drawing.language).decode()}" if drawing.language else ""
    objects = [
        f"<</Type/Catalog/Pages 2 0 R{lang}/ViewerPreferences<</DisplayDocTitle true>>>>".encode(),
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>".encode(),
        b"<</Title " + _string(drawing.title) + b">>",
        *fonts,
    ]
    for place, page in enumerate(pages):
        objects += _page(page, first_page + 2 * place, used)
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<</Size %d/Root 1 0 R/Info 3 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _used_fonts(drawing: Drawing) -> list[Font]:
    """The fonts of its texts: a reader need not look for those it does not have."""
    used = {
        font
        for page in drawing.pages
        for part in page.parts
        if isinstance(part, Text)
        for font, _ in runs(part.text, bold=part.bold)
    }
    return [font for font in FONTS if font in used]


def _font(font: Font, number: int) -> tuple[bytes, bytes, bytes]:
    """Each font takes three objects: itself, and for a CJK one its descendant and descriptor."""
    if not font.cid_encoding:
        simple = f"<</Type/Font/Subtype/Type1/BaseFont/{font.base_font}/Encoding/WinAnsiEncoding>>"
        return simple.encode(), b"null", b"null"
    composite = (
        f"<</Type/Font/Subtype/Type0/BaseFont/{font.base_font}-{font.cid_encoding}"
        f"/Encoding/{font.cid_encoding}/DescendantFonts[{number + 1} 0 R]>>"
    )
    descendant = (
        f"<</Type/Font/Subtype/CIDFontType0/BaseFont/{font.base_font}/CIDSystemInfo<</Registry(Adobe)"
        f"/Ordering({font.collection})/Supplement {font.supplement}>>/FontDescriptor {number + 2} 0 R/DW 1000>>"
    )
    descriptor = (
        f"<</Type/FontDescriptor/FontName/{font.base_font}/Flags 6/FontBBox[-25 -254 1000 880]"
        "/ItalicAngle 0/Ascent 880/Descent -120/CapHeight 880/StemV 93>>"
    )
    return composite.encode(), descendant.encode(), descriptor.encode()


def _page(page: Page, number: int, used: Sequence[Font]) -> list[bytes]:
    stream = zlib.compress("\n".join(_operators(page)).encode("latin_1"), 6)
    fonts = "".join(f"/{font.name} {_FIRST_FONT + 3 * place} 0 R" for place, font in enumerate(used))
    box = f"{page.width_mm * _POINTS_PER_MM:.3f} {page.height_mm * _POINTS_PER_MM:.3f}"
    return [
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {box}]/Resources<</Font<<{fonts}>>>>"
        f"/Contents {number + 1} 0 R>>".encode(),
        b"<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream" % (len(stream), stream),
    ]


def _operators(page: Page) -> Iterator[str]:
    """The drawing in millimetres with y upwards; y is turned over here, so that text stands upright."""
    yield f"{_POINTS_PER_MM:.6f} 0 0 {_POINTS_PER_MM:.6f} 0 0 cm 1 j 1 J"
    for part in page.parts:
        yield from _part(part, page.height_mm)


def _part(part: Part, height: float) -> Iterator[str]:
    if isinstance(part, Text):
        yield from _text(part, height)
    elif isinstance(part, Polyline):
        yield _polyline(part, height)
    elif isinstance(part, Grid):
        yield from _grid(part, height)
    else:
        yield from _clip(part, height)


def _text(part: Text, height: float) -> Iterator[str]:
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[part.anchor]
    x = part.x_mm - shift * width(part.text, part.size_mm, bold=part.bold)
    yield f"BT {_rgb(part.colour)} rg 1 0 0 1 {x:.3f} {height - part.y_mm:.3f} Tm"
    for font, piece in runs(part.text, bold=part.bold):
        yield f"/{font.name} {part.size_mm:g} Tf <{_hex(font, piece)}> Tj"
    yield "ET"


def _hex(font: Font, text: str) -> str:
    return font.encode(text).hex()


def _polyline(part: Polyline, height: float) -> str:
    path = " ".join(
        f"{x:.3f} {height - y:.3f} {'l' if place else 'm'}" for place, (x, y) in enumerate(part.points)
    )
    return f"{_rgb(part.colour)} RG {part.width_mm:g} w {path} S"


def _grid(part: Grid, height: float) -> Iterator[str]:
    for step, line_mm, colour in ((1, 0.1, THIN), (5, 0.2, THICK)):
        yield f"{_rgb(colour)} RG {line_mm:g} w"
        top, bottom = height - part.y_mm, height - part.y_mm - part.height_mm
        columns = range(0, int(part.width_mm) + 1, step)
        yield " ".join(f"{part.x_mm + at:.3f} {top:.3f} m {part.x_mm + at:.3f} {bottom:.3f} l" for at in columns)
        right = part.x_mm + part.width_mm
        rows = range(0, int(part.height_mm) + 1, step)
        yield " ".join(f"{part.x_mm:.3f} {top - at:.3f} m {right:.3f} {top - at:.3f} l" for at in rows)
        yield "S"


def _clip(part: Clip, height: float) -> Iterator[str]:
    frame = f"{part.x_mm:.3f} {height - part.y_mm - part.height_mm:.3f} {part.width_mm:.3f} {part.height_mm:.3f}"
    yield f"q {frame} re W n"
    for line in part.parts:
        yield _polyline(line, height)
    yield "Q"


def _rgb(colour: Colour) -> str:
    return " ".join(f"{one:.3f}" for one in colour)


def _string(text: str) -> bytes:
    """A text string (ISO 32000-1 7.9.2.2)."""
    return b"<feff" + text.encode("utf-16-be", "replace").hex().encode() + b">"
