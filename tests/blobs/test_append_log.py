"""Files that only grow."""

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from pacsd.blobs.append_log import AppendFolder
from pacsd.faults import PacsdError


@pytest.mark.parametrize("failing", ["fsync", "fdatasync"])
def test_a_file_that_cannot_be_begun_leaves_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    folder = AppendFolder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, failing, broken)
        try:
            folder.create("w-1.log").close()
        except PacsdError:
            assert folder.names() == []
        else:
            assert failing == "fdatasync"
            folder.discard("w-1.log")
    folder.create("w-1.log").close()


def test_a_folder_tells_when_files_come_and_go(tmp_path: Path) -> None:
    folder = AppendFolder(tmp_path / "audit")
    assert folder.changed_ns() == -1
    file = folder.create("w-1.log")
    os.utime(tmp_path / "audit", ns=(1, 1))
    file.append(b"more\n")
    assert folder.changed_ns() == 1
    folder.create("w-2.log").close()
    assert folder.changed_ns() > 1
    file.close()


def test_an_empty_file_of_the_dead_goes_and_one_that_is_just_begun_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, flock, begun = AppendFolder(tmp_path), fcntl.flock, []
    (tmp_path / "w-1.log").touch()
    folder.discard_abandoned("w-1.log")
    folder.discard_abandoned("w-1.log")
    assert folder.names() == []

    def taken_before(descriptor: int, operation: int) -> None:
        if not begun:
            begun.append(descriptor)
            folder.discard_abandoned("w-1.log")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", taken_before)
    file = folder.create("w-1.log")
    file.append(b"there\n")
    folder.discard_abandoned("w-1.log")
    assert begun and folder.read("w-1.log", 0, 100) == b"there\n"
    file.close()
    folder.discard_abandoned("w-1.log")
    assert folder.names() == ["w-1.log"]


def test_a_new_file_waits_for_who_asks_whether_it_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, flock, asking = AppendFolder(tmp_path), fcntl.flock, []

    def asked_before(descriptor: int, operation: int) -> None:
        if not asking:
            asking.append(os.open(tmp_path / "w-1.log", os.O_RDONLY))
            flock(asking[0], fcntl.LOCK_SH)
            threading.Timer(0.05, os.close, asking).start()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", asked_before)
    file = folder.create("w-1.log")
    assert folder.in_use("w-1.log")
    with pytest.raises(PacsdError):
        folder.further("w-1.log")                        # of one that another writes nobody waits for the end
    file.close()
