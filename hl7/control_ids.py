"""Message control ids of our own (MSH-10): unique on this machine, and short enough for every version (20 bytes)."""

import os
import threading
import time

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class ControlIds:
    """Gives ids that grow with time; one for a process, used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._process = (0, "")              # forked, it is another one

    def __call__(self) -> str:
        """The next: microseconds, then the process."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1000)
            if self._process[0] != os.getpid():
                self._process = (os.getpid(), _base36(os.getpid())[-5:].rjust(5, "0"))
            return _base36(self._last) + self._process[1]


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"
