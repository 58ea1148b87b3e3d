"""The VOI LUT (PS3.3 C.11.2): which values are looked at, as a window or as a table."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pacsd.codec.render.lookup_table import LookupTable, lookup_table
from pacsd.codec.render.values import decimals, items, text

Values = NDArray[np.float64]

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, slots=True)
class Window:
    """Window Center and Width with their VOI LUT Function (PS3.3 C.11.2.1.2, C.11.2.1.3)."""

    center: float
    width: float
    function: str = "LINEAR"

    @property
    def is_legal(self) -> bool:
        """Whether the width is one the function is defined for."""
        return self.width >= 1 if self.function == "LINEAR" else self.width > 0

    def apply(self, values: Values) -> Values:
        """From output of the Modality LUT to 0 … 1."""
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                return np.asarray(1.0 / (1.0 + np.exp(-4.0 * (values - self.center) / self.width)))
        center, width = self.center, self.width
        if self.function == "LINEAR":
            center, width = center - 0.5, width - 1.0
        if width == 0:                   # a threshold
            return np.asarray(values > center, dtype=np.float64)
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class VoiTable:
    """One item of the VOI LUT Sequence (PS3.3 C.11.2.1.1)."""

    table: LookupTable

    def apply(self, values: Values) -> Values:
        """From output of the Modality LUT to 0 … 1."""
        return self.table.apply(values) / self.table.largest


Voi = Window | VoiTable


def voi_lut(holder: Dataset, *, signed: bool) -> Voi | None:
    """The first window of a data set or functional group, else its first table, else None.

    A window of an illegal width is passed over: objects with a width of 0 are seen.
    """
    centers, widths = decimals(holder, "WindowCenter"), decimals(holder, "WindowWidth")
    function = text(holder, "VOILUTFunction") or "LINEAR"
    for center, width in zip(centers, widths, strict=False):
        window = Window(center, width, function if function in FUNCTIONS else "LINEAR")
        if window.is_legal:
            return window
    for item in items(holder, "VOILUTSequence"):
        return VoiTable(lookup_table(item, signed=signed))
    return None


def window_of_range(lowest: float, highest: float) -> Window:
    """The window that shows every value from `lowest` to `highest`."""
    width = highest - lowest
    return Window((lowest + highest) / 2, width, "LINEAR_EXACT") if width > 0 else Window(highest, 1.0)


def range_of(values: NDArray[Any], padding: tuple[float, float] | None) -> tuple[float, float]:
    """Lowest and highest value, those between the two of `padding` left out (PS3.3 C.7.5.1.1.2)."""
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if padding is not None:
        values = values[(values < padding[0]) | (values > padding[1])]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
