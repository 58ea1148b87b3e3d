"""Framing: the Minimal Lower Layer Protocol (HL7 MLLP release 1), a message between VT and FS CR.

The policy where a peer does not keep to it:

- What stands between frames is skipped; a connection on which more than `max_garbage_bytes` come before the next start
  block does not speak MLLP, and is ended.
- FS ends a frame whether CR follows or not; the CR is then what stands between frames.
- VT with a header segment after it begins a frame even inside another: the sender began again, and what it had sent of
  the first is dropped. Any other VT is text.
- A frame above `max_message_bytes`, or above what the process may hold in all, is given up: its beginning comes as
  `Oversized`, so that it can be answered, and the connection is to be ended.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

START, END, CARRIAGE_RETURN = 0x0B, 0x1C, 0x0D
_END = bytes((END,))
_RESTARTS = (b"\x0bMSH", b"\x0bFHS", b"\x0bBHS")
KEPT_OF_OVERSIZED_BYTES = 4096                   # enough for MSH
_FREE_BYTES = 1 << 20                            # of each connection, without asking for it


def framed(message: bytes) -> bytes:
    """A message between its blocks, in one piece for one write."""
    return b"\x0b%b\x1c\r" % message


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole message. `restarted`: the sender had begun another before and did not end it."""

    message: bytes
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class Oversized:
    """The beginning of a message that is too long; nothing more can be read from this connection."""

    beginning: bytes
    limit_bytes: int


class NotMllp(Exception):
    """The peer sends something else."""


class Room:
    """Bytes that all connections of a process may hold together beyond their first MiB each. Thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> bool:
        """Whether that many more may be held; they are then taken."""
        with self._lock:
            if size_bytes > self._left:
                return False
            self._left -= size_bytes
            return True

    def give_back(self, size_bytes: int) -> None:
        """What was taken is held no longer."""
        with self._lock:
            self._left += size_bytes


class FrameReader:
    """Cuts frames out of what comes in pieces of any size; holds one unfinished frame, and no byte more."""

    def __init__(
        self, *, max_message_bytes: int, max_garbage_bytes: int = 65_536, room: Room | None = None
    ) -> None:
        self._max_message_bytes = max_message_bytes
        self._max_garbage_bytes = max_garbage_bytes
        self._room = room
        self._taken_bytes = 0
        self._frame: bytearray | None = None
        self._garbage_bytes = 0

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._frame is not None

    def feed(self, data: bytes) -> Iterator[Frame | Oversized]:
        """Frames that end in these bytes. After an `Oversized` nothing more may be fed. Raises NotMllp."""
        at = 0
        while at < len(data):
            if self._frame is None:
                at = self._skip(data, at)
                continue
            end = data.find(_END, at)
            piece = data[at:] if end < 0 else data[at:end]
            if not self._keep(self._frame, piece):
                yield self._give_up(self._frame)
                return
            if end < 0:
                return
            at = end + 1
            yield self._whole(self._frame)

    def close(self) -> None:
        """Give back the room of a frame that did not end."""
        if self._room is not None and self._taken_bytes:
            self._room.give_back(self._taken_bytes)
        self._taken_bytes = 0
        self._frame = None

    def _skip(self, data: bytes, at: int) -> int:
        start = data.find(START, at)
        self._garbage_bytes += (len(data) if start < 0 else start) - at
        if self._garbage_bytes > self._max_garbage_bytes:
            raise NotMllp("what came is not MLLP")
        if start < 0:
            return len(data)
        self._frame = bytearray()
        self._garbage_bytes = 0
        return start + 1

    def _keep(self, frame: bytearray, piece: bytes) -> bool:
        size = len(frame) + len(piece)
        if size > self._max_message_bytes or not self._fits(size):
            frame += piece[: max(KEPT_OF_OVERSIZED_BYTES - len(frame), 0)]
            return False
        frame += piece
        return True

    def _fits(self, size_bytes: int) -> bool:
        wanted = size_bytes - _FREE_BYTES - self._taken_bytes
        if self._room is None or wanted <= 0:
            return True
        if not self._room.take(wanted):
            return False
        self._taken_bytes += wanted
        return True

    def _whole(self, frame: bytearray) -> Frame:
        message = bytes(frame)
        self.close()
        restart = max(message.rfind(mark) for mark in _RESTARTS) if START in message else -1
        return Frame(message[restart + 1 :], restarted=True) if restart >= 0 else Frame(message)

    def _give_up(self, frame: bytearray) -> Oversized:
        beginning = bytes(frame[:KEPT_OF_OVERSIZED_BYTES])
        self.close()
        return Oversized(beginning, self._max_message_bytes)
