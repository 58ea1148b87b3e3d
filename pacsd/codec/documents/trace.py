"""From samples to a line on paper: peaks survive, points closer than the eye can tell do not."""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float64]

STEP_MM = 0.2                            # of paper, of which four samples are enough to draw the same line


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples without a gap: seconds from the start of the row, and values."""

    seconds: Floats
    values: Floats


def stretches(values: Floats, missing: NDArray[numpy.bool_], *, frequency_hz: float, mm_per_s: float) -> list[Stretch]:
    """One channel's values of one row in pieces between missing samples, thinned out for the paper."""
    kept = numpy.flatnonzero(~missing & numpy.isfinite(values))
    if not len(kept):
        return []
    cuts = numpy.flatnonzero(numpy.diff(kept) > 1) + 1
    found = []
    for run in numpy.split(kept, cuts):
        chosen = run[0] + _thinned(values[run], frequency_hz * STEP_MM / mm_per_s)
        found.append(Stretch(chosen / frequency_hz, values[chosen]))
    return found


def _thinned(values: Floats, samples_per_step: float) -> NDArray[numpy.intp]:
    """The places of the first, lowest, highest and last sample of each step, in order."""
    size = int(samples_per_step)
    if size <= 4:
        return numpy.arange(len(values))
    whole = len(values) // size * size
    steps = values[:whole].reshape(-1, size)
    starts = numpy.arange(0, whole, size)
    tail = numpy.arange(whole, len(values))
    lowest, highest = starts + steps.argmin(1), starts + steps.argmax(1)
    return numpy.unique(numpy.concatenate((starts, lowest, highest, starts + size - 1, tail)))
