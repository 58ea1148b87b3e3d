"""Files that only grow."""

import errno
import os
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
