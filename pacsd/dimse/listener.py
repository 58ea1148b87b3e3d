"""The accept loop and the two kinds of DIMSE process: receivers share the port, query processes take over from them."""

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from config.settings import Settings
from pacsd.audit.trail import Recorder
from pacsd.dimse.acceptor import Acceptor
from pacsd.dimse.association import Timeouts
from pacsd.dimse.buffers import GATHER_BYTES
from pacsd.dimse.find import Criteria
from pacsd.dimse.handover import Door
from pacsd.dimse.metering import Meters, Metrics
from pacsd.dimse.negotiation import Policy
from pacsd.dimse.occupancy import Alone, Place
from pacsd.dimse.pace import Pace, plenty
from pacsd.dimse.recording import Recording
from pacsd.dimse.services import Archive, Department, Directory, Services, unchanged

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

    def __init__(self, acceptor: Acceptor, *, host: str, port: int, max_connections: int, share: bool = False) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._acceptor = acceptor
        self._max_connections = max_connections
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
            if self._acceptor.running >= self._max_connections:
                connection.close()
            else:
                start(self._acceptor, connection, _plain(address[0]))

    def close(self) -> None:
        """Accept nothing more."""
        self._stopping.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("listener is closed already")
        self._socket.close()


def start(acceptor: Acceptor, connection: socket.socket, address: str, body: bytes | None = None) -> None:
    """Serve a connection on a new thread; refused by closing it when there can be none."""
    try:
        threading.Thread(target=acceptor.run, args=(connection, address, body), daemon=True).start()
    except RuntimeError:
        log.exception("no thread for an association")
        connection.close()


def serve_receiver(
    context: RoleContext,
    archive: Archive,
    directory: Directory,
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
    listener = Listener(
        acceptor,
        host=settings.host,
        port=settings.dicom_port,
        max_connections=settings.dimse.max_associations + _WAITING_ROOM,
        share=True,
    )
    threading.Thread(target=listener.serve, daemon=True).start()
    _until_stopped(context, listener, acceptor, settings, events)


def serve_queries(
    context: RoleContext,
    archive: Archive,
    directory: Directory,
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
    door = Door(handover, lambda connection, address, body: start(acceptor, connection, address, body))
    threading.Thread(target=door.serve, daemon=True).start()
    _until_stopped(context, door, acceptor, settings, events)


def _until_stopped(
    context: RoleContext, entrance: Listener | Door, acceptor: Acceptor, settings: Settings, events: Events | None
) -> None:
    if events is not None:
        threading.Thread(target=events.run, daemon=True).start()
    context.ready()
    context.stopping.wait()
    entrance.close()
    acceptor.drain(settings.supervise.grace_s)


def _services(
    archive: Archive,
    directory: Directory,
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


def _plain(address: str) -> str:
    """An IPv4 address as IPv4 even when it came through an IPv6 socket."""
    return address.removeprefix("::ffff:") if "." in address else address.partition("%")[0]
