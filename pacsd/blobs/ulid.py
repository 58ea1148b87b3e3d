"""Names that sort by time: ULIDs (48 bits of milliseconds, 80 random bits, Crockford's base 32)."""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)


class Ulids:
    """A source of ULIDs; those of one source are strictly increasing."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> str:
        """The next ULID, 26 characters."""
        with self._lock:
            floor = int(self._clock() * 1000) << 80
            if floor > self._last:
                # the top random bit stays clear, so that counting up within a millisecond cannot run over
                self._last = floor | (int.from_bytes(self._random(10), "big") >> 1)
            else:
                self._last += 1
            value = self._last
        return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def ulid_time(ulid: str) -> datetime:
    """When a ULID was made, to the millisecond, UTC."""
    milliseconds = 0
    for character in ulid[:10]:
        milliseconds = milliseconds * 32 + _ALPHABET.index(character)
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
