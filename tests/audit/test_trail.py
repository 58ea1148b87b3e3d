"""What was recorded is on the disk before anybody is answered, whatever happens to the process or the disk."""

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pacsd.archive.record_copies import copy_records
from pacsd.audit import chain
from pacsd.audit.message import AuditMessage
from pacsd.audit.trail import Trail
from pacsd.blobs.append_log import AppendFolder
from pacsd.faults import Fault, PacsdError
from tests.audit.house import AT, access

ROOT = Path(__file__).resolve().parents[2]


def folder(tmp_path: Path) -> AppendFolder:
    return AppendFolder(tmp_path / "audit")


def users(where: AppendFolder) -> list[str]:
    """The agents of all events, in the order of files and lines; the chains are checked on the way."""
    found, heads = [], {}
    for name in where.names():
        writer, _ = chain.split_name(name) or ("", 0)
        for record in chain.records(where.read, name, heads.get(writer, chain.START)):
            heads[writer] = record.head
            found += [one["id"] for one in record.body().get("agents", ())]
    return found


def test_an_event_is_there_when_write_returns(tmp_path: Path) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20)
    trail.write(access(user="one"), access(user="two"))
    assert users(folder(tmp_path)) == ["one", "two"]
    trail.close()


def test_many_threads_share_flushes_and_none_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes = 0
    gate = threading.Event()
    flush = os.pwritev

    def counted(*arguments: Any) -> int:
        nonlocal flushes
        flushes += 1
        if flushes == 2:                         # the first event waits, until all others wait behind it
            gate.wait(5)
        return flush(*arguments)

    monkeypatch.setattr(os, "pwritev", counted)
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20)
    with ThreadPoolExecutor(40) as threads:
        begun = [threads.submit(trail.write, access(user=f"u{n}")) for n in range(40)]
        while sum(len(one.payloads) for one in tuple(trail._waiting)) < 39:
            assert not any(one.done() for one in begun)
        gate.set()
        for one in begun:
            one.result()
    assert sorted(users(folder(tmp_path))) == sorted(f"u{n}" for n in range(40))
    assert flushes == 3
    trail.close()


def test_processes_write_chains_of_their_own(tmp_path: Path) -> None:
    trails = [Trail(folder(tmp_path), segment_bytes=1 << 20) for _ in range(3)]
    for n in range(5):
        for number, trail in enumerate(trails):
            trail.write(access(user=f"{number}.{n}"))
    assert len(folder(tmp_path).names()) == 3
    assert len(users(folder(tmp_path))) == 15
    for trail in trails:
        trail.close()


def test_a_chain_goes_on_through_its_files(tmp_path: Path) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=600)
    for n in range(20):
        trail.write(access(user=str(n)))
    trail.close()
    assert len(folder(tmp_path).names()) > 3
    assert users(folder(tmp_path)) == [str(n) for n in range(20)]


def test_a_clock_that_goes_back_changes_no_order(tmp_path: Path) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20)
    for n in range(5):
        trail.write(access(user=str(n), at=AT - timedelta(hours=n)))
    trail.close()
    assert users(folder(tmp_path)) == ["0", "1", "2", "3", "4"]


def not_implemented(*_: object) -> int:
    """What Python says whose C library has no pwritev2(2)."""
    raise NotImplementedError


def unsupported(*_: object) -> int:
    """What a file system answers that does not flush with a write (pwritev2(2))."""
    raise OSError(errno.EOPNOTSUPP, "no RWF_DSYNC")


@pytest.mark.parametrize("failing", ["pwritev", "pwrite", "fdatasync"])
def test_a_disk_that_fails_refuses_and_what_comes_later_is_a_new_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20)
    trail.write(access(user="before"))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", unsupported)
        patch.setattr(os, failing, full)
        for _ in range(3):
            with pytest.raises(PacsdError) as refused:
                trail.write(access(user="refused"))
            assert refused.value.fault is Fault.UNAVAILABLE
    trail.write(access(user="after"))
    trail.close()
    assert users(folder(tmp_path)) == ["before", "after"]
    assert len(folder(tmp_path).names()) == 2            # refused ones left nothing behind


def test_no_room_above_the_reserve_refuses_and_leaves_the_chain_whole(tmp_path: Path) -> None:
    where = folder(tmp_path)
    trail = Trail(where, segment_bytes=1 << 20)
    trail.write(access(user="before"))
    space = trail._file._space                           # type: ignore[union-attr]
    space._reserve_bytes, space._look_again_at = 1 << 60, 0.0
    with pytest.raises(PacsdError):
        trail.write(access(user="refused"))
    space._reserve_bytes, space._look_again_at = 0, 0.0
    trail.write(access(user="after"))
    trail.close()
    assert users(where) == ["before", "after"] and len(where.names()) == 1


