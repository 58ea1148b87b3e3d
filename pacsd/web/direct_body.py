"""The body of an answer, written to the socket by a thread; the kernel sends what stands in files (sendfile).

The usual way copies a body four times between a file and the socket. A connection without TLS takes its pieces as they
are, with the sizes of chunks between them where its length is not declared (RFC 9112 7.1).
"""

import asyncio
import os
import select
import socket
from collections.abc import Iterator
from typing import Any

from pacsd.archive.retrieve import FileRange, Piece
from pacsd.faults import Fault, PacsdError
from pacsd.web.threads import Threads

EXTENSION = "pacsd.direct_body"          # of ASGI: the connection takes the message below
_TURN_BYTES = 16 << 20                   # then the thread is somebody else's
_PATIENCE_MS = 5                         # a thread waits so long for the client before the event loop does
_MOST_BYTES = 0x7FFFF000                 # of one call
_SMALL_BYTES = 1 << 15
_FLUSH_S = 0.002


class DirectBody:
    """All of a body; a client that takes nothing for `stall_s` is let go.

    An application sends `message` between the start of its answer and an empty end, to a connection that has the
    extension. The pieces are used one after the other, by one thread at a time.
    """

    def __init__(self, pieces: Iterator[Piece], threads: Threads, stall_s: float) -> None:
        self._pieces = pieces
        self._threads = threads
        self._stall_s = stall_s
        self._left: memoryview | FileRange = memoryview(b"")         # of the piece that is being sent
        self.sent_bytes = 0                                          # what stands between chunks too

    @property
    def message(self) -> dict[str, Any]:
        """As it is sent to the connection."""
        return {"type": EXTENSION, "body": self}

    async def send(self, cycle: Any) -> None:
        """Write it all to the connection of uvicorn's request, after what was written before.

        Raises TimeoutError, PacsdError, and whatever the pieces raise; a client that is gone ends it.
        """
        self._pieces = _gathered(self._pieces)
        if cycle.chunked_encoding:
            self._pieces = _gathered(_in_chunks(self._pieces))
        await self._flushed(cycle)
        own = os.dup(cycle.transport.get_extra_info("socket").fileno())   # the connection's may be closed meanwhile
        try:
            with socket.socket(fileno=own) as connection:
                while not cycle.disconnected and await self._threads.run(self._pump, connection):
                    await self._writable(own)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)     # what waits for more leaves now
        except ConnectionError:
            return                           # as any answer to somebody who is gone

    async def _flushed(self, cycle: Any) -> None:
        transport = cycle.transport
        transport.flush()
        async with asyncio.timeout(self._stall_s):
            while transport.get_write_buffer_size() and not cycle.disconnected:
                await asyncio.sleep(_FLUSH_S if cycle.flow.write_paused else 0)

    async def _writable(self, descriptor: int) -> None:
        loop, writable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_writer(descriptor, writable.set)
        try:
            async with asyncio.timeout(self._stall_s):
                await writable.wait()
        finally:
            loop.remove_writer(descriptor)

    def _pump(self, connection: socket.socket) -> bool:
        """Send as long as the client takes it, up to a turn; whether there is more."""
        poll, enough = select.poll(), self.sent_bytes + _TURN_BYTES
        poll.register(connection, select.POLLOUT)
        while self._left or self._next():
            try:
                sent = self._sent(connection)
            except BlockingIOError:
                if not poll.poll(_PATIENCE_MS):
                    return True
                continue
            self._left = self._left[sent:]
            self.sent_bytes += sent
            if self.sent_bytes >= enough:
                return True
        return False

    def _next(self) -> bool:
        """Take the next piece that is not empty; False at the end."""
        for piece in self._pieces:
            if piece:
                self._left = memoryview(piece) if isinstance(piece, bytes) else piece
                return True
        return False

    def _sent(self, connection: socket.socket) -> int:
        """Bytes that the socket took at once."""
        piece = self._left
        if isinstance(piece, memoryview):
            # small ones leave with what follows them
            return connection.send(piece, socket.MSG_MORE if len(piece) < _SMALL_BYTES else 0)
        sent = os.sendfile(connection.fileno(), piece.descriptor, piece.offset_bytes, min(len(piece), _MOST_BYTES))
        if not sent:
            raise _too_short()
        return sent


def _gathered(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The same bytes; small neighbours are one piece, for each that is sent is a call of the system."""
    small = bytearray()
    for piece in pieces:
        if isinstance(piece, bytes) and len(small) + len(piece) < _SMALL_BYTES:
            small += piece
            continue
        if small:
            yield bytes(small)
            small.clear()
        yield piece
    if small:
        yield bytes(small)


def _in_chunks(pieces: Iterator[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        if piece:
            yield b"%x\r\n" % len(piece)
            yield piece
            yield b"\r\n"


def _too_short() -> PacsdError:
    return PacsdError(Fault.UNAVAILABLE, "a stored object is shorter than the index says")
