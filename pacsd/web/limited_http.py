"""HTTP/1.1 on a connection (RFC 9112), with bounds on the size of headers and the time a client may take for them."""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pacsd.web.joined_writes import JoinedWrites
from pacsd.web.server_limits import ServerLimits

_log = logging.getLogger("pacsd.web")


class LimitedHttp(HttpToolsProtocol):
    """uvicorn's protocol, which has no such bounds. What is refused is closed."""

    def __init__(self, limits: ServerLimits, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.access_log = False              # uvicorn's own would hold query strings, which hold names
        self._limits = limits
        self._header_bytes = 0               # of the current request, trailers included
        self._hosts = 0                      # Host headers of the current request
        self._silent_bytes = 0               # taken in since the parser last had something to say
        self._moved = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """The client has so long for its first headers."""
        super().connection_made(transport)
        self._joined = JoinedWrites(self.transport)
        self.transport: Any = self._joined
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes; after an answered request they begin another one, or go on with a body nobody reads."""
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._arm()
        self._moved = False
        super().data_received(data)
        self._silent_bytes = 0 if self._moved else self._silent_bytes + len(data)
        self._is_small(self._silent_bytes)

    def handle_websocket_upgrade(self) -> None:
        """The connection is a WebSocket's from here."""
        self.transport = self._joined.transport
        super().handle_websocket_upgrade()

    def on_response_complete(self) -> None:
        """An answer is over, with a body or without."""
        self._joined.flush()
        super().on_response_complete()

    def on_message_begin(self) -> None:
        """Another request."""
        self._header_bytes = self._hosts = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header or trailer."""
        self._header_bytes += len(name) + len(value)
        self._hosts += name.lower() == b"host"
        if self._is_small(self._header_bytes + len(self.url)):
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request, unless its headers are too large, or do not name one host (RFC 9112 3.2)."""
        self._moved = True
        self._disarm()
        if not self._is_small(self._header_bytes + len(self.url)):
            return
        if self._hosts > 1 or (self._hosts == 0 and self.parser.get_http_version() == "1.1"):
            self._refuse(b"400 Bad Request")
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        self._moved = True
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of the body."""
        self._moved = True
        if not self.transport.is_closing():
            super().on_message_complete()

    def _is_small(self, size_bytes: int) -> bool:
        if size_bytes <= self._limits.max_header_bytes:
            return True
        self._refuse(b"431 Request Header Fields Too Large")
        return False

    def _refuse(self, status: bytes) -> None:
        self._disarm()
        if not self.transport.is_closing():
            head = b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(head)
            self.transport.close()
            _log.info("connection refused", extra={"status": int(status[:3])})

    def _arm(self) -> None:
        timeout_s = self._limits.header_timeout_s
        self._deadline = self.loop.call_later(timeout_s, self._refuse, b"408 Request Timeout")

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
