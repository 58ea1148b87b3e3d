"""The accept loop and the two kinds of DIMSE process: receivers share the port, query processes take over from them."""

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from config.listening import openings_of
from config.networks import is_loopback, is_within, plain
from config.settings import Settings
from pacsd.access.callers import Callers
from pacsd.access.handshakes import Handshakes
from pacsd.access.origin import Origin
from pacsd.access.tls import TlsContexts
from pacsd.audit.trail import Recorder
from pacsd.dimse.acceptor import Acceptor
from pacsd.dimse.association import Timeouts
from pacsd.dimse.buffers import GATHER_BYTES
from pacsd.dimse.dialling import Dialling
from pacsd.dimse.find import Criteria
from pacsd.dimse.handover import Door
from pacsd.dimse.metering import Meters, Metrics
from pacsd.dimse.negotiation import Policy
from pacsd.dimse.occupancy import Alone, Place
from pacsd.dimse.pace import Pace, plenty
from pacsd.dimse.pdu import cause_of
from pacsd.dimse.recording import Recording
from pacsd.dimse.services import Archive, Department, Services, unchanged
from pacsd.faults import PacsdError

log = logging.getLogger("pacsd.dimse")

_BACKLOG = 1024
_STACK_BYTES = 512 << 10               # address space; only what is touched costs
_QUERY_NICE = 10
_SWITCH_INTERVAL_S = 0.001               # a thread with an image to receive waits no longer than this for another's
_WAITING_ROOM = 64                       # connections above the limit that still get a polite refusal
_ACCEPT_PAUSE_S = 0.1


class Stopping(Protocol):
    """Says when it is time to finish."""

    def wait(self, timeout_s: float | None = None) -> bool: ...
    def is_set(self) -> bool: ...


class RoleContext(Protocol):
    """How a role process talks to its supervisor."""

    @property
    def stopping(self) -> Stopping: ...

    def ready(self) -> None:
        """Say that the role serves."""


class Events(Protocol):
    """Tells subscribers what happens: ups_event.Reporter."""

    def run(self) -> None:
        """Until the role stops."""


class Listener:
    """Accepts connections and runs each on a thread of its own."""

    def __init__(
        self,
        acceptor: Acceptor,
        *,
        host: str,
        port: int,
        max_connections: int,
        share: bool = False,
        handshakes: Handshakes | None = None,
        networks: Sequence[str] | None = None,
    ) -> None:
        """With `handshakes` inside TLS; `networks` are the only ones that may connect, None: any."""
        self._handshakes = handshakes
        self._networks = networks
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._acceptor = acceptor
        self._max_connections = max_connections
        self._is_exposed = not is_loopback(host)
        self._stopping = threading.Event()
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind((host, port))
        self._socket.listen(_BACKLOG)
        self.port: int = self._socket.getsockname()[1]

    def serve(self) -> None:
        """Accept until `close`."""
        while not self._stopping.is_set():
            try:
                connection, address = self._socket.accept()
            except OSError as error:             # closed, or out of descriptors: then a moment later there are some
                if not self._stopping.wait(_ACCEPT_PAUSE_S):
                    log.warning("cannot accept", extra={"cause": type(error).__name__})
                continue
            self._admit(connection, plain(address[0]))

    def _admit(self, connection: socket.socket, address: str) -> None:
        stranger = self._networks is not None and not is_within(address, self._networks)
        if stranger:
            log.warning("a connection from a network that is not listed", extra={"address": address})
        if stranger or self._acceptor.running >= self._max_connections:
            connection.close()
        elif self._handshakes is None:
            start(self._acceptor, connection, Origin(address, is_listed=self._networks is not None))
        else:
            _in_thread(self._secure, connection, address, self._handshakes)

    def _secure(self, raw: socket.socket, address: str, handshakes: Handshakes) -> None:
        """The handshake, then the association, on a thread of their own."""
        try:
            connection = handshakes.shake(raw)
        except (OSError, PacsdError) as error:
            cause = cause_of(error) if isinstance(error, OSError) else error.message
            log.info("no TLS connection", extra={"address": address, "cause": cause})
            return
        certificate = connection.certificate
        is_listed = certificate is None and self._is_exposed
        self._acceptor.run(connection, Origin(address, certificate, is_listed))

    def close(self) -> None:
        """Accept nothing more."""
        self._stopping.set()
        if self._handshakes is not None:
            self._handshakes.close()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("listener is closed already")
        self._socket.close()


def start(acceptor: Acceptor, connection: socket.socket, origin: Origin, body: bytes | None = None) -> None:
    """Serve a connection on a new thread; refused by closing it when there can be none."""
    _in_thread(acceptor.run, connection, origin, body)


