"""LocalBlobs: the contract, and what only files can get wrong."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pacsd.blobs import BlobStore, LocalBlobs
from pacsd.faults import Fault, PacsdError
from tests.blobs.contract import CONTRACT, MakeStore
from tests.blobs.small_disk import small_disk
from tests.clients import require

__all__ = ["small_disk"]

PUT_ONE = """
import sys
from pathlib import Path
from pacsd.blobs import LocalBlobs
LocalBlobs(Path(sys.argv[1]), reserve_bytes=0).put("packs/2026/one.zip", b"x" * 100_000)
print("DONE", flush=True)
"""


@pytest.mark.parametrize("nameless_files", [True, False], ids=["nameless", "named-parts"])
@pytest.mark.parametrize("promise", CONTRACT, ids=lambda promise: promise.__name__)
def test_contract(promise: Callable[[MakeStore], None], nameless_files: bool, tmp_path: Path) -> None:
    def make_store() -> BlobStore:
        return LocalBlobs(tmp_path / "blobs", reserve_bytes=0, nameless_files=nameless_files)

    promise(make_store)


def test_unfinished_parts_are_swept_after_a_day(tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path, reserve_bytes=0, nameless_files=False)
    store.create("never").write(b"x")
    assert store.clear_parts() == 0
    assert store.clear_parts(now=os.stat(tmp_path).st_mtime + 90_000) == 1
    assert os.listdir(tmp_path / ".parts") == []


def test_the_reserve_is_kept(tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(PacsdError) as caught:
        store.put("a", b"x")
    assert caught.value.fault is Fault.FULL


def test_a_full_disk_is_full_and_works_again_when_there_is_room(small_disk: Path) -> None:
    store = LocalBlobs(small_disk, reserve_bytes=0)
    store.put("first", b"x" * (2 << 20))
    writer = store.create("second")
    with pytest.raises(PacsdError) as caught:
        for _ in range(64):
            writer.write(b"x" * (1 << 20))
        writer.commit()
    assert caught.value.fault is Fault.FULL
    writer.abort()
    assert [info.key for info in store.list("")] == ["first"]
    store.delete(["first"])
    store.put("third", b"x" * (1 << 20))
    assert store.size("third") == 1 << 20


def test_a_real_enospc_is_full(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalBlobs(small_disk, reserve_bytes=0)
    monkeypatch.setattr(store, "take", lambda size_bytes: None)
    writer = store.create("big")
    with pytest.raises(PacsdError) as caught:
        for _ in range(64):
            writer.write(b"x" * (1 << 20))
        writer.commit()
    assert caught.value.fault is Fault.FULL
    writer.abort()
    assert list(store.list("")) == []


def test_a_disk_error_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    store = LocalBlobs(tmp_path, reserve_bytes=0)
    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(PacsdError) as caught:
        store.put("a", b"x")
    assert caught.value.fault is Fault.UNAVAILABLE
    assert list(store.list("")) == []


def test_what_is_told_to_have_failed_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalBlobs(tmp_path, reserve_bytes=0)
    store.put("journal/one.json", b"1")

    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, "the folder cannot be synced")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(PacsdError) as caught:
        store.put("journal/two.json", b"2")
    assert caught.value.fault is Fault.UNAVAILABLE
    assert [info.key for info in store.list("")] == ["journal/one.json"]


def test_bytes_then_name_then_every_folder_are_synced_before_success(tmp_path: Path) -> None:
    require("strace")
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=write,linkat,fdatasync,fsync",
         sys.executable, "-c", PUT_ONE, str(tmp_path / "data")],
        check=True, capture_output=True,
    )
    calls = trace.read_text().splitlines()

    def first(*words: str) -> int:
        return next(number for number, call in enumerate(calls) if all(word in call for word in words))

    folder = tmp_path / "data" / "packs" / "2026"
    linked = first("linkat(", "one.zip")
    entry_synced = linked + next(
        number for number, call in enumerate(calls[linked:]) if "fsync(" in call and f"{folder}>" in call
    )
    assert first("xxxx", "write(") < first("fdatasync(") < linked < entry_synced < first("DONE", "write(")
    synced = {call.split("<")[1].split(">")[0] for call in calls[: first("DONE", "write(")] if "fsync(" in call}
    assert {str(path) for path in (folder, *folder.parents) if path.is_relative_to(tmp_path)} <= synced
