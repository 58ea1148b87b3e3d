"""Refuses writes while there is still room for the index to breathe."""

import os
import time
from collections.abc import Callable

from pacsd.faults import Fault, PacsdError

LOOK_EVERY_S = 0.05
LOOK_EVERY_BYTES = 64 * 1024 * 1024


class FreeSpace:
    """Keeps `reserve_bytes` free, asking the file system at most every 50 ms or 64 MiB."""

    def __init__(self, folder: str, *, reserve_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._clock = clock
        self._allowance_bytes = 0
        self._look_again_at = 0.0

    def take(self, size_bytes: int) -> None:
        """Announce a write. Raises PacsdError FULL if it would eat into the reserve."""
        now = self._clock()
        if size_bytes > self._allowance_bytes or now >= self._look_again_at:
            self._look(size_bytes, now)
        self._allowance_bytes -= size_bytes

    def free_bytes(self) -> int:
        """Bytes that may still be written; negative once the reserve is touched."""
        state = os.statvfs(self._folder)
        return state.f_bavail * state.f_frsize - self._reserve_bytes

    def _look(self, size_bytes: int, now: float) -> None:
        free = self.free_bytes()
        self._look_again_at = now + LOOK_EVERY_S
        self._allowance_bytes = 0
        if free < size_bytes:
            raise PacsdError(Fault.FULL, "no room left: the reserve of free space is reached")
        self._allowance_bytes = min(free, max(size_bytes, LOOK_EVERY_BYTES))
