"""Segments of the spool."""

import errno
import fcntl
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.blobs import BlobInfo, LocalBlobs, Spool, SpoolWriter
from pacsd.blobs.segments import HEAD_BYTES, RECORD_ALIGNMENT, SUFFIX, split_key
from pacsd.faults import Fault, PacsdError

SEGMENT_BYTES = 1 << 20

RECEIVE_AND_DIE = """
import os, sys
from pathlib import Path
from pacsd.blobs import Spool
spool = Spool(Path(sys.argv[1]), reserve_bytes=0, segment_bytes=1 << 20)
for content in (b"first", b"second"):
    writer = spool.create("west")
    writer.write(content)
    print(writer.commit().key)
writer = spool.create("west")
writer.write(b"meta")
writer.write(b"never finished" * 10_000)
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """A spool of small segments."""
    made = Spool(tmp_path, reserve_bytes=0, segment_bytes=SEGMENT_BYTES)
    yield made
    made.close()


def blobs(root: Path) -> LocalBlobs:
    """Another process's view."""
    return LocalBlobs(root, reserve_bytes=0)


def listed(root: Path) -> list[BlobInfo]:
    """What stands in the spool."""
    return list(blobs(root).list("spool/"))


def received(spool: Spool, *pieces: bytes, organisation: str = "west") -> str:
    """The key of an object of these pieces."""
    writer = spool.create(organisation)
    for piece in pieces:
        writer.write(piece)
    return writer.commit().key


def segments(root: Path) -> list[Path]:
    """Segment files under their names."""
    return sorted((root / "spool").glob(f"*/*{SUFFIX}"))


def test_objects_share_a_segment_and_are_read_back(spool: Spool, tmp_path: Path) -> None:
    contents = [b"a" * size for size in (1, 4096 - HEAD_BYTES, 4096, 100_000)]
    keys = [received(spool, content[:7], content[7:]) for content in contents]
    assert len(segments(tmp_path)) == 1
    store = blobs(tmp_path)
    assert [store.read(key) for key in keys] == contents
    assert [(info.key, info.size_bytes) for info in listed(tmp_path)] == [
        (key, len(content)) for key, content in zip(keys, contents, strict=True)
    ]
    assert [split_key(key)[1] % RECORD_ALIGNMENT for key in keys if split_key(key)] == [0] * 4     # type: ignore[index]


def test_ranges_end_with_their_object(spool: Spool, tmp_path: Path) -> None:
    key = received(spool, b"meta", b"0123456789")
    received(spool, b"the neighbour")
    store = blobs(tmp_path)
    assert store.read(key, offset_bytes=10, length_bytes=99) == b"6789"
    assert store.read(key, offset_bytes=14) == store.read(key, offset_bytes=99) == b""
    assert store.size(key) == 14
    with store.open(key) as reader:
        descriptor = reader.fileno()
        assert descriptor is not None
        assert os.pread(descriptor, 4, reader.base_bytes) == b"meta"


@pytest.mark.parametrize("more", [b"", b"x" * 100_000])
def test_what_was_written_first_can_be_patched_and_later_bytes_too(spool: Spool, tmp_path: Path, more: bytes) -> None:
    writer = spool.create("west")
    writer.write(b"....meta")
    writer.write(b"....data" + more)
    writer.patch(0, b"seal")
    writer.patch(8, b"SEAL")
    assert blobs(tmp_path).read(writer.commit().key) == b"sealmetaSEALdata" + more


@pytest.mark.parametrize(("size_bytes", "writes"), [(2_600, 1), (20_000, 1), (100_000, 2)])
def test_a_small_object_is_one_write_of_whole_blocks(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int, writes: int
) -> None:
    lengths, pwrite = [], os.pwrite

    def note(descriptor: int, data: bytes, at: int) -> int:
        lengths.append(len(data))
        return pwrite(descriptor, data, at)

    writer = spool.create("west")
    monkeypatch.setattr(os, "pwrite", note)
    writer.write(b"meta")
    writer.write(b"x" * size_bytes)
    key = writer.commit().key
    assert len(lengths) == writes
    assert writes > 1 or lengths[0] % RECORD_ALIGNMENT == 0
    assert blobs(tmp_path).read(key) == b"meta" + b"x" * size_bytes


def test_small_pieces_that_become_a_large_object_are_read_back(spool: Spool, tmp_path: Path) -> None:
    content = random.Random(6).randbytes(90_000)
    key = received(spool, *(content[at : at + 7_000] for at in range(0, len(content), 7_000)), b"")
    assert blobs(tmp_path).read(key) == content


def test_nothing_of_an_object_is_seen_before_commit_or_after_abort(spool: Spool, tmp_path: Path) -> None:
    writer = spool.create("west")
    writer.write(b"meta")
    writer.write(b"x" * 200_000)
    assert listed(tmp_path) == []
    with pytest.raises(PacsdError) as caught:
        blobs(tmp_path).read(writer.key)
    assert caught.value.fault is Fault.NOT_FOUND
    writer.abort()
    writer.abort()
    key = received(spool, b"next")
    assert [info.key for info in listed(tmp_path)] == [key] == [writer.key]      # the place was free


