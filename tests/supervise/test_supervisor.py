"""The supervisor as a process of its own, with roles that crash, linger and are killed."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from pacsd.supervise import metrics
from pacsd.supervise.supervisor import pause_s

ROOT = Path(__file__).resolve().parents[2]


class Played:
    """One run of tests.supervise.played."""

    def __init__(self, data: Path, *, dsn: str = "dbname=none", grace_s: float = 5.0) -> None:
        self.data = data
        self.log = data / "log"
        data.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "tests.supervise.played", str(data), dsn, str(grace_s)]
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log, start_new_session=True)

    def records(self, event: str) -> list[dict[str, object]]:
        lines = self.log.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [record for record in found if record["event"] == event]

    def notes(self, word: str) -> list[tuple[str, int]]:
        """Which role process wrote that word, and its number."""
        file = self.data / "notes"
        lines = file.read_text().splitlines() if file.exists() else []
        parts = [line.split() for line in lines]
        return [(name, int(pid)) for written, name, pid in parts if written == word]

    def wait(self, condition: Callable[[], object], *, timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def wait_ready(self, times: int = 1) -> "Played":
        self.wait(lambda: len(self.records("ready")) >= times or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()
        return self

    def stop(self, *, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ps-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def play(data: Path) -> Iterator[Callable[..., Played]]:
    begun: list[Played] = []

    def start(**options: object) -> Played:
        begun.append(Played(data, **options))  # type: ignore[arg-type]
        return begun[-1]

    yield start
    for one in begun:
        one.process.kill()
        one.process.wait()


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_every_role_starts_and_finishes_on_sigterm(play: Callable[..., Played]) -> None:
    served = play().wait_ready()
    assert (served.data / "run" / "ready").exists()
    assert served.stop() == 0
    assert {name for name, _ in served.notes("finished")} == {"dimse-0", "dimse-1", "worker-0"}
    assert not (served.data / "run" / "ready").exists()
    assert all(gone(pid) for _, pid in served.notes("started"))


def test_roles_may_open_as_many_files_as_the_hard_limit_allows(play: Callable[..., Played]) -> None:
    """A soft limit of 1,024, as most systems have it, is less than the associations to be served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 200), hard))
    try:
        played = play().wait_ready()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for _, pid in played.notes("started"):
        assert psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE) == (hard, hard)


def test_interrupt_at_the_terminal_stops_in_order(play: Callable[..., Played]) -> None:
    served = play().wait_ready()
    os.killpg(served.process.pid, signal.SIGINT)
    assert served.process.wait(30) == 0
    assert len(served.notes("finished")) == 3


def test_crashed_role_starts_again_and_the_rest_goes_on(play: Callable[..., Played]) -> None:
    served = play().wait_ready()
    before = dict(served.notes("started"))
    os.kill(before["dimse-1"], signal.SIGKILL)
    served.wait_ready(times=2)
    after = dict(served.notes("started"))
    assert after.pop("dimse-1") != before.pop("dimse-1")
    assert after == before
    (record,) = served.records("a role ended, starting it again")
    assert (record["ended"], record["status"]) == ("dimse-1", -signal.SIGKILL)


def test_counters_of_all_processes_add_up_over_a_crash(play: Callable[..., Played]) -> None:
    served = play().wait_ready()
    assert 'played_starts_total{role="dimse"} 2' in metrics.render(served.data / "run" / "metrics")
    os.kill(dict(served.notes("started"))["dimse-0"], signal.SIGKILL)
    served.wait_ready(times=2)
    assert 'played_starts_total{role="dimse"} 3' in metrics.render(served.data / "run" / "metrics")


def test_role_that_does_not_finish_is_killed_after_the_grace_period(play: Callable[..., Played], data: Path) -> None:
    (data / "stubborn").touch()
    served = play(grace_s=0.3).wait_ready()
    assert served.stop() == 0
    assert served.records("killing processes that did not finish")[0]["late"] == ["web-0"]
    assert all(gone(pid) for _, pid in served.notes("started"))


