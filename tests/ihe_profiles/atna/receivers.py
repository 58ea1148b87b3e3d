"""Audit Record Repositories to send to: one of our own, by RFC 5425, and certificates for it and others."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that vouches for itself, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
               "-keyout", str(key), "-out", str(cert)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


class Receiver:
    """Takes frames over TLS; `messages` in the order they came."""

    def __init__(self, cert: Path, key: Path, port: int = 0) -> None:
        self.messages: list[bytes] = []
        self.came = threading.Condition()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(cert, key)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self._socket.listen()
        self.port: int = self._socket.getsockname()[1]
        self._open: list[ssl.SSLSocket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def wait_for(self, count: int, within_s: float = 20.0) -> list[bytes]:
        """So many messages, or more."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.messages) >= count, within_s), len(self.messages)
            return list(self.messages)

    def close(self) -> None:
        """Go away, with every connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except (OSError, ValueError):
                return
            try:
                connection = self._context.wrap_socket(plain, server_side=True)
            except (OSError, ValueError):
                plain.close()
                continue
            self._open.append(connection)
            threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _take(self, connection: ssl.SSLSocket) -> None:
        held = b""
        with connection, contextlib.suppress(OSError, ValueError):
            while data := connection.recv(65_536):
                held = self._frames(held + data)

    def _frames(self, held: bytes) -> bytes:
        """Whole messages of octet-counted frames (RFC 5425 4.3); the rest."""
        while True:
            length, space, rest = held.partition(b" ")
            if not space or len(rest) < int(length):
                return held
            with self.came:
                self.messages.append(rest[: int(length)])
                self.came.notify_all()
            held = rest[int(length) :]
