"""The connection to one Audit Record Repository: TLS, one after the other, nothing comes back (RFC 5425).

The receiver confirms nothing. So what was sent counts as delivered only when its kernel has acknowledged all of it and
it has not closed the connection since; the last piece before a broken connection is sent again.
"""

import fcntl
import socket
import ssl
import struct
import termios
import time

from config.settings import AuditRepositorySettings, TlsSettings
from pacsd.access.tls import client_context
from pacsd.faults import Fault, PacsdError

_TIMEOUT_S = 15.0
_LOOK_S = 0.01


class Repository:
    """Sends pieces; for one thread."""

    def __init__(self, settings: AuditRepositorySettings, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._connection: ssl.SSLSocket | None = None

    def send(self, data: bytes) -> None:
        """All of it, acknowledged by the other end's kernel. Raises PacsdError UNAVAILABLE."""
        try:
            connection = self._connected()
            self._alive(connection)
            connection.sendall(data)
            self._acknowledged(connection)
            self._alive(connection)
        except (OSError, ValueError, PacsdError) as error:
            self.close()
            raise PacsdError(Fault.UNAVAILABLE, "an audit repository does not take records") from error

    def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> ssl.SSLSocket:
        if self._connection is None:
            own = self._settings
            context = client_context(
                TlsSettings(authorities=own.ca_file, certificate=own.certificate_file, key=own.key_file)
            )
            plain = socket.create_connection((own.host, own.port), timeout=self._timeout_s)
            try:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self._connection = context.wrap_socket(plain, server_hostname=own.host)
            except BaseException:
                plain.close()
                raise
        return self._connection

    def _alive(self, connection: ssl.SSLSocket) -> None:
        """Raises OSError where the other end has closed it; what it says otherwise is read over."""
        connection.settimeout(0.0)
        try:
            while connection.recv(4096):
                pass
            raise ConnectionResetError("closed by the repository")
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        finally:
            connection.settimeout(self._timeout_s)

    def _acknowledged(self, connection: ssl.SSLSocket) -> None:
        """Wait until nothing is on its way any more. Raises OSError."""
        deadline = time.monotonic() + self._timeout_s
        while struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]:
            if time.monotonic() > deadline:
                raise TimeoutError("not acknowledged in time")
            time.sleep(_LOOK_S)