def test_an_object_larger_than_its_segment_has_a_file_of_its_own(spool: Spool, tmp_path: Path) -> None:
    content = random.Random(5).randbytes(3 * SEGMENT_BYTES)
    writer = spool.create("west")
    for at in range(0, len(content), 100_000):
        writer.write(content[at : at + 100_000])
    writer.patch(0, b"patched!")
    key = writer.commit().key
    assert split_key(key) is None
    assert blobs(tmp_path).read(key) == b"patched!" + content[8:]
    assert [info.key for info in listed(tmp_path)] == [key]


def test_a_segment_is_left_when_an_object_like_the_last_may_not_fit(spool: Spool, tmp_path: Path) -> None:
    keys = [received(spool, b"x" * 300_000) for _ in range(4)]
    assert len({key.rpartition("/")[0] for key in keys}) == 2 == len(segments(tmp_path))
    assert all(split_key(key) for key in keys)


def test_writers_at_one_time_have_a_segment_each_and_organisations_their_own(spool: Spool, tmp_path: Path) -> None:
    writers = [spool.create("west"), spool.create("west"), spool.create("east")]
    for number, writer in enumerate(writers):
        writer.write(b"meta%d" % number)
    keys = [writer.commit().key for writer in writers]
    assert len({key.rpartition("/")[0] for key in keys}) == 3
    received(spool, b"later")
    assert len(segments(tmp_path)) == 3
    assert sorted(path.parent.name for path in segments(tmp_path)) == ["east", "west", "west"]


