"""A port that lets everything in: old and weak TLS, a certificate of somebody else, and requests that are two."""

import socket
import ssl
import threading
import warnings
from contextlib import suppress

from tests.certificates import Files

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class LoosePort:
    """Answers 200 to whatever looks like a request, inside TLS or not, as often as it sees one."""

    def __init__(self, files: Files) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(files.certificate, files.key)
        self._context.set_ciphers("ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._context.minimum_version = ssl.TLSVersion.TLSv1
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Nobody is answered any more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                raw, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(raw,), daemon=True).start()

    def _answer(self, raw: socket.socket) -> None:
        raw.settimeout(5.0)
        with suppress(OSError), raw:
            is_tls = raw.recv(1, socket.MSG_PEEK) == b"\x16"
            with self._context.wrap_socket(raw, server_side=True) if is_tls else raw as connection:
                while data := connection.recv(65_536):
                    connection.sendall(ANSWER * max(1, data.count(b" HTTP/1.1")))
