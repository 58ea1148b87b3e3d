"""Running the application: uvicorn on a socket that several processes may share."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import uvicorn
import uvloop
from starlette.types import ASGIApp

from pacsd.web.entrance import BACKLOG, Entrance, Gate, listening_socket
from pacsd.web.limited_http import LimitedHttp
from pacsd.web.limited_websocket import LimitedWebSocket
from pacsd.web.neighbours import Desk
from pacsd.web.server_limits import ServerLimits

__all__ = ["ServerLimits", "Stop", "listening_socket", "run"]


class Stop(Protocol):
    """Something that says when to end."""

    def is_set(self) -> bool: ...


def run(
    app: ASGIApp,
    listening: socket.socket | Sequence[socket.socket],
    *,
    gates: Sequence[Gate] = (),
    stop: Stop,
    limits: ServerLimits | None = None,
    desk: Desk | None = None,
) -> None:
    """Serve until `stop` is set, then let running requests finish within the grace period. Closes the sockets.

    Whoever reaches `listening` is served; `gates` ask for something. With a `desk` connections are shared out among the
    processes that have one.
    Signals are the caller's business. Nothing is logged per request: paths and queries hold UIDs and names.
    """
    limits = limits or ServerLimits()
    timeout_ms = int(limits.unacknowledged_timeout_s * 1000)
    plain = [listening] if isinstance(listening, socket.socket) else list(listening)
    for one in (*plain, *(gate.listening for gate in gates)):                # accepted sockets inherit it
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
    config = uvicorn.Config(
        app,
        http=_protocol(LimitedHttp, limits, desk),
        ws=_protocol(LimitedWebSocket, limits),
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
        backlog=BACKLOG,
        timeout_keep_alive=limits.keep_alive_timeout_s,
        timeout_graceful_shutdown=max(1, round(limits.grace_s)),
    )
    server = _Server(config, stop, desk, gates)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=plain))


class _Server(uvicorn.Server):
    """uvicorn's server, stopped by an event instead of by signals."""

    def __init__(self, config: uvicorn.Config, stop: Stop, desk: Desk | None, gates: Sequence[Gate]) -> None:
        super().__init__(config)
        self._stop = stop
        self._gates = gates
        self._entrances: list[Entrance] = []
        self._desk = desk
        self._arriving: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and take what others hand on."""
        await super().startup(sockets)
        self._entrances = [Entrance(one, n, self._let_in, self._desk) for n, one in enumerate(self._gates)]
        for entrance in self._entrances:
            entrance.open()
        if self._desk is not None:
            asyncio.get_running_loop().add_reader(self._desk.fileno(), self._take, self._desk)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing more, and finish."""
        if self._desk is not None:
            self._desk.leave()
            asyncio.get_running_loop().remove_reader(self._desk.fileno())
        for entrance in self._entrances:
            entrance.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process that owns them."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if self._desk is not None:
            self._desk.alive()
        return self._stop.is_set() or await super().on_tick(counter)


    def _take(self, desk: Desk) -> None:
        loop = asyncio.get_running_loop()
        for mark, connection in desk.take():
            if mark[0] < len(self._entrances):
                desk.arrived()
                self._entrances[mark[0]].let_in(connection)
                continue
            task = loop.create_task(self._connect(desk, connection))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _connect(self, desk: Desk, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._handed_on, connection)
        except OSError:                              # the client is gone already
            desk.arrived()

    def _handed_on(self) -> LimitedHttp:
        """A protocol for a connection that another process accepted; it goes no further."""
        protocol = self._protocol()
        protocol.was_handed_on = True
        return protocol

    def _let_in(self) -> LimitedHttp:
        """A protocol for a connection that came through an entrance."""
        protocol = self._protocol()
        protocol.is_settled = True
        return protocol

    def _protocol(self) -> LimitedHttp:
        protocol: LimitedHttp = self.config.http_protocol_class(  # type: ignore[call-arg, assignment]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def _protocol(protocol: Callable[..., Any], *arguments: object) -> Any:
    """A protocol as uvicorn calls it."""
    return partial(protocol, *arguments)
