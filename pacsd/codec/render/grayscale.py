"""The grayscale transformations (PS3.4 N.2.1): Modality LUT, VOI LUT, Presentation LUT, to eight bits."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacsd.codec.render.lookup_table import LookupTable
from pacsd.codec.render.modality_lut import IDENTITY, Modality, ModalityTable, Rescale
from pacsd.codec.render.voi_lut import Voi, VoiTable, Window, range_of, window_of_range

Gray = NDArray[np.uint8]
_CHUNK = 1 << 20                         # pixels of a wide value, transformed at a time


@dataclass(frozen=True, slots=True)
class Grayscale:
    """One way through the pipeline. Without `voi` all values of the frame are shown, or all of `full_range`."""

    modality: Modality = IDENTITY
    voi: Voi | None = None
    full_range: tuple[float, float] | None = None
    padding: tuple[float, float] | None = None         # stored values, both included
    presentation: LookupTable | None = None
    inverse: bool = False

    def apply(self, frame: NDArray[Any]) -> Gray:
        """P-values of eight bits of a frame of stored values."""
        voi = self.voi or self._whole(frame)
        if frame.dtype.kind == "f" or frame.dtype.itemsize > 2:
            return self._directly(frame, voi)
        table = self._table(frame.dtype, voi)
        unsigned: NDArray[Any] = frame.view(np.uint16 if frame.dtype.itemsize == 2 else np.uint8)
        # The table holds every value, so no index leaves it, and the mode measured to be fastest may be taken.
        return np.asarray(np.take(table, unsigned, mode="wrap"), np.uint8)

    def _whole(self, frame: NDArray[Any]) -> Window:
        if isinstance(self.modality, ModalityTable) and self.full_range is not None:
            return window_of_range(0, self.modality.table.largest)
        lowest, highest = self.full_range or range_of(frame, self.padding)
        ends = self.modality.apply(np.array([lowest, highest], np.float64))
        return window_of_range(float(ends.min()), float(ends.max()))

    def _table(self, dtype: np.dtype[Any], voi: Voi) -> Gray:
        """The eight-bit output of every stored value, in the order of their unsigned bits."""
        if isinstance(self.modality, Rescale) and isinstance(voi, Window) and self.presentation is None:
            return _kept_table(dtype.str, self.modality, voi, self.inverse)
        return self._eight_bits(_all_values(dtype), voi)

    def _directly(self, frame: NDArray[Any], voi: Voi) -> Gray:
        """Values too many for a table, a piece at a time."""
        flat, out = frame.reshape(-1), np.empty(frame.size, np.uint8)
        for at in range(0, frame.size, _CHUNK):
            values = np.nan_to_num(flat[at : at + _CHUNK].astype(np.float64))
            out[at : at + _CHUNK] = self._eight_bits(values, voi)
        return out.reshape(frame.shape)

    def _eight_bits(self, values: NDArray[np.float64], voi: Voi) -> Gray:
        shown = voi.apply(self.modality.apply(values))
        if self.presentation is not None:
            shown = _presented(self.presentation, shown)
        return np.rint((1.0 - shown if self.inverse else shown) * 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _kept_table(dtype: str, modality: Rescale, voi: Window, inverse: bool) -> Gray:
    """The slices of a series share one table."""
    return Grayscale(modality, inverse=inverse)._eight_bits(_all_values(np.dtype(dtype)), voi)


def _all_values(dtype: np.dtype[Any]) -> NDArray[np.float64]:
    unsigned = np.arange(1 << 8 * dtype.itemsize, dtype=np.uint16 if dtype.itemsize == 2 else np.uint8)
    return unsigned.view(dtype).astype(np.float64)


def _presented(table: LookupTable, shown: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Presentation LUT takes the whole output range of the VOI LUT (PS3.3 C.11.6.1)."""
    return table.apply(shown * (len(table.entries) - 1) + table.first) / table.largest


__all__ = ["Gray", "Grayscale", "VoiTable"]
