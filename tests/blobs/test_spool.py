"""The receive spool."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pacsd.blobs import BlobInfo, LocalBlobs, Spool
from pacsd.faults import Fault, PacsdError
from tests.blobs.small_disk import small_disk
from tests.clients import require

__all__ = ["small_disk"]

RECEIVE_ONE = """
import sys
from pathlib import Path
from pacsd.blobs import Spool
spool = Spool(Path(sys.argv[1]), reserve_bytes=0)
writer = spool.create("default")
writer.write(b"x" * 100_000)
writer.patch(0, b"receipt")
writer.commit()
print("ACKNOWLEDGED", flush=True)
"""


def entries(root: Path) -> list[BlobInfo]:
    """What stands in the spool."""
    return list(LocalBlobs(root, reserve_bytes=0).list("spool/"))


def test_what_was_written_and_patched_is_read_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve_bytes=0)
    writer = spool.create("west")
    writer.write(b"....data")
    writer.write(memoryview(b" and more"))
    writer.patch(0, b"seal")
    info = writer.commit()
    writer.abort()
    assert info.key.startswith("spool/west/") and info.key.endswith(".dcm") and info.size_bytes == 17
    assert LocalBlobs(tmp_path, reserve_bytes=0).read(info.key) == b"sealdata and more"
    assert [(entry.key, entry.size_bytes) for entry in entries(tmp_path)] == [(info.key, 17)]


def test_abort_removes_the_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve_bytes=0)
    writer = spool.create("west")
    writer.write(b"x")
    writer.abort()
    writer.abort()
    assert entries(tmp_path) == []


def test_buckets_rotate_by_number_and_by_time(tmp_path: Path) -> None:
    now = [0.0]
    spool = Spool(tmp_path, reserve_bytes=0, bucket_files=2, bucket_s=60, clock=lambda: now[0])
    keys = [spool.create("west").commit().key for _ in range(3)]
    now[0] = 61.0
    keys.append(spool.create("west").commit().key)
    buckets = [key.rsplit("/", 1)[0] for key in keys]
    assert buckets[0] == buckets[1] and len(set(buckets)) == 3
    assert keys == sorted(keys)


def test_organisations_have_their_own_folders_and_safe_names(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve_bytes=0)
    assert spool.create("east").commit().key.startswith("spool/east/")
    for code in ("../x", "", "a/../../b"):
        with pytest.raises(PacsdError) as caught:
            spool.create(code)
        assert caught.value.fault is Fault.MALFORMED


def test_a_removed_bucket_is_replaced(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve_bytes=0)
    first = spool.create("west")
    assert spool.remove_empty_buckets(now=2e10) == 0
    first.abort()
    assert spool.remove_empty_buckets() == 0
    assert spool.remove_empty_buckets(now=2e10) == 1
    second = spool.create("west").commit().key
    assert [entry.key for entry in entries(tmp_path)] == [second]


def test_a_writer_survives_the_rotation_of_its_bucket(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve_bytes=0, bucket_files=1)
    slow = spool.create("west")
    slow.write(b"slow")
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        spool.create("west").commit()
    assert len(os.listdir("/proc/self/fd")) == descriptors + 1
    slow.commit()
    spool.close()
    assert len(entries(tmp_path)) == 21


def test_threads_share_a_spool(tmp_path: Path) -> None:
    spool, keys = Spool(tmp_path, reserve_bytes=0, bucket_files=7), []

    def receive() -> None:
        for _ in range(50):
            keys.append(spool.create("west").commit().key)

    threads = [threading.Thread(target=receive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    spool.close()                # removes the names made ahead, where none are just being made
    for thread in threading.enumerate():
        if "_refill" in thread.name:
            thread.join(30)
    assert len(set(keys)) == 200 == len(entries(tmp_path))


def test_a_full_disk_is_full_and_works_again_when_there_is_room(small_disk: Path) -> None:
    spool = Spool(small_disk, reserve_bytes=1 << 20)
    kept = spool.create("west")
    kept.write(b"x" * (4 << 20))
    kept.commit()
    writer = spool.create("west")
    with pytest.raises(PacsdError) as caught:
        for _ in range(8):
            writer.write(b"x" * (1 << 20))
    assert caught.value.fault is Fault.FULL
    writer.abort()
    LocalBlobs(small_disk, reserve_bytes=0).delete([kept.key])
    again = spool.create("west")
    again.write(b"x" * (4 << 20))
    again.commit()


def test_a_failed_sync_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    spool = Spool(tmp_path, reserve_bytes=0)
    writer = spool.create("west")
    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(PacsdError) as caught:
        writer.commit()
    assert caught.value.fault is Fault.UNAVAILABLE
    assert entries(tmp_path) == []


def test_file_and_directories_are_synced_before_success(tmp_path: Path) -> None:
    require("strace")
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=openat,mkdir,write,pwrite64,fdatasync,fsync",
         sys.executable, "-c", RECEIVE_ONE, str(tmp_path / "data")],
        check=True, capture_output=True,
    )
    calls = trace.read_text().splitlines()
    acknowledged = next(number for number, call in enumerate(calls) if "ACKNOWLEDGED" in call)
    created = next(number for number, call in enumerate(calls) if "O_EXCL" in call and ".dcm" in call)
    name = calls[created].split('"')[1]
    written = max(number for number, call in enumerate(calls) if name in call and "write" in call)
    data_synced = next(number for number, call in enumerate(calls) if "fdatasync" in call and name in call)
    folders_synced = {call.split("<")[1].split(">")[0] for call in calls[:acknowledged] if " fsync(" in call}
    bucket = next((tmp_path / "data" / "spool" / "default").iterdir())
    entry_synced = max(number for number, call in enumerate(calls) if "fsync(" in call and f"{bucket}>" in call)
    assert created < entry_synced < acknowledged
    assert written < data_synced < acknowledged
    assert {str(path) for path in (bucket, *bucket.parents) if path.is_relative_to(tmp_path)} <= folders_synced
