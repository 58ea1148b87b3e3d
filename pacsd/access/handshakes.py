"""The TLS handshakes that a process has under way as server: bounded in time and in number.

Where there are too many the oldest is given up for the newest. So whoever opens connections and says nothing gets
nothing, and keeps nobody out: a peer needs a few milliseconds, and to displace it within them takes that many new
connections.
"""

import contextlib
import socket
import threading

from pacsd.access.secure_connection import SecureConnection
from pacsd.access.tls import TlsContexts


class Handshakes:
    """Of one listener. May be used by any thread."""

    def __init__(self, contexts: TlsContexts, clients: str) -> None:
        self._contexts = contexts
        self._clients = clients
        self._timeout_s = contexts.settings.handshake_timeout_s
        self._most = contexts.settings.max_handshakes
        self._running: dict[SecureConnection, None] = {}         # the oldest first
        self._lock = threading.Lock()
        self._closed = False

    def check(self) -> None:
        """Read the files now. Raises PacsdError INVALID where they cannot be used."""
        self._contexts.server(self._clients)

    @property
    def running(self) -> int:
        """How many are under way."""
        return len(self._running)

    def shake(self, raw: socket.socket) -> SecureConnection:
        """The connection once the handshake is over. Raises OSError, PacsdError INVALID, and has closed it then."""
        try:
            connection = SecureConnection(raw, self._contexts.server(self._clients), server_side=True)
        except BaseException:
            raw.close()
            raise
        self._begin(connection)
        try:
            connection.shake_hands(self._timeout_s)
        except BaseException:
            connection.close()
            raise
        finally:
            with self._lock:
                self._running.pop(connection, None)
        return connection

    def close(self) -> None:
        """Give up all of them."""
        with self._lock:
            self._closed = True
            for one in self._running:
                _cut(one)

    def _begin(self, connection: SecureConnection) -> None:
        with self._lock:
            if self._closed:
                _cut(connection)
            if len(self._running) >= self._most:
                oldest = next(iter(self._running))
                del self._running[oldest]
                _cut(oldest)
            self._running[connection] = None


def _cut(connection: SecureConnection) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
