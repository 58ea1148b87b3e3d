"""From DICOM JSON attributes to what stands in key columns. Nothing here fails: what does not parse is no key."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from xxhash import xxh3_64_hexdigest

Attribute = Mapping[str, Any]
Attributes = Mapping[str, Attribute]

MAX_KEY_CHARACTERS = 256             # a btree entry ends at 2,700 bytes; the standard's longest key has 64

_MAX_DIGITS = 25                     # beyond these a number is only compared, never written out

_DATE = re.compile(r"(\d{4})[.:/-]?(\d\d)[.:/-]?(\d\d)", re.ASCII)          # also 1993.04.22 (PS3.5 6.2, retired)
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?", re.ASCII)


def bounded(text: str) -> str:
    """The text as a key: without NUL, and what is over-long cut, with a hash that keeps it apart from others."""
    text = text.replace("\0", "").strip()
    if len(text) <= MAX_KEY_CHARACTERS:
        return _utf8(text)
    return _utf8(text[: MAX_KEY_CHARACTERS - 17]) + "#" + xxh3_64_hexdigest(text.encode("utf-8", "replace"))


def _utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def attributes_at(attributes: Attributes, path: str) -> Iterator[Attribute]:
    """The attributes a dotted path names: one, or one per sequence item that has it."""
    first, _, rest = path.partition(".")
    attribute = attributes.get(first)
    if attribute is None:
        return
    if not rest:
        yield attribute
        return
    for item in attribute.get("Value") or ():
        if isinstance(item, Mapping):
            yield from attributes_at(item, rest)


def texts(attribute: Attribute) -> list[str]:
    """The values as bounded text, empty ones left out; a person name in its groups, joined by `=`."""
    found = []
    for value in attribute.get("Value") or ():
        text = bounded(name_text(value) if isinstance(value, Mapping) else str(value) if value is not None else "")
        if text:
            found.append(text)
    return found


def text_at(attributes: Attributes, path: str) -> str | None:
    """The first value as text, or None."""
    for attribute in attributes_at(attributes, path):
        for text in texts(attribute):
            return text
    return None


def texts_at(attributes: Attributes, path: str) -> list[str]:
    """All different values as text, in order."""
    found = (text for attribute in attributes_at(attributes, path) for text in texts(attribute))
    return list(dict.fromkeys(found))


def name_text(value: Mapping[str, Any]) -> str:
    """A person name of the DICOM JSON Model as PS3.5 writes it: `Alphabetic=Ideographic=Phonetic`."""
    groups = (str(value.get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic"))
    return "=".join(groups).rstrip("=")


def date_of(text: str | None) -> date | None:
    """A DA value, or None where it is no date."""
    found = _DATE.fullmatch(text.strip()) if text else None
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None


def time_of(text: str | None) -> time | None:
    """A TM value (the start of what it names when it is not precise), or None where it is no time."""
    parts = time_parts(text.strip()) if text else None
    if parts is None:
        return None
    hour, minute, second, microsecond = (part or 0 for part in parts)
    return time(hour, minute, second, microsecond)


def time_parts(text: str) -> tuple[int, int | None, int | None, int | None] | None:
    """Hour, minute, second, microsecond as far as given, or None where it is no time; second 60 becomes 59."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour = int(found[1])
    minute = None if found[2] is None else int(found[2])
    second = None if found[3] is None else min(int(found[3]), 59) if int(found[3]) == 60 else int(found[3])
    fraction = None if found[4] is None else int(found[4].ljust(6, "0"))
    if hour > 23 or (minute or 0) > 59 or (second or 0) > 59:
        return None
    return hour, minute, second, fraction


def number_of(text: str | None) -> str | None:
    """An IS, DS or other number in one form, so that 70, 070 and 70.0 are equal; what is no number stays as it is."""
    if text is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite():
        return text
    whole = abs(number.adjusted()) < _MAX_DIGITS and number == number.to_integral_value()
    return str(int(number)) if whole else str(number.normalize())