def test_threads_share_a_spool(spool: Spool, tmp_path: Path) -> None:
    kept: dict[str, bytes] = {}

    def receive(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            content = chance.randbytes(chance.choice((10, 5_000, 70_000)))
            kept[received(spool, content[:5], content[5:])] = content

    threads = [threading.Thread(target=receive, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    store = blobs(tmp_path)
    assert len(kept) == 160 == len(listed(tmp_path))
    assert all(store.read(key) == content for key, content in kept.items())


def test_deleted_objects_are_gone_and_their_neighbours_stay(spool: Spool, tmp_path: Path) -> None:
    first, second, third = (received(spool, name) for name in (b"1", b"2", b"3"))
    store = blobs(tmp_path)
    with store.open(second) as reader:
        store.delete([second, second, first.replace("0000000000", "0000999424")])
        assert reader.pread(9, 0) == b"2"
    assert [info.key for info in listed(tmp_path)] == [first, third]
    for asked in (store.open, store.size, store.read):
        with pytest.raises(PacsdError) as caught:
            asked(second)
        assert caught.value.fault is Fault.NOT_FOUND
    store.delete([second])
    assert store.read(third) == b"3"


def test_a_spent_segment_is_used_again_and_shows_nothing_of_before(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve_bytes=0, segment_bytes=SEGMENT_BYTES, ready_bytes=4 * SEGMENT_BYTES)
    keys = [received(spool, b"old %d" % number) for number in range(5)]
    store = blobs(tmp_path)
    store.delete(keys[1:])
    spool.close()
    again = Spool(tmp_path, reserve_bytes=0, segment_bytes=SEGMENT_BYTES, ready_bytes=4 * SEGMENT_BYTES)
    assert again.reuse_segments() == 0                           # one object is alive
    store.delete(keys[:1])
    inode = segments(tmp_path)[0].stat().st_ino
    assert again.reuse_segments() == 1
    assert segments(tmp_path) == [] and listed(tmp_path) == []
    new = received(again, b"new")
    assert segments(tmp_path)[0].stat().st_ino == inode
    assert [info.key for info in listed(tmp_path)] == [new]
    for key in keys:
        with pytest.raises(PacsdError) as caught:
            store.open(key)
        assert caught.value.fault is Fault.NOT_FOUND
    again.close()


def test_a_segment_is_not_used_again_while_somebody_reads_or_writes(spool: Spool, tmp_path: Path) -> None:
    key = received(spool, b"read slowly")
    store = blobs(tmp_path)
    other = Spool(tmp_path, reserve_bytes=0, segment_bytes=SEGMENT_BYTES)
    reader = store.open(key)
    store.delete([key])
    assert other.reuse_segments() == 0                           # its writer has it open, and the reader
    spool.close()
    assert other.reuse_segments() == 0
    assert reader.pread(99, 0) == b"read slowly"
    reader.close()
    assert other.reuse_segments() == 1
    assert segments(tmp_path) == []                              # nobody wants it ready
    other.close()


def test_a_failed_sync_leaves_no_object_and_its_segment_behind(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = received(spool, b"kept")

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    writer = spool.create("west")
    writer.write(b"lost")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(PacsdError) as caught:
            writer.commit()
    assert caught.value.fault is Fault.UNAVAILABLE
    writer.abort()
    later = received(spool, b"later")
    assert later.rpartition("/")[0] != kept.rpartition("/")[0]
    assert [info.key for info in listed(tmp_path)] == [kept, later]


def test_a_killed_writer_leaves_whole_objects_only(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", RECEIVE_AND_DIE, str(tmp_path)], capture_output=True, text=True)
    assert died.returncode == -9
    store = blobs(tmp_path)
    assert [info.key for info in listed(tmp_path)] == died.stdout.split()
    assert [store.read(key) for key in died.stdout.split()] == [b"first", b"second"]
    spool = Spool(tmp_path, reserve_bytes=0, segment_bytes=SEGMENT_BYTES)
    key = received(spool, b"third")
    assert key.rpartition("/")[0] != died.stdout.split()[0].rpartition("/")[0]
    assert len(listed(tmp_path)) == 3
    spool.close()


def test_segments_are_written_ahead_while_nobody_receives(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve_bytes=0, segment_bytes=SEGMENT_BYTES, ready_bytes=3 * SEGMENT_BYTES)
    refill = spool._segments._refill                             # type: ignore[union-attr]
    refill()
    ready = {path.stat().st_ino: path.stat().st_blocks * 512 for path in (tmp_path / ".ready").glob(f"*{SUFFIX}")}
    assert len(ready) == 3 and all(written >= SEGMENT_BYTES for written in ready.values())
    key = received(spool, b"x")
    assert segments(tmp_path)[0].stat().st_ino in ready
    assert [info.key for info in listed(tmp_path)] == [key]
    spool.close()


def test_two_processes_do_not_write_the_same_segment_ahead(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve_bytes=0, segment_bytes=SEGMENT_BYTES, ready_bytes=SEGMENT_BYTES)
    making = os.open(tmp_path / ".ready" / "making", os.O_RDWR | os.O_CREAT)
    fcntl.flock(making, fcntl.LOCK_EX)                           # another process is at it
    spool._segments._write_ahead()                               # type: ignore[union-attr]
    assert list((tmp_path / ".ready").glob(f"*{SUFFIX}")) == []
    os.close(making)
    spool._segments._write_ahead()                               # type: ignore[union-attr]
    assert len(list((tmp_path / ".ready").glob(f"*{SUFFIX}"))) == 1
    spool.close()


def test_a_reserve_of_free_space_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve_bytes=1 << 60, segment_bytes=SEGMENT_BYTES)
    with pytest.raises(PacsdError) as caught:
        spool.create("west")
    assert caught.value.fault is Fault.FULL
    assert segments(tmp_path) == []
    spool.close()


def test_a_copy_made_by_keys_reads_like_the_spool(spool: Spool, tmp_path: Path) -> None:
    keys = [received(spool, b"one"), received(spool, b"two")]
    copy = LocalBlobs(tmp_path / "copy", reserve_bytes=0)        # as backup and restore make it
    for key in keys:
        copy.put(key, blobs(tmp_path).read(key))
    assert [info.key for info in copy.list("spool/")] == keys
    assert [copy.read(key) for key in keys] == [b"one", b"two"]
    copy.delete(keys[:1])
    assert [info.key for info in copy.list("spool/")] == keys[1:]


@settings(max_examples=60, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_segment_is_read_without_a_crash(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]]
) -> None:
    root = tmp_path_factory.mktemp("damaged")
    spool = Spool(root, reserve_bytes=0, segment_bytes=1 << 16)
    keys = [received(spool, b"meta", b"x" * size) for size in (10, 9_000, 20)]
    spool.close()
    with segments(root)[0].open("r+b") as file:
        for at, value in damage:
            file.seek(at)
            file.write(bytes((value,)))
    store = blobs(root)
    seen = [info.key for info in listed(root)]
    assert set(seen) <= set(keys)
    for key in seen:
        assert len(store.read(key)) == store.size(key)


def writer_of(spool: Spool) -> SpoolWriter:
    """A writer with something in it."""
    writer = spool.create("west")
    writer.write(b"meta")
    return writer


def test_a_writer_outlives_the_closing_of_the_spool(spool: Spool, tmp_path: Path) -> None:
    writer = writer_of(spool)
    descriptors = len(os.listdir("/proc/self/fd"))
    spool.close()
    key = writer.commit().key
    assert blobs(tmp_path).read(key) == b"meta"
    assert len(os.listdir("/proc/self/fd")) < descriptors


def test_more_senders_than_segments_may_be_open_get_files(spool: Spool, tmp_path: Path) -> None:
    writers = [writer_of(spool) for _ in range(40)]
    keys = [writer.commit().key for writer in writers]
    assert sum(split_key(key) is not None for key in keys) == 32 == len(segments(tmp_path))
    assert sorted(info.key for info in listed(tmp_path) if info.size_bytes) == sorted(keys)


def test_an_object_finds_room_where_a_segment_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    spool = Spool(tmp_path, reserve_bytes=0, segment_bytes=SEGMENT_BYTES)
    key = received(spool, b"small")
    assert split_key(key) is None and blobs(tmp_path).read(key) == b"small"
    spool.close()


def test_what_a_killed_process_was_making_is_removed(spool: Spool, tmp_path: Path) -> None:
    old, new = (tmp_path / ".ready" / name for name in ("old.new", "young.new"))
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (1.0, 1.0))
    spool.reuse_segments()
    assert not old.exists() and new.exists()