def test_second_signal_ends_the_patience(play: Callable[..., Played], data: Path) -> None:
    (data / "stubborn").touch()
    served = play(grace_s=600).wait_ready()
    served.process.terminate()
    served.wait(lambda: served.notes("ignores"))
    assert served.stop() == 0


def test_roles_end_when_the_supervisor_is_killed(play: Callable[..., Played]) -> None:
    served = play().wait_ready()
    served.process.kill()
    served.process.wait()
    served.wait(lambda: all(gone(pid) for _, pid in served.notes("started")))


def test_second_supervisor_on_the_same_data_is_refused(play: Callable[..., Played]) -> None:
    first = play().wait_ready()
    second = play()
    assert second.process.wait(30) == 1
    assert f"is in use by another pacsd (process {first.process.pid})" in first.log.read_text()
    assert first.process.poll() is None


def test_start_after_everything_was_killed(play: Callable[..., Played]) -> None:
    served = play().wait_ready()
    for process in (served.process.pid, *[pid for _, pid in served.notes("started")]):
        with contextlib.suppress(ProcessLookupError):  # already gone with the supervisor
            os.kill(process, signal.SIGKILL)
    served.process.wait()
    again = play().wait_ready(times=2)
    assert again.stop() == 0


def test_address_in_use_at_the_start_ends_the_supervisor(play: Callable[..., Played], data: Path) -> None:
    (data / "in_use").touch()
    served = play()
    assert served.process.wait(30) == 1
    assert served.records("a role cannot listen on its address; giving up")


def test_address_in_use_later_is_tried_again(play: Callable[..., Played], data: Path) -> None:
    served = play().wait_ready()
    (data / "in_use").touch()
    os.kill(dict(served.notes("started"))["worker-0"], signal.SIGKILL)
    served.wait(lambda: len(served.records("a role ended, starting it again")) >= 2)
    (data / "in_use").unlink()
    served.wait_ready(times=2)


def test_database_that_is_away_is_waited_for(play: Callable[..., Played], data: Path) -> None:
    (data / "away").touch()
    served = play().wait_ready()
    assert served.records("the database is away")[0]["reason"] == "not there yet"
    assert (data / "prepared").read_text() == "dbname=none"


def test_schema_that_cannot_be_brought_up_to_date_ends_the_start(play: Callable[..., Played], data: Path) -> None:
    (data / "broken").touch()
    served = play()
    assert served.process.wait(30) == 1
    assert "error: the schema is broken" in served.log.read_text()


def test_hang_up_says_that_nothing_is_reloaded(play: Callable[..., Played]) -> None:
    served = play().wait_ready()
    served.process.send_signal(signal.SIGHUP)
    served.wait(lambda: served.records("SIGHUP reloads nothing; restart to apply new settings"))
    assert served.stop() == 0


def test_killed_postmaster_comes_back_without_a_role_noticing(play: Callable[..., Played]) -> None:
    served = play(dsn="").wait_ready()
    dsn = (served.data / "prepared").read_text()
    postmaster = served.records("PostgreSQL started")[0]["postmaster"]
    started = served.notes("started")
    os.kill(postmaster, signal.SIGKILL)  # type: ignore[arg-type]
    served.wait_ready(times=2)
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert served.notes("started") == started
    assert served.stop() == 0
    assert not (served.data / "postgres" / "data" / "postmaster.pid").exists()


def test_data_directory_made_by_the_supervisor_is_closed_to_others(play: Callable[..., Played], data: Path) -> None:
    shutil.rmtree(data)
    data.mkdir(0o700)
    served = play(dsn="").wait_ready()
    assert (served.data / "run").stat().st_mode & 0o077 == 0
    assert (served.data / "postgres" / "data").stat().st_mode & 0o077 == 0
    served.stop()


def test_pauses_grow_to_half_a_minute() -> None:
    assert [pause_s(n) for n in (1, 2, 3, 7, 50)] == [0.5, 1.0, 2.0, 30.0, 30.0]
