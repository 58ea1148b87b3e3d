"""An archive, a directory and a running listener for the tests of the DIMSE edge."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import Any

from config.settings import RemoteAESettings, Settings
from pacsd.access.callers import Callers
from pacsd.access.directory import Directory, Peer, Refusal
from pacsd.access.handshakes import Handshakes
from pacsd.access.origin import Origin
from pacsd.access.principal import Principal
from pacsd.access.resolution import Resolution
from pacsd.access.scope import Scope
from pacsd.archive.retrieve import FileRange
from pacsd.dimse.acceptor import Acceptor
from pacsd.dimse.association import Timeouts
from pacsd.dimse.dialling import Dial, plain
from pacsd.dimse.listener import Listener
from pacsd.dimse.metering import Meters, Metrics
from pacsd.dimse.negotiation import Policy
from pacsd.dimse.services import Department, Services, unchanged
from pacsd.faults import Fault, PacsdError

SCOPE = Scope(organisations=(1,), own=1)


def peer(title: str = "ANY", **what: Any) -> Peer:
    """A peer of the only organisation."""
    return Peer(title, 1, "default", "default", SCOPE, **what)


@dataclass
class FakeReception:
    """Keeps what is written; `failure` is raised by commit."""

    archive: "FakeArchive"
    about: dict[str, Any]
    pieces: list[bytes] = field(default_factory=list)

    def write(self, data: memoryview) -> None:
        self.pieces.append(bytes(data))

    def commit(self) -> object:
        if self.archive.failure is not None:
            raise self.archive.failure
        self.archive.stored.append((self.about, b"".join(self.pieces), len(self.pieces)))
        self.archive.arrived.set()
        return None

    def abort(self) -> None:
        self.archive.aborted.append(self.about)
        self.archive.arrived.set()


class FakeArchive:
    """Ingest, search and retrieve in memory."""

    def __init__(self) -> None:
        self.stored: list[tuple[dict[str, Any], bytes, int]] = []
        self.aborted: list[dict[str, Any]] = []
        self.failure: Exception | None = None
        self.arrived = threading.Event()
        self.matches: Any = []
        self.queries: list[tuple[Any, Any]] = []
        self.instances: list[Any] = []
        self.datasets: dict[str, bytes] = {}
        self.in_files = False

    @property
    def ingest(self) -> "FakeArchive":
        return self

    @property
    def retrieve(self) -> "FakeArchive":
        return self

    def receive(self, peer: Peer, **about: Any) -> FakeReception:
        return FakeReception(self, about)

    def search(self, query: Any, scope: Scope) -> Iterator[Any]:
        self.queries.append((query.level, query))
        matches = self.matches() if callable(self.matches) else self.matches
        return iter(matches)

    def select(self, scope: Scope, selection: Any) -> list[Any]:
        self.queries.append(("select", selection))
        wanted = frozenset(selection.sop_instance_uids)
        return [one for one in self.instances if not wanted or one.sop_instance_uid in wanted]

    def best(self, ref: Any, transfer_syntax_uid: str) -> Any:
        return ref

    def open(self, ref: Any) -> "FakeDataset":
        if ref.sop_instance_uid not in self.datasets:
            raise PacsdError(Fault.NOT_FOUND, "its blob is gone")
        return FakeDataset(self.datasets[ref.sop_instance_uid], in_file=self.in_files)


class FakeDataset:
    """A data set on its way out."""

    def __init__(self, data: bytes, *, in_file: bool = False) -> None:
        self._data = data
        self._file = TemporaryFile() if in_file else None  # noqa: SIM115
        self.size_bytes = len(data)

    @property
    def file_range(self) -> FileRange | None:
        """Behind a few bytes of something else, as in a pack."""
        if self._file is None:
            return None
        self._file.write(b"before" + self._data + b"behind")
        self._file.flush()
        return FileRange(self._file.fileno(), 6, len(self._data))

    def chunks(self, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        for start in range(0, len(self._data), chunk_bytes):
            yield self._data[start : start + chunk_bytes]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> "FakeDataset":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class FakeDirectory:
    """Knows the called title PACSD, everybody, and the remotes it is given."""

    remotes: dict[str, RemoteAESettings] = field(default_factory=dict)
    peers: dict[str, Peer] = field(default_factory=dict)
    refuse: frozenset[str] = frozenset()

    def renewed(self, peer: Peer) -> Peer:
        return peer

    def peer(self, *, calling: str, called: str, origin: Origin, identity: Any = None) -> Peer | Refusal:
        if called not in ("PACSD", "OLDPACS"):
            return Refusal.CALLED_TITLE
        if calling in self.refuse:
            return Refusal.CALLING_TITLE
        return self.peers.get(calling) or peer(calling)

    def remote(self, title: str, asker: Peer | None = None) -> RemoteAESettings | None:
        return self.remotes.get(title)

    def of_organisation(self, title: str, organisation: int) -> RemoteAESettings | None:
        return self.remotes.get(title)


@dataclass
class Server:
    """A listener on a port of its own, in this process."""

    archive: FakeArchive
    directory: FakeDirectory
    acceptor: Acceptor
    port: int


def _department(worklist: Any, workflow: Any) -> Department | None:
    """One of which a test uses a part."""
    none: Any = None
    return None if worklist is None and workflow is None else Department(none, none, none, worklist, workflow)


@contextmanager
def running(
    *,
    archive: Any = None,
    directory: Any = None,
    max_pdu_bytes: int = 1 << 20,
    max_associations: int = 1500,
    artim_s: float = 2.0,
    idle_s: float = 10.0,
    private_sop_classes: frozenset[str] = frozenset(),
    move_associations: int = 1,
    metrics: Metrics | None = None,
    worklist: Any = None,
    workflow: Any = None,
    department: Department | None = None,
    query: Any = unchanged,
    handshakes: Handshakes | None = None,
    networks: Sequence[str] | None = None,
    dial: Dial = plain,
    **acceptor_options: Any,
) -> Iterator[Server]:
    """Serve until the block ends."""
    archive = archive or FakeArchive()
    directory = directory or FakeDirectory()
    services = Services(
        archive, directory, move_associations=move_associations, artim_timeout_s=artim_s, idle_timeout_s=idle_s,
        meters=Meters(metrics), dial=dial, department=department or _department(worklist, workflow), query=query,
    )  # fmt: skip
    acceptor = Acceptor(
        services,
        Policy(max_pdu_bytes=max_pdu_bytes, private_sop_classes=private_sop_classes),
        Timeouts(artim_s=artim_s, idle_s=idle_s),
        max_associations=max_associations,
        **acceptor_options,
    )
    listener = Listener(acceptor, host="127.0.0.1", port=0, max_connections=max_associations + 8,
                        handshakes=handshakes, networks=networks)  # fmt: skip
    thread = threading.Thread(target=listener.serve, daemon=True)
    thread.start()
    try:
        yield Server(archive, directory, acceptor, listener.port)
    finally:
        listener.close()
        acceptor.drain(0.5)
        thread.join(5)


def process_is_alive(pid: int) -> bool:
    """Whether a process id is in use."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class NothingOpened:
    """access.openings.Openings"""

    def of(self, principal: Principal, scope: Scope) -> None:
        """Nothing is opened one by one."""


def callers(settings: Settings) -> Callers:
    """Who associations come from, as main puts it together."""
    known = Directory(settings, {"default": 1})
    return Callers(known, Resolution(known, NothingOpened()))
