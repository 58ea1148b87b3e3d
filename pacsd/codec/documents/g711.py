"""Companded audio samples to linear ones (ITU-T G.711), 16 bits wide: what MB and AB mean (PS3.3 C.10.9.1.5)."""

import numpy
from numpy.typing import NDArray


def _mu_law(code: int) -> int:
    bits = ~code & 0xFF
    magnitude = (((bits & 0x0F) << 3) + 0x84 << (bits >> 4 & 7)) - 0x84
    return -magnitude if bits & 0x80 else magnitude


def _a_law(code: int) -> int:
    bits = code ^ 0x55
    segment, magnitude = bits >> 4 & 7, ((bits & 0x0F) << 4) + 8
    if segment:
        magnitude = magnitude + 0x100 << segment - 1
    return magnitude if bits & 0x80 else -magnitude


MU_LAW: NDArray[numpy.int16] = numpy.array([_mu_law(code) for code in range(256)], numpy.int16)
A_LAW: NDArray[numpy.int16] = numpy.array([_a_law(code) for code in range(256)], numpy.int16)
