"""Rendering query parameters (PS3.18 8.3.5): what a client may ask of a picture, read strictly."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pacsd.codec.render.voi_lut import Window
from pacsd.faults import Fault, PacsdError

MAX_VIEWPORT_PIXELS = 1 << 25            # 8192 × 4096
NAMES = ("annotation", "iccprofile", "quality", "viewport", "window")
ANNOTATIONS = ("patient", "technique")
ICC_PROFILES = ("no", "yes", "srgb", "adobergb", "rommrgb")
_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}

_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})")
_DECIMAL_STRING = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Viewport:
    """Where a picture has to fit, and which region of the source is shown in it, in source pixels (PS3.18 8.3.5.1.3).

    Without `region_width` or `region_height` the region ends at the edge of the source.
    """

    width: int
    height: int
    x: float = 0.0
    y: float = 0.0
    region_width: float | None = None
    region_height: float | None = None
    flip_horizontal: bool = False
    flip_vertical: bool = False


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the client asks for; the defaults are what it gets without asking."""

    annotation: tuple[str, ...] = ()
    iccprofile: str = ""                 # one of ICC_PROFILES
    quality: int | None = None           # 1 to 100
    viewport: Viewport | None = None
    window: Window | None = None


def parameters(given: Mapping[str, str]) -> Parameters:
    """The parameters among `given`, names that are none of them passed over. Raises PacsdError MALFORMED."""
    return Parameters(
        annotation=_annotation(given["annotation"]) if "annotation" in given else (),
        iccprofile=_one_of("iccprofile", given["iccprofile"], ICC_PROFILES) if "iccprofile" in given else "",
        quality=_quality(given["quality"]) if "quality" in given else None,
        viewport=_viewport(given["viewport"]) if "viewport" in given else None,
        window=_window(given["window"]) if "window" in given else None,
    )


def _wrong(detail: str) -> PacsdError:
    return PacsdError(Fault.MALFORMED, detail)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise _wrong(f"{name} is one of {', '.join(allowed)}")
    return value


def _annotation(text: str) -> tuple[str, ...]:
    """A list of keywords (PS3.18 8.3.5.1.1)."""
    words = text.split(",")
    if len(words) > len(ANNOTATIONS):
        raise _wrong("annotation names each keyword once")
    return tuple(dict.fromkeys(_one_of("annotation", word, ANNOTATIONS) for word in words))


def _quality(text: str) -> int:
    """1 to 100, the higher the better (PS3.18 8.3.5.1.2)."""
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= 100:
        raise _wrong("quality is an integer from 1 to 100")
    return int(text)


def _window(text: str) -> Window:
    """`center,width,function`, all of them required (PS3.18 8.3.5.1.4)."""
    pieces = text.split(",")
    if len(pieces) != 3 or pieces[2] not in _FUNCTIONS:
        raise _wrong(f"window is center,width,function with a function of {', '.join(_FUNCTIONS)}")
    if not all(len(piece) <= 16 and _DECIMAL_STRING.fullmatch(piece) for piece in pieces[:2]):
        raise _wrong("the center and the width of window are decimal strings")
    window = Window(float(pieces[0]), float(pieces[1]), _FUNCTIONS[pieces[2]])
    if not window.is_legal:
        raise _wrong("the width of window is at least 1 for linear, above 0 for the others")
    return window


def _viewport(text: str) -> Viewport:
    """`vw,vh[,[sx],[sy],[sw],[sh]]` (PS3.18 8.3.5.1.3); negative widths and heights turn the picture over."""
    pieces = text.split(",")
    if not 2 <= len(pieces) <= 6 or not all(_WHOLE.fullmatch(piece) for piece in pieces[:2]):
        raise _wrong("viewport is vw,vh or vw,vh,sx,sy,sw,sh, with positive integers vw and vh")
    if not all(_DECIMAL.fullmatch(piece) for piece in pieces[2:] if piece):
        raise _wrong("the source region of viewport is made of decimal numbers")
    width, height = int(pieces[0]), int(pieces[1])
    if not 0 < width * height <= MAX_VIEWPORT_PIXELS:
        raise _wrong(f"a viewport holds 1 to {MAX_VIEWPORT_PIXELS} pixels")
    x, y, across, down = [float(piece) if piece else None for piece in (*pieces[2:], *[""] * (6 - len(pieces)))]
    if across == 0 or down == 0:
        raise _wrong("the source region of viewport is empty")
    return Viewport(
        width, height, abs(x or 0.0), abs(y or 0.0),
        None if across is None else abs(across),
        None if down is None else abs(down),
        flip_horizontal=across is not None and across < 0,
        flip_vertical=down is not None and down < 0,
    )  # fmt: skip
