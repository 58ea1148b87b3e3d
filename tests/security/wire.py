"""Requests as bytes, over a connection that is kept: no client's library mends what is wrong with them."""

import socket
import ssl
from typing import NamedTuple

from tests.security.house import Guarded


class Received(NamedTuple):
    """An answer. `fields` by name in small letters, several of one name joined."""

    status: int
    fields: dict[str, str]
    body: bytes


class Connection:
    """One to the server's HTTPS port; opened again where the server closed it."""

    def __init__(self, house: Guarded, token: str) -> None:
        self._house, self._token = house, token
        self._address = house.address()
        self._socket: ssl.SSLSocket | None = None
        self._left = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give it up."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._left = None, b""

    def ask(self, method: str, path: str, body: bytes = b"", **fields: str) -> Received:
        """One request, written as it is."""
        told = {"Host": f"localhost:{self._house.https}", "X-Forwarded-For": self._address, "Accept": "*/*",
                "Content-Length": str(len(body)), **fields}  # fmt: skip
        if self._token:
            told["Authorization"] = f"Bearer {self._token}"
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        try:
            return self._asked(request, method)
        except OSError:                  # it closed the one that was kept
            self.close()
            return self._asked(request, method)

    def _asked(self, request: bytes, method: str) -> Received:
        if self._socket is None:
            raw = socket.create_connection(("127.0.0.1", self._house.https), timeout=20)
            self._socket = self._house.context.wrap_socket(raw, server_hostname="localhost")
        self._socket.sendall(request)
        head, _, self._left = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            fields[key] = f"{fields[key]}, {value.strip()}" if key in fields else value.strip()
        status = int(first.split(" ")[1])
        has_none = method == "HEAD" or status in (204, 304)
        body = b"" if has_none else self._body(fields)
        if fields.get("connection", "").lower() == "close":
            self.close()
        return Received(status, fields, body)

    def _body(self, fields: dict[str, str]) -> bytes:
        if fields.get("transfer-encoding") == "chunked":
            found = bytearray()
            while True:
                size, _, self._left = self._until(b"\r\n").partition(b"\r\n")
                length = int(size, 16)
                found += self._exactly(length)
                self._exactly(2)
                if not length:
                    return bytes(found)
        return self._exactly(int(fields.get("content-length", "0")))

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._left:
            self._more()
        return self._left

    def _exactly(self, length: int) -> bytes:
        while len(self._left) < length:
            self._more()
        found, self._left = self._left[:length], self._left[length:]
        return found

    def _more(self) -> None:
        if self._socket is None:
            raise ConnectionError("closed")
        piece = self._socket.recv(65_536)
        if not piece:
            raise ConnectionError("closed by the server")
        self._left += piece
