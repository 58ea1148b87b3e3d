"""What every BlobStore must do. A back end's test module calls `contract(make_store)` and runs what it returns."""

import threading
import tracemalloc
from collections.abc import Callable

import pytest

from pacsd.blobs.port import BlobStore
from pacsd.faults import Fault, PacsdError

MakeStore = Callable[[], BlobStore]      # a further handle on the same, initially empty, store
BAD_KEYS = ("", "/a", "a/", "a//b", "../a", "a/../b", "a/.", ".hidden", "a/.b", "a\0b", "a b", "a\\b", "张", "a" * 600)


def put_is_read_back_whole_and_by_range(make_store: MakeStore) -> None:
    store = make_store()
    info = store.put("a/b.bin", b"0123456789")
    assert (info.key, info.size_bytes) == ("a/b.bin", 10)
    assert store.read("a/b.bin") == b"0123456789"
    assert store.read("a/b.bin", offset_bytes=3, length_bytes=4) == b"3456"
    assert store.read("a/b.bin", offset_bytes=8, length_bytes=99) == b"89"
    assert store.read("a/b.bin", offset_bytes=10) == b""
    assert store.size("a/b.bin") == 10


def an_empty_blob_is_a_blob(make_store: MakeStore) -> None:
    store = make_store()
    store.put("empty", b"")
    assert store.read("empty") == b"" and store.size("empty") == 0


def parts_are_joined_in_order(make_store: MakeStore) -> None:
    store = make_store()
    writer = store.create("parts")
    writer.write(b"ab")
    writer.write(bytearray(b"cd"))
    writer.write(memoryview(b"xefx")[1:3])
    assert writer.commit().size_bytes == 6
    assert make_store().read("parts") == b"abcdef"


def nothing_is_visible_before_commit(make_store: MakeStore) -> None:
    writer = make_store().create("late/blob")
    writer.write(b"x" * 100_000)
    other = make_store()
    assert list(other.list("")) == []
    with pytest.raises(PacsdError) as caught:
        other.read("late/blob")
    assert caught.value.fault is Fault.NOT_FOUND
    writer.commit()
    assert [info.key for info in other.list("")] == ["late/blob"]


def abort_leaves_nothing(make_store: MakeStore) -> None:
    store = make_store()
    writer = store.create("gone")
    writer.write(b"x")
    writer.abort()
    writer.abort()
    assert list(store.list("")) == []


def abort_after_commit_changes_nothing(make_store: MakeStore) -> None:
    store = make_store()
    writer = store.create("kept")
    writer.write(b"x")
    writer.commit()
    writer.abort()
    assert store.read("kept") == b"x"


def a_key_is_written_once(make_store: MakeStore) -> None:
    store = make_store()
    store.put("one", b"first")
    with pytest.raises(PacsdError) as caught:
        store.put("one", b"second")
    assert caught.value.fault is Fault.CONFLICT
    assert store.read("one") == b"first"


def of_concurrent_writers_one_wins(make_store: MakeStore) -> None:
    store = make_store()
    gate, outcomes = threading.Barrier(4), []

    def write(value: bytes) -> None:
        writer = make_store().create("race/key")
        writer.write(value * 50_000)
        gate.wait(10)
        try:
            writer.commit()
        except PacsdError as error:
            outcomes.append(b"" if error.fault is Fault.CONFLICT else b"another fault")
        else:
            outcomes.append(value)

    threads = [threading.Thread(target=write, args=(value,)) for value in (b"1", b"2", b"3", b"4")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    winners = [value for value in outcomes if value]
    assert len(outcomes) == 4 and len(winners) == 1
    assert store.read("race/key") == winners[0] * 50_000


def keys_are_listed_in_order_by_prefix(make_store: MakeStore) -> None:
    store = make_store()
    keys = ["a-b/1", "a.b", "a/1", "a/10", "a/2/x", "a0", "b/1"]
    for key in reversed(keys):
        store.put(key, b"12")
    assert [info.key for info in store.list("")] == keys
    assert [info.key for info in store.list("a/")] == ["a/1", "a/10", "a/2/x"]
    assert [info.key for info in store.list("a/1")] == ["a/1", "a/10"]
    assert [info.key for info in store.list("a")] == keys[:-1]
    assert list(store.list("nothing/here")) == []
    assert {info.size_bytes for info in store.list("")} == {2}


def delete_is_idempotent(make_store: MakeStore) -> None:
    store = make_store()
    store.put("x/1", b"1")
    store.put("x/2", b"2")
    store.delete(["x/1", "x/absent", "absent/1"])
    store.delete(["x/1"])
    assert [info.key for info in store.list("")] == ["x/2"]


def an_open_reader_reads_ranges_and_outlives_deletion(make_store: MakeStore) -> None:
    store = make_store()
    store.put("r", bytes(range(256)) * 100)
    with store.open("r") as reader:
        assert reader.size_bytes == 25_600
        assert reader.pread(4, 254) == b"\xfe\xff\x00\x01"
        assert reader.pread(10, 25_600) == b""
    with pytest.raises(PacsdError) as caught:
        store.open("absent")
    assert caught.value.fault is Fault.NOT_FOUND


def bad_keys_are_refused(make_store: MakeStore) -> None:
    store = make_store()
    for key in BAD_KEYS:
        for operation in (store.create, store.read, store.open, store.size, lambda key: store.put(key, b"x")):
            with pytest.raises(PacsdError) as caught:
                operation(key)
            assert caught.value.fault is Fault.MALFORMED, key
    assert list(store.list("")) == []


def a_big_blob_takes_bounded_memory(make_store: MakeStore) -> None:
    store = make_store()
    chunk = b"x" * (1 << 20)
    tracemalloc.start()
    try:
        writer = store.create("big")
        for _ in range(64):
            writer.write(chunk)
        assert writer.commit().size_bytes == 64 << 20
        assert store.read("big", offset_bytes=(64 << 20) - 3) == b"xxx"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20


CONTRACT = (
    put_is_read_back_whole_and_by_range,
    an_empty_blob_is_a_blob,
    parts_are_joined_in_order,
    nothing_is_visible_before_commit,
    abort_leaves_nothing,
    abort_after_commit_changes_nothing,
    a_key_is_written_once,
    of_concurrent_writers_one_wins,
    keys_are_listed_in_order_by_prefix,
    delete_is_idempotent,
    an_open_reader_reads_ranges_and_outlives_deletion,
    bad_keys_are_refused,
    a_big_blob_takes_bounded_memory,
)
