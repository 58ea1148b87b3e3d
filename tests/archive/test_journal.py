"""The journal of facts that are in no object's bytes."""

import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pacsd.archive.journal import FactKind, Journal
from pacsd.blobs import LocalBlobs
from pacsd.blobs.port import BlobInfo
from pacsd.blobs.record_log import RecordLog
from pacsd.blobs.segments import HEAD_BYTES
from pacsd.blobs.ulid import Ulids
from pacsd.faults import Fault, PacsdError


def test_facts_come_back_in_the_order_they_were_said(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    journal = Journal(blobs)
    said = [journal.append({"fact": "reject", "organisation": "west", "number": number}) for number in range(20)]
    assert list(Journal(blobs).replay()) == said
    assert said[0].kind is FactKind.REJECT
    assert said[0].key.startswith(f"journal/{said[0].at:%Y/%m/%d}/")


def test_replay_since_spans_days(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    start = datetime.now(UTC) - timedelta(days=3)
    for day in range(4):
        clock = (start + timedelta(days=day)).timestamp()
        Journal(blobs, ulids=Ulids(clock=lambda clock=clock: clock)).append({"fact": "restore", "day": day})
    since = start + timedelta(days=1)
    assert [fact.body["day"] for fact in Journal(blobs).replay(since=since - timedelta(seconds=1))] == [1, 2, 3]
    assert [fact.body["day"] for fact in Journal(blobs).replay(since=since + timedelta(seconds=1))] == [2, 3]
    assert [fact.body["day"] for fact in Journal(blobs).replay()] == [0, 1, 2, 3]


def test_a_clock_that_goes_back_does_not_reorder(tmp_path: Path) -> None:
    times = iter([2e9, 1e9, 1.5e9])
    journal = Journal(LocalBlobs(tmp_path, reserve_bytes=0), ulids=Ulids(clock=lambda: next(times)))
    said = [journal.append({"fact": "purge", "n": n}) for n in range(3)]
    assert [fact.body["n"] for fact in journal.replay()] == [0, 1, 2]
    assert said[0].at == said[2].at


def test_what_several_threads_say_at_a_time_stands_in_few_blobs_and_comes_back_whole(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    journal, at = Journal(blobs), datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    slow, put = threading.Event(), blobs.put

    def put_slowly(key: str, data: bytes) -> BlobInfo:
        slow.wait(10)
        return put(key, data)

    blobs.put = put_slowly  # type: ignore[method-assign]

    def say(n: int) -> None:
        journal.append_all([({"fact": "restore", "n": n, "m": m}, at) for m in range(2)])

    threads = [threading.Thread(target=say, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    while len(journal._waiting) < 7:
        time.sleep(0.01)
    slow.set()
    for thread in threads:
        thread.join()
    facts = list(Journal(blobs).replay())
    assert len({fact.key for fact in facts}) == 2 and {fact.at for fact in facts} == {at}
    found = [(fact.body["n"], fact.body["m"]) for fact in facts]
    assert sorted(found) == [(n, m) for n in range(8) for m in range(2)]
    assert found[::2] == [(n, 0) for n, _ in found[::2]], "what is said together stands together"


def test_who_cannot_be_heard_is_told_so_and_the_next_is(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=1 << 62)
    with pytest.raises(PacsdError) as caught:
        Journal(blobs).append_all([({"fact": "purge"}, datetime.now(UTC))])
    assert caught.value.fault is Fault.FULL
    journal = Journal(LocalBlobs(tmp_path, reserve_bytes=0))
    journal.append_all([({"fact": "purge"}, datetime.now(UTC))])
    assert len(list(journal.replay())) == 1


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'{"version":1}', b'{"version":1,"fact":"new","at":"2026-01-01"}', b'{"version":2}',
     b'{"version":2,"facts":[{"fact":"purge"}]}'],
)  # fmt: skip
def test_a_fact_that_cannot_be_read_stops_the_replay(text: bytes, tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    blobs.put("journal/2026/01/01/00000000000000000000000000.json", text)
    with pytest.raises(PacsdError) as caught:
        list(Journal(blobs).replay())
    assert caught.value.fault is Fault.UNAVAILABLE


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A clock that goes on by a second each time somebody looks."""
    began, looks = time.time(), itertools.count()

    def clock() -> float:
        return began + next(looks)

    monkeypatch.setattr(time, "time", clock)
    return clock


def busy(root: Path, seconds: Callable[[], float] = time.time) -> Journal:
    """A journal of a process of its own, which says much."""
    blobs = LocalBlobs(root, reserve_bytes=0)
    records = RecordLog(blobs.root, reserve_bytes=0, clock=lambda: 0.0)
    return Journal(blobs, records=records, ulids=Ulids(clock=seconds))


def say(journal: Journal, *numbers: int) -> None:
    for n in numbers:
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n)
        journal.append_all([({"fact": "restore", "n": n}, at)])


def numbers(journal: Journal) -> list[object]:
    return [fact.body["n"] for fact in journal.replay()]


def test_facts_of_several_processes_come_back_in_the_order_they_were_said(
    tmp_path: Path, seconds: Callable[[], float]
) -> None:
    one, other, third = (busy(tmp_path, seconds) for _ in range(3))
    say(one, 0, 1, 2)
    say(other, 3, 4)
    say(one, 5)
    say(third, 6)
    say(other, 7, 8)
    say(one, 9, 10)
    say(third, 11, 12)
    say(one, 13)
    assert numbers(one) == list(range(14))
    assert len(list(tmp_path.rglob("*.log"))) == 3 and len(list(tmp_path.rglob("*.json"))) == 3


def test_half_a_record_is_passed_over_at_the_end_of_a_segment_and_nowhere_else(tmp_path: Path) -> None:
    journal = busy(tmp_path)
    say(journal, 0, 1, 2, 3)
    (segment,) = tmp_path.rglob("*.log")
    last = [fact.key for fact in journal.replay()][-1]
    with segment.open("r+b") as file:
        file.seek(int(Path(last).stem) + HEAD_BYTES + 10)
        file.write(bytes(100))
    assert numbers(journal) == [0, 1, 2]
    say(journal, 4)
    with pytest.raises(PacsdError):
        numbers(journal)


def test_a_copy_of_a_journal_is_read_as_the_journal_is(tmp_path: Path) -> None:
    journal, copy = busy(tmp_path / "one"), LocalBlobs(tmp_path / "other", reserve_bytes=0)
    say(journal, *range(5))
    source = LocalBlobs(tmp_path / "one", reserve_bytes=0)
    for info in source.list("journal/"):
        copy.put(info.key, source.read(info.key))
    assert numbers(Journal(copy)) == list(range(5))


def test_a_copy_tells_the_order_of_several_processes_too(tmp_path: Path, seconds: Callable[[], float]) -> None:
    one, other = (busy(tmp_path / "one", seconds) for _ in range(2))
    say(one, 0, 1, 2)
    say(other, 3, 4)
    say(one, 5)
    say(other, 6)
    say(busy(tmp_path / "one", seconds), 7)              # in a file of its own
    say(one, 8)
    source, copy = LocalBlobs(tmp_path / "one", reserve_bytes=0), LocalBlobs(tmp_path / "other", reserve_bytes=0)
    for info in source.list("journal/"):
        copy.put(info.key, source.read(info.key))
    assert numbers(Journal(source)) == numbers(Journal(copy)) == list(range(9))


def test_what_processes_say_in_the_same_millisecond_comes_back_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (busy(tmp_path, lambda: 2e9) for _ in range(2))
    looks = itertools.count()
    monkeypatch.setattr(time, "time", lambda: 2e9 + next(looks) * 1e-5)
    for n in range(8):                                   # the first two in files of their own
        say(other if n % 2 else one, n)
    assert numbers(one) == list(range(8))
    assert len(list(tmp_path.rglob("*.log"))) == len(list(tmp_path.rglob("*.json"))) == 2


def test_a_journal_that_is_closed_keeps_no_room_that_it_does_not_need(tmp_path: Path) -> None:
    journal = busy(tmp_path)
    say(journal, 0, 1, 2)
    (segment,) = tmp_path.rglob("*.log")
    before = segment.stat().st_size
    journal.close()
    assert segment.stat().st_size < before and numbers(journal) == [0, 1, 2]


def test_a_record_that_another_process_was_writing_is_read_when_it_is_whole(tmp_path: Path) -> None:
    say(busy(tmp_path), *range(5))
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    read, writing = blobs.read, [info.key for info in blobs.list("journal/")][-3:]

    def half(key: str, *, offset_bytes: int = 0, length_bytes: int | None = None) -> bytes:
        whole = read(key, offset_bytes=offset_bytes, length_bytes=length_bytes)
        if key not in writing:
            return whole
        writing.remove(key)
        return whole[:20] + bytes(len(whole) - 20)

    blobs.read = half  # type: ignore[method-assign]
    assert numbers(Journal(blobs)) == [0, 1, 2, 3] and numbers(Journal(blobs)) == [0, 1, 2, 3, 4]
