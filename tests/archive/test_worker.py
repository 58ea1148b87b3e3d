"""The worker's loop: chores in turn, failures alone, prompt stop."""

import threading

import pytest

from pacsd.archive.worker import LONGEST_PAUSE_S, Backoff, Chore, Worker
from pacsd.faults import Fault, PacsdError


def test_a_chore_runs_again_at_once_while_there_is_more() -> None:
    now, left, done = [0.0], [3], []

    def work() -> bool:
        done.append(now[0])
        left[0] -= 1
        return left[0] > 0

    worker = Worker([Chore("pack", 60, work)], stop=threading.Event(), clock=lambda: now[0])
    for _ in range(5):
        worker.run_due()
    assert len(done) == 3
    now[0] = 60.0
    worker.run_due()
    assert len(done) == 4


@pytest.mark.parametrize("error", [PacsdError(Fault.UNAVAILABLE, "away"), ValueError("a defect")])
def test_a_failing_chore_waits_longer_each_time_and_holds_up_no_other(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    now, tried, others = [0.0], [], []
    caplog.set_level("WARNING", logger="pacsd.worker")

    def fail() -> bool:
        tried.append(now[0])
        raise error

    worker = Worker(
        [Chore("bad", 1, fail), Chore("good", 1, lambda: bool(others.append(now[0])))],
        stop=threading.Event(), clock=lambda: now[0],
    )
    for second in range(20):
        now[0] = float(second)
        worker.run_due()
    assert tried == [0.0, 1.0, 3.0, 7.0, 15.0]
    assert len(others) == 20
    assert [record.levelname for record in caplog.records][-1] == (
        "WARNING" if isinstance(error, PacsdError) else "ERROR"
    )


def test_stop_is_prompt() -> None:
    stop, started = threading.Event(), threading.Event()
    worker = Worker([Chore("idle", 1000, lambda: bool(started.set()))], stop=stop)
    thread = threading.Thread(target=worker.run)
    thread.start()
    assert started.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_backoff_is_per_subject_and_bounded() -> None:
    now = [0.0]
    backoff = Backoff(clock=lambda: now[0], most=3)
    assert not backoff.resting(1)
    assert [backoff.failed(1) for _ in range(3)] == [1.0, 2.0, 4.0]
    assert backoff.resting(1) and not backoff.resting(2)
    now[0] = 4.5
    assert not backoff.resting(1)
    backoff.worked(1)
    assert backoff.failed(1) == 1.0
    for subject in range(2, 6):
        backoff.failed(subject)
    assert not backoff.resting(1)
    for _ in range(20):
        longest = backoff.failed(9)
    assert longest == LONGEST_PAUSE_S
