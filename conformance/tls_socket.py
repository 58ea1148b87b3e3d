"""A TLS connection that one thread may read while another writes.

OpenSSL's connection is for one thread at a time, and this Python may not see to that. Under TLS 1.3 the first thing a
client reads is a ticket, just when it writes its request: in a few of a thousand connections that request was lost,
and a suite would blame the server for it.
"""

import select
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

T = TypeVar("T")


class InTurns(ssl.SSLSocket):
    """The class of a context's sockets: `context.sslsocket_class = InTurns`."""

    _turn: AbstractContextManager[Any] | None = None         # there once the handshake is over
    _patience_s: float | None = None

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands as always; from there on nobody waits inside OpenSSL."""
        super().do_handshake(block)
        self._patience_s = self.gettimeout()
        super().settimeout(0)
        self._turn = threading.Lock()

    def settimeout(self, value: float | None) -> None:
        """Have a read or write raise TimeoutError after so many seconds."""
        if self._turn is None:
            super().settimeout(value)
        else:
            self._patience_s = value

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """What has come; nothing at its end. Raises OSError."""
        return self._in_turn(super().recv, buflen, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of it, and tell how much. Raises OSError."""
        return self._in_turn(super().send, data, flags)

    def _in_turn(self, call: Callable[..., T], *arguments: Any) -> T:
        if self._turn is None:
            return call(*arguments)
        ends = None if self._patience_s is None else time.monotonic() + self._patience_s
        while True:
            with self._turn:
                try:
                    return call(*arguments)
                except ssl.SSLWantReadError:
                    awaited = select.POLLIN
                except ssl.SSLWantWriteError:
                    awaited = select.POLLOUT
            self._await(awaited, ends)

    def _await(self, event: int, ends: float | None) -> None:
        descriptor = self.fileno()
        if descriptor < 0:
            raise OSError("closed")
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(None if ends is None else max(0.0, ends - time.monotonic()) * 1000):
            raise TimeoutError("timed out")


def in_turns(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, whose connections two threads may share."""
    context.sslsocket_class = InTurns
    return context


__all__ = ["InTurns", "in_turns"]
