"""Fonts for burned-in text: those of the system or of an installed package; none of them comes with us."""

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import PurePath

from PIL import ImageFont

Font = ImageFont.FreeTypeFont

# The first that can be opened and has every character wins. By name, as Pillow looks for them where the system keeps
# its fonts; the extra `fonts` of setup.cfg installs the package (SIL Open Font License).
_PACKAGED = (("manimgx_fonts_cjk", "NotoSansCJK-VF.otf.ttc"),)
_SYSTEM = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "SourceHanSansSC-Regular.otf",
    "SourceHanSansCN-Regular.otf", "NotoSansCJK-VF.otf.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf", "uming.ttc",
    "PingFang.ttc", "STHeiti Medium.ttc", "msyh.ttc", "simsun.ttc",
    "DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf",
)  # fmt: skip
_SIMPLIFIED = " SC"                      # of the faces in a collection, the one with Chinese forms
_REGULAR = 400
_NO_CHARACTER = "\U0010fffd"             # what no font has: its picture is that of a missing glyph


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a font file."""

    path: str
    index: int = 0

    def at(self, size: int) -> Font:
        """The face in a size, pixels."""
        font = ImageFont.truetype(self.path, size, index=self.index)
        try:
            font.set_variation_by_axes([_REGULAR])
        except (OSError, NotImplementedError):
            return font                  # not a variable font
        return font


@cache
def faces() -> tuple[Face, ...]:
    """Those that can be opened here, the most wanted first."""
    found = [face for name in (*_packaged(), *_SYSTEM) if (face := _opened(name)) is not None]
    return tuple(found)


def font_for(text: str, size: int) -> tuple[Font | ImageFont.ImageFont, str]:
    """The font that has most of the text's characters, and the text with ? for those it lacks."""
    best: Face | None = None
    missing = frozenset(text)
    for face in faces():
        lacking = frozenset(one for one in text if not has_glyph(face, one))
        if best is None or len(lacking) < len(missing):
            best, missing = face, lacking
        if not missing:
            break
    shown = "".join("?" if one in missing else one for one in text)
    if best is not None:
        return best.at(size), shown
    return ImageFont.load_default(size), "".join(one if one.isascii() else "?" for one in text)


@lru_cache(maxsize=16384)
def has_glyph(face: Face, character: str) -> bool:
    """Whether the face draws this character, and not the box it draws for unknown ones."""
    if character.isspace():
        return True
    return _drawn(face, character) != _drawn(face, _NO_CHARACTER)


@lru_cache(maxsize=4096)
def _drawn(face: Face, character: str) -> tuple[tuple[int, int], bytes]:
    mask = _probe(face).getmask(character)
    return mask.size, bytes(mask)


@cache
def _probe(face: Face) -> Font:
    return face.at(24)


def _packaged() -> list[str]:
    """Font files of installed packages."""
    found = []
    for package, name in _PACKAGED:
        spec = find_spec(package)
        if spec is not None and spec.origin:
            found.append(str(PurePath(spec.origin).with_name(name)))
    return found


def _opened(name: str) -> Face | None:
    try:
        first = ImageFont.truetype(name, 24)
    except OSError:
        return None
    path, index, at = str(first.path), 0, 0
    while at < 16 and name.endswith(".ttc"):
        try:
            family = ImageFont.truetype(path, 24, index=at).getname()[0] or ""
        except OSError:
            break
        if family.endswith(_SIMPLIFIED):
            index = at
            break
        at += 1
    return Face(path, index)
