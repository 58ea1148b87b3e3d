"""The rule of what is only counted."""

from concurrent.futures import Future

from pacsd.audit.repeats import Repeats
from tests.audit.house import AT, access


def recorded() -> "Future[None]":
    done: Future[None] = Future()
    done.set_result(None)
    return done


def test_a_window_ends_and_tells_how_often() -> None:
    now = [0.0]
    repeats = Repeats(10.0, clock=lambda: now[0])
    assert repeats.repeated("k") is None
    assert repeats.began("k", access(), recorded()) == []
    assert repeats.repeated("k") is not None and repeats.repeated("k") is not None
    now[0] = 10.0
    assert repeats.repeated("k") is None
    (count,) = repeats.began("k", access(), recorded())
    assert count.repeats == 2
    assert repeats.ended(AT) == []
    now[0] = 30.0
    assert repeats.ended(AT) == []                       # it came once: its own record tells


def test_memory_is_bounded_and_no_count_is_lost() -> None:
    repeats = Repeats(10.0, most=100, clock=lambda: 0.0)
    counts = 0
    for n in range(5_000):
        counts += sum(one.repeats for one in repeats.began(n, access(), recorded()))
        assert repeats.repeated(n) is not None
    counts += sum(one.repeats for one in repeats.ended(AT, every=True))
    assert counts == 5_000 and len(repeats._firsts) <= 100


def test_without_a_window_everything_is_a_first() -> None:
    repeats = Repeats(0.0)
    repeats.began("k", access(), recorded())
    assert repeats.repeated("k") is None
