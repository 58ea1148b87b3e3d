"""Lookup tables as DICOM writes them: LUT Descriptor and LUT Data (PS3.3 C.11.1.1, C.11.2.1.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pacsd.codec.render.values import table_bytes, words
from pacsd.faults import Fault, PacsdError


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """Entry 0 belongs to the input `first` and everything below it, the last entry to everything above."""

    first: int
    bits: int
    entries: NDArray[np.uint16]

    @property
    def largest(self) -> int:
        """The largest output there can be."""
        return max((1 << self.bits) - 1, int(self.entries.max()))

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The outputs for these inputs."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        return np.asarray(self.entries[index], np.float64)


def lookup_table(holder: Dataset, *, signed: bool) -> LookupTable:
    """The table of a LUT sequence's item. Raises PacsdError MALFORMED.

    `signed`: whether the first input is, as the pixels or the output of the Modality LUT are (PS3.3 C.11.2.1.1).
    """
    return table_of(words(holder, "LUTDescriptor"), table_bytes(holder, "LUTData"), signed=signed)


def table_of(descriptor: list[int], data: bytes, *, signed: bool) -> LookupTable:
    """A table of its three descriptive words and its data as little endian bytes. Raises PacsdError MALFORMED."""
    if len(descriptor) != 3:
        raise PacsdError(Fault.MALFORMED, "a LUT Descriptor has three values")
    count, first, bits = descriptor[0] or 65536, descriptor[1], descriptor[2]
    if not 1 <= bits <= 16:
        raise PacsdError(Fault.MALFORMED, "a lookup table has entries of 1 to 16 bits")
    if signed and first >= 0x8000:
        first -= 0x10000
    # Eight-bit entries stand in words, or two in one word; some writers are one entry short.
    packed = bits <= 8 and len(data) < 2 * count - 2
    entries = np.frombuffer(data, np.uint8) if packed else np.frombuffer(data[: len(data) // 2 * 2], "<u2")
    if not len(entries) or len(entries) < count - 1:
        raise PacsdError(Fault.MALFORMED, "a lookup table is shorter than its descriptor says")
    return LookupTable(first, bits, entries[:count].astype(np.uint16))
