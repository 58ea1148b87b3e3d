"""Receive buffers, lent to associations that have something to receive."""

import threading

INITIAL_BYTES = 1 << 20
GATHER_BYTES = 16 << 20          # no buffer grows beyond, and no larger PDU is offered to take
_KEPT_BYTES = 16 << 20           # of idle buffers, for all associations of the process together


class BufferPool:
    """A few buffers kept warm: fresh pages cost more than reading a CT slice into old ones."""

    def __init__(self, *, kept_bytes: int = _KEPT_BYTES) -> None:
        self._lock = threading.Lock()
        self._kept: list[bytearray] = []
        self._room_bytes = kept_bytes

    def lend(self) -> bytearray:
        """A buffer of at least `INITIAL_BYTES`, its content undefined."""
        with self._lock:
            if self._kept:
                buffer = self._kept.pop()
                self._room_bytes += len(buffer)
                return buffer
        return bytearray(INITIAL_BYTES)

    def give_back(self, buffer: bytearray) -> None:
        """Return a lent buffer; nobody may hold a view of it any more."""
        with self._lock:
            if len(buffer) <= self._room_bytes:
                self._room_bytes -= len(buffer)
                self._kept.append(buffer)
