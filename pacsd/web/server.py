"""Running the application: uvicorn on a socket that several processes may share."""

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

from pacsd.web.worklist.event_channel import CONFIRM

_BACKLOG = 2048

_log = logging.getLogger("pacsd.web")
_websocket_log = logging.getLogger("pacsd.web.websocket")
_websocket_log.setLevel(logging.WARNING)         # below it stand addresses and paths of every connection


class Stop(Protocol):
    """Something that says when to end."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one connection may take."""

    max_header_bytes: int = 64 * 1024         # request line and headers of one request
    header_timeout_s: float = 20.0            # from the first byte, or the connection, to the end of the headers
    keep_alive_timeout_s: int = 75            # idle between requests
    unacknowledged_timeout_s: float = 120.0   # a client that takes nothing is cut off by the kernel
    max_connections: int = 2_000              # more are answered 503, WebSockets included
    max_message_bytes: int = 4096             # of a WebSocket: clients have nothing to say there
    ping_interval_s: float = 20.0             # of a WebSocket, and so long a pong may take
    grace_s: float = 20.0                     # for running requests, when stopping


def listening_socket(host: str, port: int, *, share: bool = True) -> socket.socket:
    """A listening TCP socket; with `share` other processes may listen on the same port (SO_REUSEPORT).

    Port 0 takes a free one. Raises OSError when the address is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def run(
    app: ASGIApp,
    listening: socket.socket,
    *,
    stop: Stop,
    limits: ServerLimits | None = None,
) -> None:
    """Serve until `stop` is set, then let running requests finish within the grace period. Closes the socket.

    Signals are the caller's business. Nothing is logged per request: paths and queries hold UIDs and names.
    """
    limits = limits or ServerLimits()
    timeout_ms = int(limits.unacknowledged_timeout_s * 1000)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)     # accepted sockets inherit it
    config = uvicorn.Config(
        app,
        http=_limited(limits),
        ws=_limited_websocket(limits),
        ws_max_size=limits.max_message_bytes,
        ws_ping_interval=limits.ping_interval_s,
        ws_ping_timeout=limits.ping_interval_s,
        ws_per_message_deflate=False,         # it would hold a window of memory for each connection
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=limits.max_connections,
        backlog=_BACKLOG,
        timeout_keep_alive=limits.keep_alive_timeout_s,
        timeout_graceful_shutdown=max(1, round(limits.grace_s)),
    )
    server = _Server(config, stop)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listening]))


class _Server(uvicorn.Server):
    """uvicorn's server, stopped by an event instead of by signals."""

    def __init__(self, config: uvicorn.Config, stop: Stop) -> None:
        super().__init__(config)
        self._stop = stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process that owns them."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        return self._stop.is_set() or await super().on_tick(counter)


def _limited(limits: ServerLimits) -> type[HttpToolsProtocol]:
    """A protocol class that bounds the size of headers, and the time a client may take to send them."""

    class LimitedProtocol(HttpToolsProtocol):
        _header_bytes = 0            # of the current request, trailers included
        _silent_bytes = 0            # taken in since the parser last had something to say
        _moved = False
        _deadline: asyncio.TimerHandle | None = None

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.access_log = False          # uvicorn's own would hold query strings, which hold names

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._arm()

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
                self._arm()
            self._moved = False
            super().data_received(data)
            self._silent_bytes = 0 if self._moved else self._silent_bytes + len(data)
            self._check(self._silent_bytes)

        def on_message_begin(self) -> None:
            self._header_bytes = 0
            super().on_message_begin()

        def on_header(self, name: bytes, value: bytes) -> None:
            self._header_bytes += len(name) + len(value)
            if self._check(self._header_bytes + len(self.url)):
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._moved = True
            self._disarm()
            if self._check(self._header_bytes + len(self.url)):
                super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._moved = True
            if not self.transport.is_closing():
                super().on_body(body)

        def on_message_complete(self) -> None:
            self._moved = True
            if not self.transport.is_closing():
                super().on_message_complete()

        def _check(self, size_bytes: int) -> bool:
            if size_bytes <= limits.max_header_bytes:
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
            self._deadline = self.loop.call_later(limits.header_timeout_s, self._refuse, b"408 Request Timeout")

        def _disarm(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return LimitedProtocol


def _limited_websocket(limits: ServerLimits) -> type[WebSocketsSansIOProtocol]:
    """A protocol class that counts among the connections, logs no paths, and tells when the client's end has it all."""

    class LimitedWebSocket(WebSocketsSansIOProtocol):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.logger = _websocket_log
            self._confirmations: dict[bytes, asyncio.Future[None]] = {}

        def handle_connect(self, event: Request) -> None:
            if len(self.connections) > limits.max_connections:
                self.conn.send_response(self.conn.reject(503, ""))
                self.transport.write(b"".join(self.conn.data_to_send()))
                self.handshake_complete = self.close_sent = True
                self.transport.close()
                return
            super().handle_connect(event)
            if not self.handshake_complete:          # it was not refused: the application is about to run
                extensions: Any = self.scope["extensions"]
                extensions[CONFIRM] = self._confirm

        async def _confirm(self) -> None:
            """Return when a ping sent now was answered: what was sent before has arrived. Raises TimeoutError."""
            if self.disconnected:
                raise TimeoutError
            payload = os.urandom(8)
            confirmation = self._confirmations[payload] = self.loop.create_future()
            try:
                self.conn.send_ping(payload)
                self.transport.write(b"".join(self.conn.data_to_send()))
                await asyncio.wait_for(confirmation, limits.ping_interval_s)
            except InvalidState as error:            # it is closing
                raise TimeoutError from error
            finally:
                del self._confirmations[payload]

        def handle_pong(self, event: Frame) -> None:
            confirmation = self._confirmations.get(bytes(event.data))
            if confirmation is None:
                super().handle_pong(event)
            elif not confirmation.done():
                confirmation.set_result(None)

        def connection_lost(self, exc: Exception | None) -> None:
            for confirmation in self._confirmations.values():
                if not confirmation.done():
                    confirmation.set_exception(TimeoutError())
            super().connection_lost(exc)

    return LimitedWebSocket
