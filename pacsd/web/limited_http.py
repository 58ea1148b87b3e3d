"""HTTP/1.1 on a connection (RFC 9112), with bounds on the size of headers and the time a client may take for them."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pacsd.web.direct_body import EXTENSION
from pacsd.web.joined_writes import JoinedWrites
from pacsd.web.large_body import LARGE_BYTES, LargeBody
from pacsd.web.neighbours import Desk
from pacsd.web.secured import extensions_of
from pacsd.web.server_limits import ServerLimits

_log = logging.getLogger("pacsd.web")


class LimitedHttp(HttpToolsProtocol):
    """uvicorn's protocol, which has no such bounds. What is refused is closed."""

    def __init__(self, limits: ServerLimits, desk: Desk | None, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._desk = desk
        self._at_work = False
        self._stays = False                  # with this process
        self.was_handed_on = False
        self.is_settled = False              # it came through an entrance, which has handed on what was to go on
        self._extensions: dict[str, Any] = {}
        self.access_log = False              # uvicorn's own would hold query strings, which hold names
        self._limits = limits
        self._header_bytes = 0               # of the current request, trailers included
        self._hosts = 0                      # Host headers of the current request
        self._silent_bytes = 0               # taken in since the parser last had something to say
        self._moved = False
        self._came = self._again = b""       # what is parsed at present, and what is to be parsed instead
        self._deadline: asyncio.TimerHandle | None = None
        self._large: LargeBody | None = None     # the body that comes at present, if it is large

    def connection_made(self, transport: Any) -> None:
        """The client has so long for its first headers."""
        if self._goes_on(transport):
            transport.abort()                # without a word: the connection itself lives on elsewhere
            return
        self._stays = True
        self._works(True)
        if self._desk is not None and self.was_handed_on:
            self._desk.arrived()
        super().connection_made(transport)
        self._extensions = extensions_of(self.transport)
        self._joined = JoinedWrites(self.transport)
        self.transport: Any = self._joined
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        if not self._stays:
            return
        self._works(False)
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes; after an answered request they begin another one, or go on with a body nobody reads."""
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._arm()
        self._moved = False
        self._feed(data)
        self._silent_bytes = 0 if self._moved else self._silent_bytes + len(data)
        self._is_small(self._silent_bytes)
        if self._large is not None and self._large.left_bytes:
            self._hand_over(self._large)     # it reads until all of it has come

    def handle_websocket_upgrade(self) -> None:
        """The connection is a WebSocket's from here."""
        self.transport = self._joined.transport
        self._works(False)
        super().handle_websocket_upgrade()

    def on_response_complete(self) -> None:
        """An answer is over, with a body or without."""
        self._joined.flush()
        self._works(bool(self.pipeline))
        super().on_response_complete()
        if self._large is not None and self._deadline is None:
            self._arm()                      # the rest of a body that nobody reads has to come within the same time

    def on_message_begin(self) -> None:
        """Another request."""
        self._header_bytes = self._hosts = 0
        super().on_message_begin()
        if self._extensions:
            self.scope["extensions"] = dict(self._extensions)

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
        if not self._is_small(self._header_bytes + len(self.url)) or self._is_offered_another():
            return
        if self._hosts > 1 or (self._hosts == 0 and self.parser.get_http_version() == "1.1"):
            self._refuse(b"400 Bad Request")
            return
        self._works(True)
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before and self.transport.get_extra_info("sslcontext") is None:
            _offer_direct_body(self.cycle)
        length_bytes = _declared_length(self.headers)
        if length_bytes >= LARGE_BYTES and self.cycle is not before and (before is None or before.response_complete):
            self._large = LargeBody(self, length_bytes, self._body_came)
            self.cycle.receive = self._large.receive  # type: ignore[method-assign, assignment]

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        self._moved = True
        if self._large is not None:
            self._large.append(body)
        elif not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of the body."""
        self._moved = True
        if self._is_offered_another():
            return
        self._large = None
        if not self.transport.is_closing():
            super().on_message_complete()

    def _body_came(self) -> None:
        """The connection is this protocol's again, at the beginning of another request."""
        self._large = None
        self._begin_parsing()
        self._hand_over(self)
        if not self.cycle.response_complete:
            self.cycle.more_body = False

    def _feed(self, data: bytes) -> None:
        """Have it parsed; a request that offers another protocol again, as one that does not (RFC 9110 7.8)."""
        self._came, again = data, True
        while again:
            self._again = b""
            super().data_received(self._came)
            self._came = self._again
            again = bool(self._came) and not self.transport.is_closing()
        self._came = b""

    def _unsupported_upgrade_warning(self) -> None:
        """The parser stopped behind the headers, as if what follows were in that other protocol."""
        kept = [(name, value) for name, value in self.headers if name != b"upgrade"]
        stopped = sys.exception()
        if len(kept) == len(self.headers) or not isinstance(stopped, httptools.HttpParserUpgrade):       # CONNECT
            self._refuse(b"400 Bad Request")
            return
        version = self.parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)]
        head += [b"%b: %b\r\n" % one for one in kept]
        self._again = b"".join((*head, b"\r\n", self._came[stopped.args[0] :]))
        self._begin_parsing()

    def _is_offered_another(self) -> bool:
        return self.parser.should_upgrade() and not self._should_upgrade()

    def _begin_parsing(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        if not self.transport.is_closing():
            transport = self._joined.transport
            transport.pause_reading()        # how a transport reads follows from the protocol it begins with
            transport.set_protocol(protocol)
            if not self.flow.read_paused:
                transport.resume_reading()

    def _goes_on(self, transport: Any) -> bool:
        if self._desk is None or self.was_handed_on or self.is_settled:
            return False
        return self._desk.hand_on(transport.get_extra_info("socket").fileno())

    def _works(self, works: bool) -> None:
        """Whether the connection has a request, or is new and will have one."""
        if self._desk is not None and works is not self._at_work:
            self._at_work = works
            self._desk.work(1 if works else -1)

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


def _offer_direct_body(cycle: Any) -> None:
    """The application of a request may hand over its whole body."""
    cycle.scope.setdefault("extensions", {})[EXTENSION] = {}
    cycle.send = partial(_send, cycle, cycle.send)


async def _send(cycle: Any, usual: Callable[[Any], Awaitable[None]], message: Any) -> None:
    if message["type"] != EXTENSION:
        await usual(message)
    elif not cycle.disconnected:
        await message["body"].send(cycle)
        if not cycle.chunked_encoding:
            cycle.expected_content_length -= message["body"].sent_bytes


def _declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Content-Length, where that and nothing else says how long the body is (RFC 9112 6.3); else 0."""
    fields = dict(headers)
    length = fields.get(b"content-length", b"")
    return int(length) if length.isdigit() and b"transfer-encoding" not in fields else 0
