"""Annotations burned into pictures (PS3.18 8.3.5.1.1): who it is, and how it was taken."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from pydicom.datadict import tag_for_keyword

from pacsd.codec.render.fonts import font_for
from pacsd.codec.render.image_header import ImageHeader
from pacsd.codec.render.picture import Picture

Overlay = Mapping[str, Mapping[str, object] | None]

NO_FONT = "characters of the annotation are shown as ?: no installed font has them"
_LINES_OF_HEIGHT = 30                    # text of a thirtieth of the picture's height
_MIN_SIZE, _MAX_SIZE = 7, 64
_MAX_CHARACTERS = 80
DRAWING = threading.Lock()              # FreeType faces are not for several threads at once

_TECHNIQUE = (                           # line by line: keywords, and how they are shown
    (("InstitutionName", "{}"),),
    (("ManufacturerModelName", "{}"),),
    (("SeriesDescription", "{}"),),
    (("ImageLaterality", "{}"), ("ViewPosition", "{}")),
    (("KVP", "{} kV"), ("XRayTubeCurrent", "{} mA"), ("Exposure", "{} mAs"), ("ConvolutionKernel", "kernel {}")),
    (("MagneticFieldStrength", "{} T"), ("RepetitionTime", "TR {}"), ("EchoTime", "TE {}"), ("FlipAngle", "FA {}")),
    (("SliceThickness", "{} mm"), ("SliceLocation", "at {} mm")),
)


@dataclass(frozen=True, slots=True)
class Lines:
    """What is written into the upper and the lower left corner."""

    upper: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()


def annotation_lines(header: ImageHeader, overlay: Overlay, wanted: Sequence[str]) -> Lines:
    """The lines for the keywords of `annotation`; corrections in `overlay` (DICOM JSON by tag) go first."""
    return Lines(
        tuple(_patient(header, overlay)) if "patient" in wanted else (),
        tuple(_technique(header, overlay)) if "technique" in wanted else (),
    )


def annotated(picture: Picture, lines: Lines) -> tuple[Picture, str]:
    """The picture with its lines, and a warning where no font has all of their characters."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    every = [*lines.upper, *lines.lower]
    with DRAWING:
        size = _size(image, every)
        missing = [_drawn(image, lines.upper, size, lower=False), _drawn(image, lines.lower, size, lower=True)]
    return np.asarray(image), NO_FONT if any(missing) else ""


def _patient(header: ImageHeader, overlay: Overlay) -> list[str]:
    name = shown_name(_text(header, overlay, "PatientName"))
    birth, sex, age = (_text(header, overlay, one) for one in ("PatientBirthDate", "PatientSex", "PatientAge"))
    person = " ".join(one for one in (_date(birth), sex, age.lstrip("0")) if one)
    accession = _text(header, overlay, "AccessionNumber")
    return [one for one in (name, _text(header, overlay, "PatientID"), person, accession) if one]


def _technique(header: ImageHeader, overlay: Overlay) -> list[str]:
    when = f"{_date(_text(header, overlay, 'StudyDate'))} {_time(_text(header, overlay, 'StudyTime'))}".strip()
    series, instance = (_text(header, overlay, one) for one in ("SeriesNumber", "InstanceNumber"))
    place = f"{_text(header, overlay, 'Modality')} {series}/{instance}".rstrip("/ ") if series or instance else ""
    lines = [when, place]
    for line in _TECHNIQUE:
        values = [(form, _text(header, overlay, keyword).split("\\")[0]) for keyword, form in line]
        lines.append("  ".join(form.format(value) for form, value in values if value))
    return [one for one in lines if one]


def shown_name(name: str) -> str:
    """A Person Name for readers (PS3.5 6.2.1.2): the ideographic group first where there is one."""
    groups = [[part for part in group.split("^") if part] for group in name.split("=")]
    alphabetic = " ".join(groups[0]) if groups[0] else ""
    ideographic = ("" if len(groups) < 2 else "".join(groups[1])).strip()
    if ideographic and alphabetic:
        return f"{ideographic} ({alphabetic})"
    if not alphabetic.isascii() and groups[0] and all(ord(one) >= 0x2E80 for part in groups[0] for one in part):
        return "".join(groups[0])
    return ideographic or alphabetic


def _text(header: ImageHeader, overlay: Overlay, keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    key = f"{tag:08X}"
    if key not in overlay:
        return header.text(keyword)
    return "\\".join(map(_json_text, _values(overlay[key])))


def _values(attribute: Mapping[str, object] | None) -> list[Any]:
    values = (attribute or {}).get("Value", [])
    return values if isinstance(values, list) else []


def _json_text(value: Any) -> str:
    if isinstance(value, dict):          # a Person Name (PS3.18 F.2.2)
        groups = [str(value.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)


def _date(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else text


def _time(text: str) -> str:
    return f"{text[:2]}:{text[2:4]}" if len(text) >= 4 and text[:4].isdigit() else text


def _size(image: Image.Image, lines: Sequence[str]) -> int:
    """A size in which the longest line fits and all lines do."""
    size = image.height // max(_LINES_OF_HEIGHT, len(lines) + 2)
    longest = max((len(line) + sum(ord(one) >= 0x2E80 for one in line) for line in lines), default=1)
    fitting = int(image.width / max(min(longest, _MAX_CHARACTERS), 1) * 1.6)
    return min(max(min(size, fitting), _MIN_SIZE), _MAX_SIZE)


def _drawn(image: Image.Image, lines: Sequence[str], size: int, *, lower: bool) -> bool:
    """Draw lines into a left corner; whether characters are missing."""
    if not lines:
        return False
    text = "\n".join(line[:_MAX_CHARACTERS] for line in lines)
    font, shown = font_for(text, size)
    white, black = (255, 0) if image.mode == "L" else ((255, 255, 255), (0, 0, 0))
    draw = ImageDraw.Draw(image)
    margin = size // 2
    top: float = margin
    if lower:
        box = draw.multiline_textbbox((0, 0), shown, font=font, stroke_width=1)
        top = max(image.height - margin - box[3], 0)
    draw.multiline_text((margin, top), shown, font=font, fill=white, stroke_width=1, stroke_fill=black)
    return shown != text
