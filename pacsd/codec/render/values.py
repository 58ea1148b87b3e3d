"""Attribute values for rendering, read leniently: an object with a broken attribute is still looked at."""

import math
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from pacsd.codec.structure import vr_of

# Tables and items are bounded elsewhere. Numbers in text take a hundred times their length once they are objects, and
# none is longer than explicit VR can tell (PS3.5 7.1.2).
_LONGEST_BYTES = dict.fromkeys(("OB", "OW", "SQ", "UN"), 64 << 20) | dict.fromkeys(("FD", "FL", "SS", "US"), 1 << 20)
_MAX_TEXT_BYTES = 0xFFFE
_PLAIN_TEXT, _PLAIN_NUMBERS = frozenset(("CS", "UI")), frozenset(("DS", "IS"))


def longest_bytes(vr: str) -> int:
    """How long a value may be that is looked at."""
    return _LONGEST_BYTES.get(vr, _MAX_TEXT_BYTES)


def text(holder: Dataset, keyword: str) -> str:
    """The first value as text without padding, "" where there is none."""
    plain = _plain(holder, keyword, _PLAIN_TEXT)
    values = _several(_value(holder, keyword)) if plain is None else [one for one in plain if one]
    return str(values[0]).strip(" \0") if values else ""


def decimals(holder: Dataset, keyword: str) -> list[float]:
    """The values that are finite numbers; others end the list."""
    with suppress(ValueError):                       # said otherwise than by plain numbers
        plain = [float(one) for one in _plain(holder, keyword, _PLAIN_NUMBERS) or () if one]
        if plain and all(map(math.isfinite, plain)):
            return plain
    found = []
    for one in _several(_value(holder, keyword)):
        try:
            number = float(one)
        except (TypeError, ValueError):
            break
        if not math.isfinite(number):
            break
        found.append(number)
    return found


def decimal(holder: Dataset, keyword: str, default: float) -> float:
    """The first value as a finite number."""
    found = decimals(holder, keyword)
    return found[0] if found else default


def integers(holder: Dataset, keyword: str) -> list[int]:
    """The values that are integers."""
    return [round(one) for one in decimals(holder, keyword)]


def integer(holder: Dataset, keyword: str, default: int) -> int:
    """The first value as an integer."""
    return round(decimal(holder, keyword, default))


def words(holder: Dataset, keyword: str) -> list[int]:
    """Values of 16 bits, unsigned, whichever of US, SS and OW the writer chose."""
    data = table_bytes(holder, keyword)
    return [int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data) - 1, 2)]


def table_bytes(holder: Dataset, keyword: str) -> bytes:
    """The same as bytes, words little endian: what tables stand in."""
    value = _value(holder, keyword)
    if isinstance(value, bytes):
        return value
    return b"".join((round(one) & 0xFFFF).to_bytes(2, "little") for one in decimals(holder, keyword))


def items(holder: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence, none where it is absent or no sequence."""
    value = _value(holder, keyword)
    return [one for one in _several(value) if isinstance(one, Dataset)]


@lru_cache(maxsize=1024)
def _tag(keyword: str) -> BaseTag | None:
    known = tag_for_keyword(keyword)
    return None if known is None else BaseTag(known)


def _plain(holder: Dataset, keyword: str, vrs: frozenset[str]) -> list[str] | None:
    """The values of an element that nobody has looked at yet, if they are simple text: pydicom makes an object of each,
    which takes ten times as long."""
    tag = _tag(keyword)
    raw = None if tag is None else holder._dict.get(tag)
    if not isinstance(raw, RawDataElement) or raw.VR not in vrs or not raw.value or _is_endless(raw):
        return None
    return [one.strip(" \0") for one in raw.value.decode("ascii").split("\\")] if raw.value.isascii() else None


def _value(holder: Dataset, keyword: str) -> Any:
    """None also for a value that is longer than it can be: made objects of, it would fill the memory."""
    tag = _tag(keyword)
    if tag is None or tag not in holder._dict:
        return None
    try:
        return None if _is_endless(holder._dict[tag]) else holder[tag].value
    except Exception:  # pydicom's converters raise many things for values that are not of their VR
        return None


def _is_endless(raw: Any) -> bool:
    return isinstance(raw, RawDataElement) and raw.length > longest_bytes(raw.VR or vr_of(raw.tag))


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, str | bytes) or not isinstance(value, Iterable) or hasattr(value, "original_string"):
        return [value]
    return [one for one in value if one is not None and one != ""]
