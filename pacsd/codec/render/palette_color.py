"""Palette Color Lookup Tables (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6, C.7.9)."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pacsd.codec.render.lookup_table import LookupTable, table_of
from pacsd.codec.render.values import table_bytes, words
from pacsd.faults import Fault, PacsdError

_COLORS = ("Red", "Green", "Blue")
_MAX_ENTRIES = 65536
_MAX_SEGMENT_BYTES = 8 * _MAX_ENTRIES    # the longest segment of one entry takes four words
_TOO_LONG = "a segmented palette is longer than any palette"
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2


def palette(holder: Dataset, values: NDArray[np.float64], *, signed: bool) -> NDArray[np.uint8]:
    """The RGB of each of `values`, shape (len(values), 3). Raises PacsdError MALFORMED."""
    return np.stack([_eight_bit(_table(holder, color, signed=signed), values) for color in _COLORS], axis=-1)


def _eight_bit(table: LookupTable, values: NDArray[np.float64]) -> NDArray[np.uint8]:
    # Some writers say 16 bits and mean 8: nothing above 255 in a table that claims more is no colour scale.
    bits = 8 if table.bits > 8 and int(table.entries.max()) < 256 else table.bits
    return np.rint(table.apply(values) * (255 / ((1 << bits) - 1))).clip(0, 255).astype(np.uint8)


def _table(holder: Dataset, color: str, *, signed: bool) -> LookupTable:
    descriptor = words(holder, f"{color}PaletteColorLookupTableDescriptor")
    data = table_bytes(holder, f"{color}PaletteColorLookupTableData")
    if not data:
        segments = table_bytes(holder, f"Segmented{color}PaletteColorLookupTableData")
        data = np.array(_expanded_bytes(segments, descriptor), "<u2").tobytes()
    return table_of(descriptor, data, signed=signed)


def _expanded_bytes(data: bytes, descriptor: list[int]) -> list[int]:
    """Of segments in words, or in bytes for entries of eight bits; some writers use words for those too, which no
    byte segment is like: it would be discrete and empty."""
    if len(data) > _MAX_SEGMENT_BYTES:
        raise PacsdError(Fault.MALFORMED, _TOO_LONG)
    if descriptor[2:] == [8] and data[1:2] != b"\0":
        return expanded(list(data), unit_bytes=1)
    return expanded([int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data) - 1, 2)])


def expanded(segments: list[int], *, unit_bytes: int = 2) -> list[int]:
    """The entries that segments stand for (PS3.3 C.7.9.2). Raises PacsdError MALFORMED."""
    entries: list[int] = []
    _expand(segments, 0, len(segments), entries, unit_bytes, nested=False)
    return entries


def _expand(segments: list[int], at: int, count: int, entries: list[int], unit_bytes: int, *, nested: bool) -> None:
    """Append what `count` segments (or those before the end) from place `at` stand for; each stands for something."""
    places = 4 // unit_bytes             # of an offset, which counts in bytes
    while count > 0 and at + 2 <= len(segments):
        kind, length = segments[at], segments[at + 1]
        if kind == _DISCRETE and length:
            entries += segments[at + 2 : at + 2 + length]
            at += 2 + length
        elif kind == _LINEAR and length and at + 3 <= len(segments) and entries:
            start, stop = entries[-1], segments[at + 2]
            entries += [start + round((stop - start) * n / length) for n in range(1, length + 1)]
            at += 3
        elif kind == _INDIRECT and length and at + 2 + places <= len(segments) and not nested:
            offset = sum(segments[at + 2 + place] << 8 * unit_bytes * place for place in range(places))
            _expand(segments, offset // unit_bytes, length, entries, unit_bytes, nested=True)
            at += 2 + places
        else:
            raise PacsdError(Fault.MALFORMED, "a segmented palette holds no legal segment")
        if len(entries) > _MAX_ENTRIES:
            raise PacsdError(Fault.MALFORMED, _TOO_LONG)
        count -= 1
