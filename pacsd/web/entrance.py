"""Where connections come in that are not simply taken: inside TLS, or from listed networks alone.

A connection is handed on to a less busy process before its handshake: a TLS session cannot be given away. Each
handshake takes the certificates of its moment. There are so many at once at most; one more, and the oldest of them is
given up for it, so that whoever opens connections and says nothing keeps nobody out.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from config.listening import openings_of
from config.networks import is_within, plain
from config.settings import Settings
from pacsd.access.tls import TlsContexts
from pacsd.faults import PacsdError
from pacsd.web.neighbours import Desk

log = logging.getLogger("pacsd.web")

ALPN = ("http/1.1",)                     # RFC 7301: what is spoken here
BACKLOG = 2048
_MOST_AT_ONCE = 32
_PAUSE_S = 0.1                           # out of descriptors: then a moment later there are some
_SHUTDOWN_S = 5.0


@dataclass(frozen=True, slots=True)
class Gate:
    """A listening socket and what it asks for. `context`: of the next handshake; None without TLS."""

    listening: socket.socket
    context: Callable[[], ssl.SSLContext] | None = None
    networks: Sequence[str] | None = None
    handshake_timeout_s: float = 10.0
    max_handshakes: int = 512


class Entrance:
    """A gate with those who stand in it, for one event loop. `make` makes the protocol of a connection."""

    def __init__(self, gate: Gate, number: int, make: Callable[[], asyncio.Protocol], desk: Desk | None) -> None:
        self._gate = gate
        self._mark = bytes((number,))            # tells the neighbours which gate a connection came through
        self._make = make
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._standing: dict[asyncio.Task[Any], None] = {}           # the oldest first
        self._is_open = False

    def open(self) -> None:
        """Accept from now on."""
        self._is_open = True
        self._loop.add_reader(self._gate.listening.fileno(), self._accept)

    def close(self) -> None:
        """Accept nothing more, and give up the handshakes."""
        if self._is_open:
            self._loop.remove_reader(self._gate.listening.fileno())
            self._is_open = False
        self._gate.listening.close()
        for one in list(self._standing):
            one.cancel()

    def let_in(self, connection: socket.socket) -> None:
        """One that was accepted here, or by a neighbour."""
        if len(self._standing) >= self._gate.max_handshakes:
            oldest = next(iter(self._standing))
            del self._standing[oldest]
            oldest.cancel()
        task = self._loop.create_task(self._shake(connection))
        self._standing[task] = None
        task.add_done_callback(lambda done: self._standing.pop(done, None))

    def _accept(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                connection, address = self._gate.listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                log.warning("cannot accept", extra={"cause": type(error).__name__})
                self._pause()
                return
            connection.setblocking(False)
            if self._gate.networks is not None and not is_within(plain(address[0]), self._gate.networks):
                log.warning("a connection from a network that is not listed", extra={"address": address[0]})
                connection.close()
            elif self._desk is not None and self._desk.hand_on(connection.fileno(), self._mark):
                connection.close()               # the connection itself lives on elsewhere
            else:
                self.let_in(connection)

    def _pause(self) -> None:
        self._loop.remove_reader(self._gate.listening.fileno())
        self._is_open = False
        self._loop.call_later(_PAUSE_S, self._resume)

    def _resume(self) -> None:
        if self._gate.listening.fileno() >= 0:
            self.open()

    async def _shake(self, connection: socket.socket) -> None:
        if self._desk is not None:
            self._desk.work(1)                   # it is somebody's work from now on
        try:
            await self._connect(connection)
        except asyncio.CancelledError:
            connection.close()
        except (TimeoutError, OSError) as error:
            connection.close()
            log.info("no TLS connection", extra={"cause": _cause(error)})
        except PacsdError as error:
            connection.close()
            log.error("no TLS connection", extra={"cause": error.message})
        finally:
            if self._desk is not None:
                self._desk.work(-1)

    async def _connect(self, connection: socket.socket) -> None:
        if self._gate.context is None:
            await self._loop.connect_accepted_socket(self._make, connection)
            return
        async with asyncio.timeout(self._gate.handshake_timeout_s):
            await self._loop.connect_accepted_socket(
                self._make, connection, ssl=self._gate.context(),
                ssl_handshake_timeout=self._gate.handshake_timeout_s, ssl_shutdown_timeout=_SHUTDOWN_S,
            )  # fmt: skip


def _cause(error: BaseException) -> str:
    return str(getattr(error, "reason", "") or type(error).__name__)


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
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def gates_of(settings: Settings) -> tuple[list[socket.socket], list[Gate]]:
    """What this role listens on: sockets where whoever reaches them is served, and those that ask for something.

    Raises SettingsError, PacsdError INVALID where one may not or cannot listen, OSError.
    """
    contexts, tls = TlsContexts(settings.security.tls), settings.security.tls
    plain, gates = [], []
    for one in openings_of(settings, "web"):
        listening = listening_socket(one.host, one.port)
        if not one.is_secure and one.networks is None:
            plain.append(listening)
            continue
        context = partial(contexts.server, one.clients, protocols=ALPN) if one.is_secure else None
        if context is not None:
            context()
        gates.append(Gate(listening, context, one.networks, tls.handshake_timeout_s, tls.max_handshakes))
    return plain, gates
