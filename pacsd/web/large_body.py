"""The large body of a request, read from the socket into the buffers that its reader gets (RFC 9112 6.3).

uvicorn copies a body five times, 64 KiB at a time, between the socket and the application. Where its length is
declared nothing has to be parsed: the connection reads into buffers of our own until that many bytes have come, and
is uvicorn's again.
"""

import asyncio
from collections.abc import Callable
from typing import Any

LARGE_BYTES = 1 << 20                    # declared; smaller bodies are not worth it
BUFFER_BYTES = 1 << 20
_FIRST_BUFFER_BYTES = 1 << 16            # each that was filled is followed by a larger one: what is held was sent
_GROWTH = 4
_ENOUGH_BYTES = 256 << 10                # to wake the reader at once
_GATHER_S = 0.004                        # it is woken for less after so long
_MOST_FULL = 2                           # buffers that wait for it


class LargeBody(asyncio.BufferedProtocol):
    """What the connection reads into while the body comes; `receive` is ASGI's for its request.

    When two buffers are full and unread the client has to wait. `finished` is called once every byte has
    come, whether or not anybody wanted them.
    """

    def __init__(self, http: Any, length_bytes: int, finished: Callable[[], None]) -> None:
        self._http = http                    # the protocol whose connection it is
        self._cycle = http.cycle             # uvicorn's state of the request
        self._finished = finished
        self._full: list[bytearray] = []
        self._buffer: bytearray | None = None
        self._buffer_bytes = _FIRST_BUFFER_BYTES
        self._filled = 0
        self._due = False                    # the reader gets what there is
        self._ended = False                  # the reader has been told so
        self._timer: asyncio.TimerHandle | None = None
        self.left_bytes = length_bytes       # still to come

    def append(self, data: bytes) -> None:
        """Bytes that came with the headers."""
        self.left_bytes -= len(data)
        if self._is_wanted:
            self._full.append(bytearray(data))
            self._cycle.message_event.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go; never more than belong to the body."""
        if self._buffer is None:
            self._buffer = bytearray(self._buffer_bytes)
        return memoryview(self._buffer)[self._filled : self._filled + self.left_bytes]

    def buffer_updated(self, nbytes: int) -> None:
        """So many came."""
        self.left_bytes -= nbytes
        if self._is_wanted:
            self._keep(nbytes)
        else:
            self._full.clear()
            self._filled = 0                 # the buffer takes what else nobody wants
        if self.left_bytes == 0:
            if not self._is_wanted:
                self._forget()
            self._wake()
            self._finished()

    async def receive(self) -> dict[str, Any]:
        """The next part of the body, as one object that is the receiver's; then, once there is one, the disconnect."""
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        while self._is_wanted:
            if self._full or self._due or (self.left_bytes == 0 and not self._ended):
                return self._message()
            await cycle.message_event.wait()
            cycle.message_event.clear()
        return {"type": "http.disconnect"}

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_timer()
        self._http.connection_lost(exc)
        self._forget()                       # whoever still refers to this is garbage that may lie for long

    def eof_received(self) -> None:
        """The client sends no more."""
        self._http.eof_received()

    def pause_writing(self) -> None:
        """As for any answer."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """As for any answer."""
        self._http.resume_writing()

    @property
    def _is_wanted(self) -> bool:
        return not (self._cycle.disconnected or self._cycle.response_complete)

    def _keep(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._buffer is not None and self._filled == len(self._buffer):
            self._full.append(self._buffer)
            self._buffer, self._filled = None, 0
            self._buffer_bytes = min(self._buffer_bytes * _GROWTH, BUFFER_BYTES)
            if len(self._full) >= _MOST_FULL:
                self._http.flow.pause_reading()
            self._wake()
        elif self._filled >= _ENOUGH_BYTES:
            self._wake()
        elif self._timer is None:
            self._timer = self._http.loop.call_later(_GATHER_S, self._wake)

    def _forget(self) -> None:
        """Nobody wants what is held."""
        self._full.clear()
        self._buffer, self._filled = None, 0

    def _wake(self) -> None:
        self._stop_timer()
        self._due = self._filled > 0
        self._cycle.message_event.set()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _message(self) -> dict[str, Any]:
        body = self._full.pop(0) if self._full else self._cut()
        self._ended = self.left_bytes == 0 and not self._full and not self._filled
        self._http.flow.resume_reading()
        return {"type": "http.request", "body": body, "more_body": not self._ended}

    def _cut(self) -> bytearray:
        """What is in the buffer so far; a buffer that is mostly empty is used again."""
        buffer, filled = self._buffer, self._filled
        self._filled, self._due = 0, False
        if buffer is None:
            return bytearray()
        if filled < len(buffer) // 2:
            return buffer[:filled]
        self._buffer = None
        del buffer[filled:]
        return buffer