KILLED = """
import sys
from pathlib import Path
from pacsd.audit.message import AuditMessage
from pacsd.audit.trail import Trail
from pacsd.blobs.append_log import AppendFolder
from tests.audit.house import access
trail = Trail(AppendFolder(Path(sys.argv[1])), segment_bytes=4000)
for n in range(1_000_000):
    trail.write(access(user=str(n)))
    print(n, flush=True)
"""


def test_kill_in_the_middle_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    for round_number in range(3):
        command = [sys.executable, "-c", KILLED, str(tmp_path / f"audit{round_number}")]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            answered = [process.stdout.readline() for _ in range(20 + 37 * round_number)]
            process.send_signal(signal.SIGKILL)
            answered += process.stdout.readlines()
        last = int([line for line in answered if line.endswith("\n")][-1])
        assert users(AppendFolder(tmp_path / f"audit{round_number}"))[: last + 1] == [str(n) for n in range(last + 1)]


def test_the_same_again_is_counted_and_the_count_written(tmp_path: Path) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20, repeat_s=3600.0)
    made = 0

    def make() -> list[AuditMessage]:
        nonlocal made
        made += 1
        return [access()]

    for _ in range(50):
        if (recorded := trail.begin(make, key="k")) is not None:
            recorded.result(5)
    assert made == 1 and users(folder(tmp_path)) == ["li"]
    trail.close()
    last = list(chain.records(folder(tmp_path).read, folder(tmp_path).names()[0]))[-2].body()
    assert last["repeats"] == 49


def test_the_same_again_waits_for_the_first_and_fails_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20, repeat_s=3600.0)
    gate = threading.Event()
    flush = os.pwritev

    def failing(*_: object) -> int:
        gate.wait(5)
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "pwritev", failing)
    first, second = trail.begin(lambda: [access()], key="k"), trail.begin(lambda: [access()], key="k")
    assert first is not None and second is not None and not second.done()
    gate.set()
    for one in (first, second):
        with pytest.raises(PacsdError):
            one.result(5)
    monkeypatch.setattr(os, "pwritev", flush)
    third = trail.begin(lambda: [access()], key="k")
    assert third is not None and third.result(5) is None
    trail.close()


def zeros_behind(path: Path) -> int:
    """How much of a file is written ahead."""
    whole = path.read_bytes()
    return len(whole) - len(whole.rstrip(b"\0"))


def grown(tmp_path: Path) -> tuple[Trail, Path]:
    """A chain that is written ahead."""
    trail = Trail(folder(tmp_path), segment_bytes=1 << 24)
    trail.write(*(access(user=f"user {n}") for n in range(1000)))
    trail.write(access(user="one more"))
    (path,) = (tmp_path / "audit").iterdir()
    assert zeros_behind(path) > 0
    return trail, path


def test_what_is_written_ahead_is_no_record_and_goes_with_the_writer(tmp_path: Path) -> None:
    trail, path = grown(tmp_path)
    assert len(users(folder(tmp_path))) == 1001
    trail.close()
    assert zeros_behind(path) == 0 and path.read_bytes().endswith(b"\n") and len(users(folder(tmp_path))) == 1001


def test_a_reader_that_is_overtaken_by_the_writer_reads_on_the_next_time(tmp_path: Path) -> None:
    trail, _ = grown(tmp_path)
    where, reads = folder(tmp_path), 0

    def read(name: str, offset_bytes: int, length_bytes: int) -> bytes:
        """What is written between two reads."""
        nonlocal reads
        reads += 1
        data = where.read(name, offset_bytes, length_bytes)
        trail.write(*(access(user="later") for _ in range(1000)))
        return data

    (name,) = where.names()
    records = list(chain.records(read, name))
    assert reads == 1 and len(records) == 1002           # with the opening
    last = records[-1]
    assert len(list(chain.records(where.read, name, last.head, last.end_bytes))) == 1000
    trail.close()


def test_zeros_that_a_crash_left_are_not_copied_and_harm_nobody(tmp_path: Path) -> None:
    trail, path = grown(tmp_path)
    copies = AppendFolder(tmp_path / "copies")
    assert list(copy_records(folder(tmp_path), copies)) == []
    assert zeros_behind(tmp_path / "copies" / path.name) == 0 and len(users(copies)) == 1001
    trail.write(access(user="the last"))
    assert list(copy_records(folder(tmp_path), copies)) == [] and users(copies)[-1] == "the last"
    trail.close()
    assert list(copy_records(folder(tmp_path), copies)) == []
    assert (tmp_path / "copies" / path.name).read_bytes() == path.read_bytes()


