"""How long the frames of a multi-frame image are shown (PS3.3 C.7.6.5)."""

from collections.abc import Callable

from pydicom.dataset import Dataset

from pacsd.codec.render.values import decimal, decimals

_DEFAULT_MS = 100.0


def frame_delays_ms(dataset: Dataset) -> Callable[[int], float]:
    """For frame `n`, from 0, the milliseconds until the next one."""
    vector = decimals(dataset, "FrameTimeVector")        # its first value is 0: each tells the time since the last
    if len(vector) > 1:
        return lambda number: vector[min(number + 1, len(vector) - 1)] or _DEFAULT_MS
    interval = decimal(dataset, "FrameTime", 0.0)
    if interval <= 0:
        rate = decimal(dataset, "RecommendedDisplayFrameRate", 0.0) or decimal(dataset, "CineRate", 0.0)
        interval = 1000 / rate if rate > 0 else _DEFAULT_MS
    return lambda _: interval
