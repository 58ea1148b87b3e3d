"""Records of a journal in segments: one flush each, read by key as any blob, whole or not at all after a crash."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pacsd.blobs import LocalBlobs
from pacsd.blobs.record_log import BUSY_S, RecordLog
from pacsd.faults import Fault, PacsdError

SEGMENT_BYTES = 64 << 10
SAY_AND_DIE = """
import os, sys
from pacsd.blobs.record_log import RecordLog
log = RecordLog(sys.argv[1], reserve_bytes=0, clock=lambda: 0.0)
log.put("journal/a", b"")
for n in range(3):
    print(log.put("journal/a", b"record %d" % n).key)
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


class Ticks:
    """A clock that stands still."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def log_of(root: Path, ticks: Ticks | None = None) -> RecordLog:
    """One that is busy already."""
    made = RecordLog(str(root), reserve_bytes=0, segment_bytes=SEGMENT_BYTES, clock=ticks or Ticks())
    assert made.put("journal/a", b"the first") is None
    return made


def blobs(root: Path) -> LocalBlobs:
    return LocalBlobs(root, reserve_bytes=0)


def keys(root: Path) -> list[str]:
    return [info.key for info in blobs(root).list("journal/")]


def test_records_are_blobs_in_the_order_they_came(tmp_path: Path) -> None:
    store, log = blobs(tmp_path), log_of(tmp_path)
    put = [log.put("journal/a", b"%d" % n * n) for n in range(1, 40)]
    assert all(put) and keys(tmp_path) == [info.key for info in put if info]
    assert [store.read(info.key) for info in put if info] == [b"%d" % n * n for n in range(1, 40)]
    assert len({info.key.rpartition("/")[0] for info in put if info}) > 1, "a full segment is followed by another"


def test_who_says_little_gets_no_segment(tmp_path: Path) -> None:
    ticks = Ticks()
    log = log_of(tmp_path, ticks)
    for _ in range(3):
        ticks.now += 2 * BUSY_S
        assert log.put("journal/a", b"rare") is None
    assert list(tmp_path.rglob("*.log")) == []
    assert log.put("journal/a", b"often") is not None


def test_what_is_large_is_a_file_of_its_own(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    assert log.put("journal/a", bytes(SEGMENT_BYTES)) is None
    assert log.put("journal/a", b"small") is not None


def test_each_folder_has_its_own_segment_and_one_that_is_left_holds_no_more_than_its_records(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    one, other = log.put("journal/a", b"today"), log.put("journal/b", b"tomorrow")
    log.close()
    assert one and other and keys(tmp_path) == [one.key, other.key]
    assert [path.stat().st_size for path in sorted(tmp_path.rglob("*.log"))] == [4096, 4096]


def test_a_record_costs_one_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, flushes, flush = log_of(tmp_path), list[int](), os.fdatasync
    log.put("journal/a", b"makes the segment")

    def counted(descriptor: int) -> None:
        flushes.append(descriptor)
        flush(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("nothing but its bytes"))
    assert log.put("journal/a", b"one") is not None and len(flushes) == 1


def test_a_killed_process_leaves_whole_records(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SAY_AND_DIE, str(tmp_path)], capture_output=True, check=False)
    said = done.stdout.decode().split()
    assert len(said) == 3 and keys(tmp_path) == said
    assert [blobs(tmp_path).read(key) for key in said] == [b"record %d" % n for n in range(3)]


def test_a_record_that_could_not_be_flushed_is_not_there_and_the_next_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_of(tmp_path)
    before = log.put("journal/a", b"before")

    def fails(_descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fails)
        with pytest.raises(PacsdError) as caught:
            log.put("journal/a", b"lost")
    assert caught.value.fault is Fault.UNAVAILABLE
    after = log.put("journal/a", b"after")
    assert before and after and keys(tmp_path) == [before.key, after.key]


def test_no_room_is_told(tmp_path: Path) -> None:
    blobs(tmp_path)
    log = RecordLog(str(tmp_path), reserve_bytes=1 << 62, clock=Ticks())
    log.put("journal/a", b"")
    with pytest.raises(PacsdError) as caught:
        log.put("journal/a", b"one")
    assert caught.value.fault is Fault.FULL and keys(tmp_path) == []


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    log, said = log_of(tmp_path), set[str]()

    def say(thread: int) -> None:
        for n in range(25):
            kept = log.put("journal/a", b"%d %d" % (thread, n))
            said.add(kept.key if kept else "")

    threads = [threading.Thread(target=say, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 100 and set(keys(tmp_path)) == said
    assert {blobs(tmp_path).read(key) for key in said} == {b"%d %d" % (t, n) for t in range(4) for n in range(25)}


def test_a_record_that_the_kernel_takes_in_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, pwrite = log_of(tmp_path), os.pwrite
    log.put("journal/a", b"makes the segment")
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, at: pwrite(descriptor, bytes(data)[:100], at))
    put = log.put("journal/a", b"words " * 100)
    assert put is not None and blobs(tmp_path).read(put.key) == b"words " * 100
