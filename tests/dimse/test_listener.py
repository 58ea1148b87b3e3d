"""Receivers and query processes."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from pacsd.dimse.associate import AssociateAccept, AssociateReject
from pacsd.dimse.handover import Door
from pacsd.dimse.listener import serve_receiver, start
from pacsd.dimse.occupancy import Occupancy
from pacsd.dimse.requestor import Proposal, Requestor
from pacsd.dimse.sop_classes import VERIFICATION
from tests.clients import require
from tests.conftest import ROOT
from tests.dimse.fakes import FakeArchive, callers, running
from tests.dimse.test_acceptor import until
from tests.dimse.test_find import ask as find
from tests.dimse.test_find import identifier, study
from tests.dimse.wire import Raw


class Place:
    """Where a remote is."""

    def __init__(self, port: int) -> None:
        self.title, self.host, self.port = "PACSD", "127.0.0.1", port


class Context:
    """A role's context."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.is_ready = threading.Event()

    def ready(self) -> None:
        self.is_ready.set()


def test_echoscu_and_our_own_echo() -> None:
    require("echoscu")
    with running() as server:
        done = subprocess.run(["echoscu", "-aec", "PACSD", "127.0.0.1", str(server.port)], timeout=30, check=False)
        assert done.returncode == 0
        with Requestor("OURS").connect(Place(server.port), [Proposal(VERIFICATION)]) as outgoing:
            assert outgoing.echo().status == 0


def test_queries_go_to_the_process_behind_the_door(tmp_path: Path) -> None:
    """The connection passes through a Unix socket; receiver and query process have archives of their own."""
    with running() as behind:
        behind.archive.matches = [study(1)]
        door = Door(tmp_path, lambda connection, origin, body: start(behind.acceptor, connection, origin, body))
        thread = threading.Thread(target=door.serve, daemon=True)
        thread.start()
        with running(handover=tmp_path) as front:
            answers = find(front.port, identifier())
            assert len(answers) == 2 and len(behind.archive.queries) == 1 and not front.archive.queries
        door.close()
        thread.join(5)


@pytest.mark.parametrize("stale", [True, False])
def test_without_a_query_process_the_receiver_answers_itself(tmp_path: Path, stale: bool) -> None:
    if stale:
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(tmp_path / "1.sock"))
    with running(handover=tmp_path) as front:
        front.archive.matches = [study(1)]
        assert len(find(front.port, identifier())) == 2


def test_a_receiver_process_serves_and_stops(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings: Settings = load_settings(None, {"dicom_port": port, "data_dir": str(tmp_path)})
    context = Context()
    directory = callers(settings)
    role = threading.Thread(target=serve_receiver, args=(context, FakeArchive(), directory, settings), daemon=True)
    role.start()
    assert context.is_ready.wait(10)
    with Requestor("OURS").connect(Place(port), [Proposal(VERIFICATION)]) as outgoing:
        assert outgoing.echo().status == 0
    context.stopping.set()
    role.join(10)
    assert not role.is_alive()


def test_processes_count_their_associations_together(tmp_path: Path) -> None:
    """One that is handed over is not counted twice; one that ends makes room for both."""
    occupancy = Occupancy(3)
    with (
        running(place=occupancy.place(0), max_associations=3) as behind,
        running(place=occupancy.place(1), max_associations=3, handover=tmp_path) as front,
        running(place=occupancy.place(2), max_associations=3) as other,
    ):
        behind.archive.matches = [study(1)]
        door = Door(tmp_path, lambda connection, origin, body: start(behind.acceptor, connection, origin, body))
        thread = threading.Thread(target=door.serve, daemon=True)
        thread.start()
        with Raw(front.port) as one, Raw(other.port) as two:
            assert isinstance(one.associate(), AssociateAccept) and isinstance(two.associate(), AssociateAccept)
            assert len(find(front.port, identifier())) == 2
            until(lambda: behind.acceptor.running == 0 and front.acceptor.running == 1)
            with Raw(other.port) as three:
                assert isinstance(three.associate(), AssociateAccept)
                with Raw(front.port) as four:
                    assert four.associate() == AssociateReject(2, 3, 2)
        until(lambda: front.acceptor.running == other.acceptor.running == 0)
        with Raw(front.port) as again:
            assert isinstance(again.associate(), AssociateAccept)
        door.close()
        thread.join(5)


def test_a_process_that_begins_anew_counts_from_nothing() -> None:
    """The numbers are seen across a fork."""
    occupancy = Occupancy(2)
    assert occupancy.place(0).tell(5) == 5
    pid = os.fork()
    if pid == 0:
        os._exit(occupancy.place(1).tell(7))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 12
    assert occupancy.place(0).tell(1) == 8
    assert occupancy.place(1).tell(0) == 1


QUERY_PROCESS = """
import sys, threading
from pathlib import Path
from config.settings import load_settings
from pacsd.dimse.listener import serve_queries
from tests.dimse.fakes import FakeArchive, callers
from tests.dimse.test_find import study

class Context:
    stopping = threading.Event()
    def ready(self):
        print("ready", flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), self.stopping.set()), daemon=True).start()

archive = FakeArchive()
archive.matches = lambda: [study(1), study(2)]
settings = load_settings(None, {})
serve_queries(Context(), archive, callers(settings), settings, handover=Path(sys.argv[1]))
"""


def test_a_query_process_takes_over_and_stops(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", QUERY_PROCESS, str(tmp_path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        assert os.getpriority(os.PRIO_PROCESS, process.pid) > os.getpriority(os.PRIO_PROCESS, 0)
        with running(handover=tmp_path) as front:
            assert len(find(front.port, identifier())) == 3
            assert not front.archive.queries and front.acceptor.running <= 1
        process.stdin.close()
        assert process.wait(20) == 0
    assert not list(tmp_path.glob("*.sock"))