def test_what_is_begun_for_later_is_written_together_by_who_settles_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20)
    trail.write(access(user="first"))
    flush, flushes = os.pwritev, []

    def counted(*arguments: Any) -> int:
        flushes.append(arguments[3])
        return flush(*arguments)

    monkeypatch.setattr(os, "pwritev", counted)
    begun = [trail.begin(lambda n=n: [access(user=str(n))], later=True) for n in range(5)]     # type: ignore[misc]
    assert flushes == [] and users(folder(tmp_path)) == ["first"]
    assert begun[3] is not None
    trail.settle(begun[3])
    assert all(one is not None and one.done() for one in begun) and flushes == [os.RWF_DSYNC]
    assert users(folder(tmp_path)) == ["first", "0", "1", "2", "3", "4"]
    trail.close()


def test_what_nobody_settles_is_written_soon_or_at_the_end(tmp_path: Path) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20)
    first = trail.begin(lambda: [access(user="soon")], later=True)
    trail.soon()
    assert first is not None and first.result(10) is None
    trail.begin(lambda: [access(user="end")], later=True)
    trail.close()
    assert users(folder(tmp_path)) == ["soon", "end"]


def test_who_need_not_wait_leaves_a_record_to_who_is_about_to_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20)
    trail.write(access(user="first"))
    flush, writing, gate = os.pwritev, threading.Event(), threading.Event()

    def slow(*arguments: Any) -> int:
        writing.set()
        gate.wait(5)
        return flush(*arguments)

    monkeypatch.setattr(os, "pwritev", slow)
    first, second = (trail.begin(lambda n=n: [access(user=n)], later=True) for n in "12")      # type: ignore[misc]
    assert first is second and first is not None
    with ThreadPoolExecutor(3) as threads:
        leader = threads.submit(trail.settle, first, wait=False)
        assert writing.wait(5)
        assert not trail.settle(first, wait=False) and not first.done()
        next_one = trail.begin(lambda: [access(user="3")], later=True)         # nobody writes that yet
        assert next_one is not None and next_one is not first
        behind = threads.submit(trail.settle, next_one, wait=False)
        while not next_one.is_somebodys:                                       # type: ignore[attr-defined]
            pass
        last = threads.submit(trail.settle, next_one)                          # one that waits for it all the same
        assert not trail.settle(next_one, wait=False)
        gate.set()
        assert leader.result(5) and behind.result(5) and last.result(5) and first.done() and next_one.done()
    assert users(folder(tmp_path)) == ["first", "1", "2", "3"]
    trail.close()


@pytest.mark.parametrize("lacks", ["the file system", "the C library", "this Python"])
def test_where_nothing_flushes_with_a_write_it_is_flushed_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    flush, flushes = os.fdatasync, list[int]()
    if lacks == "this Python":
        monkeypatch.delattr(os, "RWF_DSYNC")
    else:
        monkeypatch.setattr(os, "pwritev", unsupported if lacks == "the file system" else not_implemented)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: flushes.append(descriptor) or flush(descriptor))
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20)
    trail.write(access(user="one"))
    assert len(flushes) == 2 and users(folder(tmp_path)) == ["one"]            # with the opening
    trail.close()


def test_a_write_that_the_kernel_cuts_short_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda fd, parts, at, how: flush(fd, [parts[0][:100]], at, how))
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20)
    trail.write(access(user="one"), access(user="two"))
    assert users(folder(tmp_path)) == ["one", "two"]
    trail.close()


def test_a_record_that_fails_is_settled_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=1 << 20)

    def failing(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", failing)
        begun = trail.begin(lambda: [access()], later=True)
        assert begun is not None
        trail.settle(begun)
    assert isinstance(begun.exception(0), PacsdError)
    trail.settle(begun)
    trail.close()


@pytest.mark.parametrize("failing", ["fsync", "pwritev"])
def test_a_file_that_could_not_be_begun_stands_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=300)
    trail.write(access(user="before"))

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, broken)
        with pytest.raises(PacsdError):
            trail.write(access(user="refused"))
    trail.write(access(user="after"))
    trail.close()
    assert users(folder(tmp_path)) == ["before", "after"]


def test_an_empty_file_of_the_next_name_is_used_and_another_is_left_alone(tmp_path: Path) -> None:
    trail = Trail(folder(tmp_path), segment_bytes=300)
    trail.write(access(user="before"))
    writer = trail._writer
    (tmp_path / "audit" / chain.file_name(writer, 2)).touch()
    trail.write(access(user="second"))
    strange = tmp_path / "audit" / chain.file_name(writer, 3)
    strange.write_text("?")
    trail.write(access(user="third"))
    trail.close()
    assert strange.read_text() == "?"
    strange.unlink()
    assert users(folder(tmp_path)) == ["before", "second", "third"] and trail._writer != writer
