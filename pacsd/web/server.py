"""Running the application: uvicorn on a socket that several processes may share."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import uvicorn
import uvloop
from starlette.types import ASGIApp

from pacsd.web.limited_http import LimitedHttp
from pacsd.web.limited_websocket import LimitedWebSocket
from pacsd.web.server_limits import ServerLimits

__all__ = ["ServerLimits", "Stop", "listening_socket", "run"]

_BACKLOG = 2048


class Stop(Protocol):
    """Something that says when to end."""

    def is_set(self) -> bool: ...


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
        http=_with(LimitedHttp, limits),
        ws=_with(LimitedWebSocket, limits),
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


def _with(protocol: type[LimitedHttp] | type[LimitedWebSocket], limits: ServerLimits) -> Any:
    """A protocol as uvicorn calls it."""
    return partial(protocol, limits)