def _in_thread(serve: Callable[..., None], connection: socket.socket, *arguments: object) -> None:
    try:
        threading.Thread(target=serve, args=(connection, *arguments), daemon=True).start()
    except RuntimeError:
        log.exception("no thread for an association")
        connection.close()


def serve_receiver(
    context: RoleContext,
    archive: Archive,
    directory: Callers,
    settings: Settings,
    *,
    handover: Path | None = None,
    query: Callable[[Criteria], Any] = unchanged,
    place: Place | None = None,
    metrics: Metrics | None = None,
    department: Department | None = None,
    events: Events | None = None,
    recorder: Recorder | None = None,
) -> None:
    """A receiver process until `context.stopping`; associations that may query go to whoever serves `handover`.

    `query` makes the archive's query of what C-FIND asks; `place` is where the processes count together; `events` tells
    subscribers of the worklist beside, where nobody serves queries.
    """
    _prepare_threads()
    services = _services(archive, directory, settings, query, metrics, Pace(place or Alone()), department, recorder)
    acceptor = _acceptor(services, settings, handover, place)
    listeners = _listeners(acceptor, settings)
    for listener in listeners:
        threading.Thread(target=listener.serve, daemon=True).start()
    _until_stopped(context, listeners, acceptor, settings, events)


def _listeners(acceptor: Acceptor, settings: Settings) -> list[Listener]:
    """Those of the settings. Raises SettingsError, PacsdError where one may not or cannot listen, OSError."""
    contexts = TlsContexts(settings.security.tls)
    made = []
    for opening in openings_of(settings, "dimse"):
        handshakes = Handshakes(contexts, opening.clients) if opening.is_secure else None
        if handshakes is not None:
            handshakes.check()
        made.append(
            Listener(
                acceptor, host=opening.host, port=opening.port, share=True, handshakes=handshakes,
                max_connections=settings.dimse.max_associations + _WAITING_ROOM, networks=opening.networks,
            )
        )  # fmt: skip
    return made


def serve_queries(
    context: RoleContext,
    archive: Archive,
    directory: Callers,
    settings: Settings,
    *,
    handover: Path,
    query: Callable[[Criteria], Any] = unchanged,
    place: Place | None = None,
    metrics: Metrics | None = None,
    events: Events | None = None,
    short: Callable[[], bool] = plenty,
    department: Department | None = None,
    recorder: Recorder | None = None,
) -> None:
    """A query process until `context.stopping`; gives way to receivers where `short` says that processors are."""
    os.nice(_QUERY_NICE)
    _prepare_threads()
    pace = Pace(place or Alone(), short=short)
    services = _services(archive, directory, settings, query, metrics, pace, department, recorder)
    acceptor = _acceptor(services, settings, None, place)
    door = Door(handover, lambda connection, origin, body: start(acceptor, connection, origin, body))
    threading.Thread(target=door.serve, daemon=True).start()
    _until_stopped(context, [door], acceptor, settings, events)


def _until_stopped(
    context: RoleContext,
    entrances: Sequence[Listener | Door],
    acceptor: Acceptor,
    settings: Settings,
    events: Events | None,
) -> None:
    if events is not None:
        threading.Thread(target=events.run, daemon=True).start()
    context.ready()
    context.stopping.wait()
    for entrance in entrances:
        entrance.close()
    acceptor.drain(settings.supervise.grace_s)


def _services(
    archive: Archive,
    directory: Callers,
    settings: Settings,
    query: Callable[[Criteria], Any],
    metrics: Metrics | None,
    pace: Pace,
    department: Department | None,
    recorder: Recorder | None,
) -> Services:
    dimse = settings.dimse
    return Services(
        archive,
        directory,
        query=query,
        move_associations=dimse.move_associations,
        artim_timeout_s=dimse.artim_timeout_s,
        idle_timeout_s=dimse.idle_timeout_s,
        connect_timeout_s=dimse.connect_timeout_s,
        meters=Meters(metrics),
        pace=pace,
        department=department,
        dial=Dialling(settings.security.tls),
        recording=Recording(recorder),
    )


def _acceptor(services: Services, settings: Settings, handover: Path | None, place: Place | None) -> Acceptor:
    dimse = settings.dimse
    policy = Policy(
        max_pdu_bytes=min(dimse.max_pdu_bytes or GATHER_BYTES, GATHER_BYTES),
        private_sop_classes=frozenset(dimse.private_sop_classes),
    )
    timeouts = Timeouts(artim_s=dimse.artim_timeout_s, idle_s=dimse.idle_timeout_s)
    return Acceptor(
        services, policy, timeouts, max_associations=dimse.max_associations, place=place, handover=handover
    )


def _prepare_threads() -> None:
    threading.stack_size(_STACK_BYTES)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
