"""How busy the machine is, for those who would rather wait."""

import time
from collections.abc import Callable
from pathlib import Path

STAT = Path("/proc/stat")
_LOOK_EVERY_S = 0.03                    # three ticks: what came up in between goes on at full speed
_LEAST_IDLE = 0.5                        # of all processors


class Processors:
    """Whether the machine's processors are short, by the kernel's count of idle time (proc(5))."""

    def __init__(self, stat: Path = STAT, clock: Callable[[], float] = time.monotonic) -> None:
        self._stat = stat
        self._clock = clock
        self._looked_at = 0.0
        self._before = (0, 0)
        self._short = False

    def short(self) -> bool:
        """Whether most of their time was taken, as of the last moments; False where the kernel is silent."""
        now = self._clock()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            self._short = self._look()
        return self._short

    def _look(self) -> bool:
        try:
            line = self._stat.read_text(encoding="ascii").partition("\n")[0]
            ticks = [int(word) for word in line.split()[1:9]]
            idle, total = ticks[3] + ticks[4], sum(ticks)
        except (OSError, ValueError, IndexError):
            return False
        before, self._before = self._before, (idle, total)
        passed = total - before[1]
        return passed > 0 and (idle - before[0]) / passed < _LEAST_IDLE
