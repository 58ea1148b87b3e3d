"""What was acknowledged survives kill -9 of everything, and of PostgreSQL alone."""

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.server import Server, remove_folder, scratch_folder
from tests.soak import rounds
from tests.soak.judge import judge
from tests.soak.kills import CONFIG
from tests.soak.ledger import Ledger
from tests.soak.senders import Sender
from tests.synthetic import Study, small_object, study, write_folder

STUDY = study(41, modality="CT")


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on an empty folder, packing after a fifth of a second of quiet."""
    folder = scratch_folder()
    running = Server(folder / "data", config=CONFIG, fresh=True)
    running.start()
    yield running
    running.kill()
    remove_folder(folder)


@pytest.mark.timeout(240)
def test_a_dozen_kills_of_every_process_lose_nothing_that_was_acknowledged() -> None:
    done = list(rounds(seed=2026, count=12))
    assert len(done) == 12
    assert sum(one.acknowledged for one in done) > 300
    assert {one.moment for one in done} == {"ingest", "packing", "later"}
    assert any(one.packs for one in done)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "stopped"])
def test_postgresql_restarted_under_load_loses_nothing_and_comes_back(
    server: Server, tmp_path: Path, how: signal.Signals
) -> None:
    ledger = Ledger()
    sender = Sender(server.dicom_port, objects(tmp_path, STUDY, 5000), ledger, again=True)
    sender.start()
    assert sender.wait_acknowledged(50, timeout_s=30)
    postmaster(server).send_signal(how)
    assert sender.wait_acknowledged(len(ledger.acknowledged) + 100, timeout_s=60)
    sender.stop()
    sender.join()
    assert all(status >= 0xA000 for status in ledger.failures)  # a clear failure (PS3.7 Annex C)
    server.wait_ready(within_s=10)
    judge(server.base_url, [STUDY.study_instance_uid], ledger)


@pytest.mark.timeout(120)
def test_a_single_killed_process_of_any_role_is_replaced_under_load(server: Server, tmp_path: Path) -> None:
    ledger = Ledger()
    sender = Sender(server.dicom_port, objects(tmp_path, STUDY, 5000), ledger, again=True)
    sender.start()
    for victim in own_processes(server):
        assert sender.wait_acknowledged(len(ledger.acknowledged) + 30, timeout_s=30)
        victim.kill()
    assert sender.wait_acknowledged(len(ledger.acknowledged) + 60, timeout_s=30)
    sender.stop()
    sender.join()
    server.wait_ready(within_s=20)
    judge(server.base_url, [STUDY.study_instance_uid], ledger)


def objects(folder: Path, of: Study, count: int) -> Iterator[Path]:
    """Files made as they are asked for, two series in turn."""
    for number in range(1, count + 1):
        data = small_object(of, series=number % 2 + 1, instance=number, size_bytes=20_000)
        yield write_folder(folder / str(number), [data])[0]


def postmaster(server: Server) -> psutil.Process:
    """PostgreSQL's first process: the one whose parent is no PostgreSQL."""
    for process in psutil.Process(server.pid).children(recursive=True):
        parent = process.parent()
        if process.name() == "postgres" and parent is not None and parent.name() != "postgres":
            return process
    raise LookupError("no embedded PostgreSQL runs")


def own_processes(server: Server) -> list[psutil.Process]:
    """The processes of the roles: children of the supervisor that are not PostgreSQL."""
    return [one for one in psutil.Process(server.pid).children() if one.name() != "postgres"]
