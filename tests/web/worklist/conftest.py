"""The worklist's routes over a workflow on real PostgreSQL."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from pacsd.web.app import create_app
from pacsd.web.server import ServerLimits, listening_socket, run
from tests.web.fakes import FakeArchive, Web, services
from tests.workflow.conftest import Office, office, worklist_database

__all__ = ["office", "worklist_database"]


class Desk(Web):
    """The application, and a client of it."""

    def __init__(self, office: Office, **changes: object) -> None:
        self.archive = FakeArchive()
        changes = {"workflow": office.workflow, "directory": office.directory, **changes}
        self.app = create_app(services(self.archive, **changes))


@pytest.fixture
def desk(office: Office) -> Desk:
    return Desk(office)


@dataclass
class Served:
    port: int

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"

    def channel(self, title: str) -> str:
        return f"ws://127.0.0.1:{self.port}/dicom-web/ws/subscribers/{title}"


@contextmanager
def served(office: Office, *, server: ServerLimits | None = None, **changes: object) -> Iterator[Served]:
    """A real server on a real socket."""
    listening = listening_socket("127.0.0.1", 0)
    port = listening.getsockname()[1]
    stop = threading.Event()
    named = {"stop": stop, "limits": server or ServerLimits(grace_s=2.0)}
    thread = threading.Thread(target=run, args=(Desk(office, **changes).app, listening), kwargs=named)
    thread.start()
    try:
        yield Served(port)
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def server(office: Office) -> Iterator[Served]:
    with served(office) as one:
        yield one
