"""Deflated data sets in memory (PS3.5 A.5): so much of them at once in a process, whoever asks."""

import threading
import weakref
from collections import deque
from collections.abc import Iterable

from pacsd.codec.deflate import inflated
from pacsd.faults import Fault, PacsdError

MAX_INFLATED_BYTES = 256 * 1024 * 1024           # of one
_MAX_TOGETHER_BYTES = 2 * MAX_INFLATED_BYTES     # of all that are held at once


class Room:
    """What data sets may take together: taken as they grow, given back when nobody holds them any more."""

    def __init__(self, most_bytes: int) -> None:
        self._left_bytes = most_bytes
        self._given_back: deque[int] = deque()
        self._lock = threading.Lock()

    @property
    def left_bytes(self) -> int:
        """What may still be taken."""
        with self._lock:
            return self._settled()

    def take(self, length_bytes: int) -> None:
        """Raises PacsdError UNAVAILABLE where there is no room left for now."""
        with self._lock:
            left_bytes = self._settled() - length_bytes
            if left_bytes >= 0:
                self._left_bytes = left_bytes
        if left_bytes < 0:
            raise PacsdError(Fault.UNAVAILABLE, "too many large deflated data sets are read at once")

    def give_back(self, length_bytes: int) -> None:
        """There is room again. Without the lock: the collector may come here in the middle of anything."""
        self._given_back.append(length_bytes)

    def _settled(self) -> int:
        while self._given_back:
            self._left_bytes += self._given_back.popleft()
        return self._left_bytes


class _Data(bytearray):
    """The bytes; unlike their base they tell when they go."""


_ROOM = Room(_MAX_TOGETHER_BYTES)


def held(chunks: Iterable[bytes], *, max_bytes: int, room: Room = _ROOM) -> memoryview:
    """The data set that is deflated in `chunks`, read no further than it may inflate.

    Its room is given back with the last view of it. Raises PacsdError TOO_MUCH, UNAVAILABLE, MALFORMED.
    """
    data, taken = _Data(), 0
    try:
        for piece in inflated(chunks):
            if len(data) + len(piece) > max_bytes:
                raise PacsdError(Fault.TOO_MUCH, f"a deflated data set of more than {max_bytes} bytes")
            room.take(len(piece))
            taken += len(piece)
            data += piece
    except BaseException:
        data.clear()                     # now: the error holds on to it
        room.give_back(taken)
        raise
    weakref.finalize(data, room.give_back, taken).atexit = False
    return memoryview(data)
