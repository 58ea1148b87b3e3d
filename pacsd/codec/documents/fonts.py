"""The fonts every PDF reader brings, and what can be written with them (ISO 32000-1 9.6.2.2, 9.7.5.2).

None is embedded: Helvetica for Latin, and the four predefined CJK collections, each by its UTF-16 encoding. Text
beyond them (Arabic, Hebrew, Thai) cannot be printed so, and `runs` says so instead of printing something else.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Font:
    """A font resource: its name in the file, and how it is declared."""

    name: str
    base_font: str
    codec: str                           # Python's, to tell what the font has
    cid_encoding: str = ""               # a predefined CMap; "" for a simple font
    collection: str = ""                 # Adobe-GB1 …
    supplement: int = 0

    def encode(self, text: str) -> bytes:
        """The text as a string object's bytes."""
        return text.encode("utf-16-be" if self.cid_encoding else "cp1252")


REGULAR = Font("F1", "Helvetica", "cp1252")
BOLD = Font("F2", "Helvetica-Bold", "cp1252")
CJK = (                                  # in the order in which they are tried
    Font("F3", "STSong-Light", "gb18030", "UniGB-UTF16-H", "GB1", 4),
    Font("F4", "HeiseiMin-W3", "shift_jisx0213", "UniJIS-UTF16-H", "Japan1", 4),
    Font("F5", "HYSMyeongJo-Medium", "euc_kr", "UniKS-UTF16-H", "Korea1", 1),
    Font("F6", "MSung-Light", "big5hkscs", "UniCNS-UTF16-H", "CNS1", 3),
)
FONTS = (REGULAR, BOLD, *CJK)

# Adobe's metrics of the characters U+0020 to U+007E, in thousandths of the size; accented letters are as wide as bare.
_WIDTHS = {
    REGULAR: (
        278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
        556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
        1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
        667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
        333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
        556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
    ),
    BOLD: (
        278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278,
        556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611,
        975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778,
        667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556,
        333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611,
        611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
    ),
}  # fmt: skip


@lru_cache(maxsize=8192)
def font_of(char: str, *, bold: bool = False) -> Font | None:
    """The font that has a character, None where no font of ours does."""
    if _has(REGULAR, char):
        return BOLD if bold else REGULAR
    return next((font for font in CJK if ord(char) < 0x10000 and _has(font, char)), None)


def _has(font: Font, char: str) -> bool:
    try:
        encoded = char.encode(font.codec)
    except UnicodeEncodeError:
        return False
    # GB18030's four-byte codes reach all of Unicode; the font has the two-byte ones.
    return font.codec != "gb18030" or len(encoded) <= 2


def is_printable(text: str) -> bool:
    """Whether all of it can be written, white space aside."""
    return text.isascii() or all(char in "\n\t" or font_of(char) for char in text)


def runs(text: str, *, bold: bool = False) -> list[tuple[Font, str]]:
    """The text in pieces of one font each. What no font has becomes a question mark; see `is_printable`."""
    if text.isascii():
        return [(BOLD if bold else REGULAR, text.replace("\t", "    "))]
    shown = "".join(char if font_of(char) else "?" for char in text.replace("\t", "    "))
    pieces = groupby(shown, key=lambda char: font_of(char, bold=bold) or REGULAR)
    return [(font, "".join(chars)) for font, chars in pieces]


@lru_cache(maxsize=8192)
def _thousandths(char: str, bold: bool) -> int:
    font = font_of(char, bold=bold) or REGULAR
    if font.cid_encoding:
        return 1000
    base = unicodedata.normalize("NFD", char)[0]
    place = ord(base) - 0x20
    widths = _WIDTHS[font]
    return widths[place] if 0 <= place < len(widths) else 1000 if base in "…—Œ™‰" else 556


def width(text: str, size: float, *, bold: bool = False) -> float:
    """How long a text is, in the unit of its size."""
    return sum(_thousandths(char, bold) for char in text) * size / 1000


def wrapped(text: str, size: float, room: float, *, first: float | None = None, bold: bool = False) -> list[str]:
    """The text in lines no longer than `room`: broken at blanks, between ideographs, at last anywhere.

    `first` is the room of the first line, where something stands before it.
    """
    out: list[str] = []
    for paragraph in text.replace("\t", "    ").split("\n"):
        if width(paragraph, size, bold=bold) <= (first if first is not None and not out else room):
            out.append(paragraph.rstrip())
            continue
        line = ""
        for piece in _pieces(paragraph):
            here = first if first is not None and not out else room
            if line and width(line + piece.rstrip(), size, bold=bold) > here:
                out.append(line.rstrip())
                line, here = "", room
                piece = piece.lstrip()
            at, end = 0, len(piece.rstrip())
            while (cut := _fitting(piece, at, end, size, here, bold)) < end:
                out.append(piece[at:cut])
                at, here = cut, room
            line += piece[at:]
        out.append(line.rstrip())
    return out


def _pieces(text: str) -> list[str]:
    """Where a line may be broken: behind a blank, and around every character of a CJK font."""
    pieces: list[str] = []
    word = ""
    for char in text:
        font = font_of(char)
        if font is not None and font.cid_encoding:
            pieces += [word, char] if word else [char]
            word = ""
        elif char == " ":
            pieces.append(word + char)
            word = ""
        else:
            word += char
    return [*pieces, word] if word else pieces


def _fitting(text: str, start: int, end: int, size: float, room: float, bold: bool) -> int:
    """How far one gets from `start` before the room is used up, by one character at least; looks no further."""
    used = 0.0
    for place in range(start, end):
        used += width(text[place], size, bold=bold)
        if used > room:
            return max(place, start + 1)
    return end


def cut(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """The text, shortened with an ellipsis where it has no room."""
    if _fitting(text, 0, len(text), size, room, bold) == len(text):
        return text
    left = room - width("…", size, bold=bold)
    return text[: _fitting(text, 0, len(text), size, left, bold)] + "…"
