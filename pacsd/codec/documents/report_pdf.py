"""Paragraphs as PDF pages: A4, running title and page numbers (PS3.18 Table 8.7.4-1: application/pdf)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pacsd.codec.documents.drawing import A4_MM, BLACK, GREY, Colour, Drawing, Page, Part, Polyline, Text
from pacsd.codec.documents.fonts import cut, is_printable, width, wrapped
from pacsd.codec.documents.pdf import pdf
from pacsd.codec.documents.report_text import Line
from pacsd.faults import Fault, PacsdError

MAX_PAGES = 500
_LEFT_MM, _TOP_MM, _BOTTOM_MM = 20.0, 22.0, 20.0
_LEADING = 1.45
_INDENT_MM, _MAX_INDENT_MM = 4.0, 60.0


@dataclass(frozen=True, slots=True)
class _Style:
    size_mm: float
    bold_label: bool = False
    before_mm: float = 0.0
    colour: Colour = BLACK


_STYLES = {
    "title": _Style(5.6, bold_label=True),
    "fact": _Style(3.2, colour=GREY),
    "heading": _Style(4.2, bold_label=True, before_mm=3.0),
    "field": _Style(3.5, bold_label=True, before_mm=0.6),
    "note": _Style(3.2, before_mm=1.0, colour=GREY),
}


def printed(paragraphs: list[Line], *, identity: str = "") -> bytes:
    """The paragraphs as application/pdf; `identity` stands at the foot of every page.

    Raises PacsdError UNSUPPORTED when a character is in none of the fonts that PDF readers bring, TOO_MUCH
    beyond MAX_PAGES.
    """
    if not all(is_printable(str(one)) for one in paragraphs) or not is_printable(identity):
        raise PacsdError(Fault.UNSUPPORTED, "the document has characters that no standard PDF font has")
    sheets = _Sheets()
    for one in paragraphs:
        sheets.add(one)
    title = next((one.label for one in paragraphs if one.kind == "title"), "")
    pages = [
        Page(*A4_MM, [*parts, *_foot(identity, number, len(sheets.pages))])
        for number, parts in enumerate(sheets.pages, 1)
    ]
    return pdf(Drawing(title, pages))


@dataclass
class _Sheets:
    """Lines set one below the other, on as many pages as they need."""

    pages: list[list[Part]] = field(default_factory=lambda: [[]])
    y_mm: float = _TOP_MM
    before: str = ""

    def add(self, line: Line) -> None:
        style = _STYLES[line.kind]
        x = _LEFT_MM + min(line.depth * _INDENT_MM, _MAX_INDENT_MM)
        room = A4_MM[0] - _LEFT_MM - x
        if self.before == "fact" and line.kind != "fact":
            self._rule()
        self.y_mm += style.before_mm + (2.0 if self.before == "title" else 0.0)
        for number, (label, text) in enumerate(_set(line, style, room)):
            self._next(style.size_mm * _LEADING, keep_mm=12.0 if line.kind == "heading" and not number else 0.0)
            self._put(x, label, text, style)
        self.before = line.kind

    def _put(self, x: float, label: str, text: str, style: _Style) -> None:
        page = self.pages[-1]
        if label:
            page.append(Text(x, self.y_mm, label, style.size_mm, style.bold_label, style.colour))
            x += width(label, style.size_mm, bold=style.bold_label)
        if text:
            page.append(Text(x, self.y_mm, text, style.size_mm, False, BLACK))

    def _next(self, step_mm: float, *, keep_mm: float) -> None:
        if self.y_mm + step_mm + keep_mm > A4_MM[1] - _BOTTOM_MM:
            if len(self.pages) >= MAX_PAGES:
                raise PacsdError(Fault.TOO_MUCH, f"the document has more than {MAX_PAGES} pages")
            self.pages.append([])
            self.y_mm = _TOP_MM
        self.y_mm += step_mm

    def _rule(self) -> None:
        self.y_mm += 2.0
        self.pages[-1].append(Polyline([(_LEFT_MM, self.y_mm), (A4_MM[0] - _LEFT_MM, self.y_mm)], 0.2, GREY))


def _set(line: Line, style: _Style, room: float) -> Iterator[tuple[str, str]]:
    """The printed lines of a paragraph: label and text share the first one where the label leaves room."""
    label = f"{line.label}: " if line.label and line.text else line.label
    used = width(label, style.size_mm, bold=style.bold_label)
    if not line.text or used > room * 0.6:
        for one in wrapped(label, style.size_mm, room, bold=style.bold_label):
            yield one, ""
        label, used = "", 0.0
    if line.text:
        for number, one in enumerate(wrapped(line.text, style.size_mm, room, first=room - used)):
            yield ("" if number else label), one


def _foot(identity: str, number: int, count: int) -> Iterator[Part]:
    y = A4_MM[1] - 12.0
    yield Text(_LEFT_MM, y, cut(identity, 2.8, A4_MM[0] - 2 * _LEFT_MM - 20.0), 2.8, colour=GREY)
    yield Text(A4_MM[0] - _LEFT_MM, y, f"{number} / {count}", 2.8, colour=GREY, anchor="end")
