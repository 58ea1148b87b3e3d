"""The indexed attributes of an object, level by level, as DICOM JSON attributes (PS3.18 F.2)."""

from typing import Any

import orjson

from pacsd.codec.dicom_json import attribute
from pacsd.codec.header import Element, Header
from pacsd.codec.json_values import FORMATTERS
from pacsd.codec.keys import KEY_BY_TAG, Level, keys_of

Attribute = dict[str, Any]
Attributes = dict[str, Attribute]        # by eight upper-case hex digits, in tag order

_TAGS: dict[Level, tuple[int, ...]] = {
    level: tuple(sorted(key.tag for key in keys_of(level))) for level in ("patient", "study", "series", "instance")
}
INSTANCE_NAMES = tuple((tag, f"{tag:08X}") for tag in _TAGS["instance"])


def patient(header: Header, *, override: str | None = None) -> Attributes:
    """The patient-level attributes of the data set, empty ones too; `override` as in `decode_text`."""
    return _of("patient", header, override)


def study(header: Header, *, override: str | None = None) -> Attributes:
    """The study-level ones."""
    return _of("study", header, override)


def series(header: Header, *, override: str | None = None) -> Attributes:
    """The series-level ones."""
    return _of("series", header, override)


def instance(header: Header, *, override: str | None = None) -> Attributes:
    """The instance-level ones."""
    return _of("instance", header, override)


def instance_texts(header: Header, *, override: str | None = None) -> list[tuple[str, bytes]]:
    """The instance-level ones as pairs of tag and JSON text, in tag order: what receiving stores of each object."""
    elements = header.elements
    sets = header.character_set
    return [
        (name, text_of(element, header, sets, override))
        for tag, name in INSTANCE_NAMES
        if (element := elements.get(tag))
    ]


def _of(level: Level, header: Header, override: str | None) -> Attributes:
    elements = header.elements
    sets = header.character_set
    return {
        f"{tag:08X}": orjson.loads(text_of(elements[tag], header, sets, override))
        for tag in _TAGS[level]
        if tag in elements
    }


def text_of(element: Element, header: Header, sets: tuple[str, ...], override: str | None) -> bytes:
    """The attribute object, where these are the header's character sets; in the VR of the standard where the declared
    one is none that can stand there."""
    wanted = KEY_BY_TAG[element.tag].vr
    if element.vr == wanted and wanted != "SQ":          # nearly all
        return FORMATTERS[wanted](element.value, sets, override, header.big_endian)
    vr = element.vr if element.vr in FORMATTERS or element.vr == "SQ" else "UN"
    if (vr == "SQ") != (wanted == "SQ") or vr == "UN":
        vr = wanted
    return attribute(
        element.value,
        vr,
        element.tag,
        implicit=header.implicit,
        big_endian=header.big_endian,
        character_sets=sets,
        override=override,
    )
