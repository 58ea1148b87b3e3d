"""Attributes in the DICOM JSON Model (PS3.18 F.2), read leniently: what is absent or something else is empty."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pacsd.codec.text import has_han
from pacsd.faults import Fault, PacsdError

Attributes = Mapping[str, Any]
MAX_METADATA_BYTES = 32 << 20

# Controls but tab and line feed, lone surrogates, and what XML 1.0 (2.2) has no place for.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def parse(text: bytes) -> Attributes:
    """The attributes of a metadata answer's one instance; numbers keep their digits (1.10 stays 1.10).

    Raises PacsdError MALFORMED, TOO_MUCH: as objects they take ten times their length.
    """
    if len(text) > MAX_METADATA_BYTES:
        raise PacsdError(Fault.TOO_MUCH, f"a document of more than {MAX_METADATA_BYTES} bytes of metadata")
    try:
        instances = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PacsdError(Fault.MALFORMED, "the metadata cannot be read") from error
    if not isinstance(instances, list) or not instances or not isinstance(instances[0], dict):
        raise PacsdError(Fault.MALFORMED, "the metadata describes no instance")
    attributes: Attributes = instances[0]
    return attributes


def values(attributes: Attributes, tag: str) -> list[Any]:
    """The values of an attribute, nulls included."""
    attribute = attributes.get(tag)
    found = attribute.get("Value") if isinstance(attribute, Mapping) else None
    return found if isinstance(found, list) else []


def items(attributes: Attributes, tag: str) -> list[Attributes]:
    """The items of a sequence."""
    return [one for one in values(attributes, tag) if isinstance(one, Mapping)]


def item(attributes: Attributes, tag: str) -> Attributes:
    """The first item of a sequence, or one without attributes."""
    return next(iter(items(attributes, tag)), {})


def strings(attributes: Attributes, tag: str) -> list[str]:
    """The values as clean text; person names as they are shown."""
    return [_shown(value) for value in values(attributes, tag)]


def string(attributes: Attributes, tag: str) -> str:
    """The first value as clean text."""
    return next(iter(strings(attributes, tag)), "")


def numbers(attributes: Attributes, tag: str) -> list[float]:
    """The values that are finite numbers."""
    found = []
    for value in values(attributes, tag):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            continue
        if abs(number) < float("inf"):
            found.append(number)
    return found


def number(attributes: Attributes, tag: str, default: float = 0.0) -> float:
    """The first number."""
    return next(iter(numbers(attributes, tag)), default)


def bulk_uri(attributes: Attributes, tag: str) -> str:
    """The Bulk Data URI of a value that metadata leaves out, or ""."""
    attribute = attributes.get(tag)
    uri = attribute.get("BulkDataURI") if isinstance(attribute, Mapping) else None
    return uri if isinstance(uri, str) else ""


def clean(text: str) -> str:
    """Text that HTML, XML and a printer can take: line ends as line feeds, no controls, no lone surrogates."""
    return _NO_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n"))


def person_name(name: Mapping[str, Any]) -> str:
    """A name as people write it: the ideographic group first, then the alphabetic one (PS3.5 6.2.1.1)."""
    alphabetic, ideographic, phonetic = (
        clean(str(name.get(group) or "")) for group in ("Alphabetic", "Ideographic", "Phonetic")
    )
    written = _components(ideographic), _components(alphabetic) or _components(phonetic)
    return " · ".join(dict.fromkeys(filter(None, written)))


def _components(group: str) -> str:
    parts = [part.strip() for part in (*group.split("^"), "", "", "", "")][:5]
    family, given, middle, prefix, suffix = parts
    if has_han(group):
        return "".join((family, given, middle)) + " ".join(f" {part}" for part in (prefix, suffix) if part)
    first = " ".join(filter(None, (prefix, given, middle, suffix)))
    return ", ".join(filter(None, (family, first)))


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return person_name(value)
    return "" if value is None else clean(str(value))


_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)")
_TIME = re.compile(r"(\d\d)(\d\d)?(\d\d)?(\.\d{1,6})?")
_DATE_TIME = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d[\d.]*))?)?)?([+-]\d{4})?")


def date(text: str) -> str:
    """A DA value as ISO 8601 writes it; what is none stays as it is."""
    match = _DATE.fullmatch(text.strip())
    return "-".join(match.groups()) if match else text


def time(text: str) -> str:
    """A TM value likewise, without the fraction of a second."""
    match = _TIME.fullmatch(text.strip())
    return ":".join(part for part in match.groups()[:3] if part) if match else text


def date_time(text: str) -> str:
    """A DT value likewise, with its offset from UTC."""
    match = _DATE_TIME.fullmatch(text.strip())
    if not match:
        return text
    year, month, day, clock, zone = match.groups()
    shown = "-".join(filter(None, (year, month, day)))
    return " ".join(filter(None, (shown, time(clock) if clock else "", zone)))
