"""Objects of the spool that become durable together."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.blobs import LocalBlobs, Spool
from pacsd.blobs.spool_batch import SpoolBatch
from pacsd.faults import Fault, PacsdError

SEGMENT_BYTES = 1 << 20


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """A spool of small segments."""
    made = Spool(tmp_path, reserve_bytes=0, segment_bytes=SEGMENT_BYTES)
    yield made
    made.close()


def put(batch: SpoolBatch, *pieces: bytes) -> str:
    """An object of these pieces; its key."""
    writer = batch.create("west")
    for piece in pieces:
        writer.write(piece)
    writer.commit()
    return writer.key


def listed(root: Path) -> list[str]:
    """What another process finds."""
    return [info.key for info in LocalBlobs(root, reserve_bytes=0).list("spool/") if info.size_bytes]


def syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every flush from here on."""
    seen: list[int] = []
    real = os.fdatasync

    def counted(descriptor: int) -> None:
        seen.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    return seen


def test_one_flush_is_for_all_objects_of_a_segment(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = spool.batch()
    flushed = syncs(monkeypatch)
    contents = [(b"meta%d" % number, b"x" * 50_000) for number in range(8)]
    keys = [put(batch, *pieces) for pieces in contents]
    assert flushed == []
    batch.commit()
    assert len(flushed) == 1 and len({key.rpartition("/")[0] for key in keys}) == 1
    store = LocalBlobs(tmp_path, reserve_bytes=0)
    assert [store.read(key) for key in keys] == [b"".join(pieces) for pieces in contents]
    batch.abort()
    assert listed(tmp_path) == keys
    assert put(spool.batch(), b"next").rpartition("/")[0] == keys[0].rpartition("/")[0]


def test_a_full_segment_is_followed_by_another(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = spool.batch()
    flushed = syncs(monkeypatch)
    keys = [put(batch, b"meta", b"y" * 300_000) for _ in range(8)]
    batch.commit()
    assert len({key.rpartition("/")[0] for key in keys}) == len(flushed) > 1
    assert listed(tmp_path) == sorted(keys)


def test_an_object_that_is_aborted_leaves_its_place_to_the_next(spool: Spool, tmp_path: Path) -> None:
    batch = spool.batch()
    first = put(batch, b"meta", b"first")
    writer = batch.create("west")
    writer.write(b"meta")
    writer.write(b"z" * 10_000)
    lost = writer.key
    writer.abort()
    second = put(batch, b"meta", b"second")
    batch.commit()
    assert second == lost
    assert listed(tmp_path) == [first, second]


@pytest.mark.parametrize("segment_bytes", [SEGMENT_BYTES, 0])
def test_a_failed_flush_loses_the_whole_batch_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segment_bytes: int
) -> None:
    spool = Spool(tmp_path, reserve_bytes=0, segment_bytes=segment_bytes)
    before = spool.batch()
    kept = put(before, b"kept")
    before.commit()
    batch = spool.batch()
    for number in range(3):
        put(batch, b"lost%d" % number)

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(PacsdError) as caught:
            batch.commit()
    assert caught.value.fault is Fault.UNAVAILABLE
    assert listed(tmp_path) == [kept]
    after = spool.batch()
    later = put(after, b"later")
    after.commit()
    assert listed(tmp_path) == sorted([kept, later])
    spool.close()


def test_an_object_larger_than_a_segment_has_a_file_of_its_own(spool: Spool, tmp_path: Path) -> None:
    batch = spool.batch()
    small, large = put(batch, b"meta", b"small"), put(batch, b"meta", *[b"L" * 400_000] * 4)
    last = put(batch, b"meta", b"last")
    batch.commit()
    assert ".seg/" in small and ".seg/" not in large and ".seg/" in last
    assert sorted(listed(tmp_path)) == sorted([small, large, last])
    assert LocalBlobs(tmp_path, reserve_bytes=0).size(large) == 1_600_004


def test_a_batch_that_is_aborted_leaves_nothing(spool: Spool, tmp_path: Path) -> None:
    batch = spool.batch()
    for pieces in ((b"meta", b"one"), (b"meta", *[b"L" * 400_000] * 4)):
        put(batch, *pieces)
    batch.abort()
    assert listed(tmp_path) == []
