"""Palette Color Lookup Tables (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6, C.7.9)."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pacsd.codec.render.lookup_table import LookupTable, table_of
from pacsd.codec.render.values import words
from pacsd.faults import Fault, PacsdError

_COLORS = ("Red", "Green", "Blue")
_MAX_ENTRIES = 65536
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
    plain = f"{color}PaletteColorLookupTableData"
    if plain in holder:
        value = holder.get(plain)
        data = value if isinstance(value, bytes) else np.array(words(holder, plain), "<u2").tobytes()
        return table_of(descriptor, data, signed=signed)
    segmented = words(holder, f"Segmented{color}PaletteColorLookupTableData")
    return table_of(descriptor, np.array(expanded(segmented), "<u2").tobytes(), signed=signed)


def expanded(segments: list[int]) -> list[int]:
    """The entries that segments stand for (PS3.3 C.7.9.2). Raises PacsdError MALFORMED."""
    entries: list[int] = []
    _expand(segments, 0, len(segments), entries, nested=False)
    return entries


def _expand(segments: list[int], at: int, count: int, entries: list[int], *, nested: bool) -> None:
    """Append what `count` segments (or those before the end) from word `at` stand for."""
    while count > 0 and at + 2 <= len(segments):
        kind, length = segments[at], segments[at + 1]
        if kind == _DISCRETE:
            entries += segments[at + 2 : at + 2 + length]
            at += 2 + length
        elif kind == _LINEAR and at + 3 <= len(segments) and entries:
            start, stop = entries[-1], segments[at + 2]
            entries += [start + round((stop - start) * n / length) for n in range(1, length + 1)]
            at += 3
        elif kind == _INDIRECT and at + 4 <= len(segments) and not nested:
            offset = segments[at + 2] | segments[at + 3] << 16
            _expand(segments, offset // 2, length, entries, nested=True)
            at += 4
        else:
            raise PacsdError(Fault.MALFORMED, "a segmented palette holds no legal segment")
        if len(entries) > _MAX_ENTRIES:
            raise PacsdError(Fault.MALFORMED, "a segmented palette is longer than any palette")
        count -= 1
