"""The Modality LUT (PS3.3 C.11.1): from stored values to those the modality means."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pacsd.codec.render.lookup_table import LookupTable, lookup_table
from pacsd.codec.render.values import decimal, items

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rescale:
    """Rescale Slope and Intercept (PS3.3 C.11.1.1.2)."""

    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, values: Values) -> Values:
        """Output units of stored values."""
        return values * self.slope + self.intercept

    def is_signed(self, signed: bool) -> bool:
        """Whether the output may be negative where stored values are `signed`; so is the first input of a VOI LUT
        (PS3.3 C.11.2.1.1)."""
        return signed or self.intercept < 0 or self.slope < 0


@dataclass(frozen=True, slots=True)
class ModalityTable:
    """The item of the Modality LUT Sequence (PS3.3 C.11.1.1.1)."""

    table: LookupTable

    def apply(self, values: Values) -> Values:
        """Output units of stored values."""
        return self.table.apply(values)


    def is_signed(self, signed: bool) -> bool:
        """Never: entries are unsigned, whatever the stored values are."""
        return False


Modality = Rescale | ModalityTable
IDENTITY = Rescale()


def modality_lut(holder: Dataset, *, signed: bool, with_table: bool = True) -> Modality | None:
    """What a data set or functional group says, None where it says nothing."""
    if with_table:
        for item in items(holder, "ModalityLUTSequence"):
            return ModalityTable(lookup_table(item, signed=signed))
    if "RescaleSlope" not in holder and "RescaleIntercept" not in holder:
        return None
    return Rescale(decimal(holder, "RescaleSlope", 1.0) or 1.0, decimal(holder, "RescaleIntercept", 0.0))
