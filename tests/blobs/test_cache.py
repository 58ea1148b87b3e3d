"""What can be made again is kept while there is room."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.blobs.cache import IN_USE_S, Cache
from pacsd.blobs.local import LocalBlobs
from pacsd.faults import Fault, PacsdError

OLD = time.time() - 2 * IN_USE_S


def cache(folder: Path, max_bytes: int = 100) -> Cache:
    return Cache(LocalBlobs(folder, reserve_bytes=0), max_bytes=max_bytes)


def kept(one: Cache) -> list[str]:
    return [info.key for info in one.blobs.list("")]


def test_the_oldest_go_first_and_what_was_used_lately_stays(tmp_path: Path) -> None:
    one = cache(tmp_path)
    for name in ("a", "b", "c"):
        one.keep(name, [bytes(30)])
        os.utime(tmp_path / name, (OLD, OLD + "cab".index(name)))
    assert one.use("c") and not one.use("d")
    one.keep("d", [bytes(20), bytes(20)])
    assert kept(one) == ["b", "c", "d"]
    one.keep("e", [bytes(25)])
    assert kept(one) == ["c", "d", "e"]


def test_nothing_that_is_in_use_goes_and_nothing_is_kept_beyond_the_room(tmp_path: Path) -> None:
    one = cache(tmp_path)
    one.keep("a", [bytes(60)])
    for size, fault in ((50, Fault.UNAVAILABLE), (101, Fault.TOO_MUCH)):
        with pytest.raises(PacsdError) as caught:
            one.keep("b", [bytes(size)])
        assert caught.value.fault is fault
    assert kept(one) == ["a"] and one.blobs.read("a") == bytes(60)


def test_what_two_make_at_once_is_kept_once(tmp_path: Path) -> None:
    one, other = cache(tmp_path), cache(tmp_path)
    one.keep("a", [b"same"])
    other.keep("a", [b"same"])
    assert kept(one) == ["a"] and one.blobs.read("a") == b"same"


def test_what_other_processes_keep_counts(tmp_path: Path) -> None:
    one, other = cache(tmp_path), cache(tmp_path)
    one.keep("a", [bytes(60)])
    os.utime(tmp_path / "a", (OLD, OLD))
    other.keep("b", [bytes(60)])
    assert kept(one) == ["b"]


def test_what_its_maker_raises_is_told_whatever_it_is(tmp_path: Path) -> None:
    def made() -> Iterator[bytes]:
        yield b"half"
        raise PacsdError(Fault.CONFLICT, "changed while it was read")

    one = cache(tmp_path)
    with pytest.raises(PacsdError) as caught:
        one.keep("a", made())
    assert caught.value.fault is Fault.CONFLICT and kept(one) == []
