"""Records of accesses in backups: copied as far as they are whole, continued, and never overwritten."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.archive.backup import backup, restore
from pacsd.archive.record_copies import copy_records
from pacsd.blobs import LocalBlobs
from pacsd.blobs.append_log import AppendFolder
from pacsd.index.connect import pool
from tests.archive.test_backup import quiet
from tests.archive.test_rebuild import empty
from tests.audit.house import House, access

__all__ = ["empty"]


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    connections = pool(database, max_size=4)
    yield House(connections, tmp_path / "here")
    connections.close()


@pytest.fixture
def elsewhere(empty: str, tmp_path: Path) -> Iterator[House]:
    connections = pool(empty, max_size=4)
    yield House(connections, tmp_path / "there")
    connections.close()


def folders(tmp_path: Path) -> tuple[AppendFolder, AppendFolder]:
    return AppendFolder(tmp_path / "source"), AppendFolder(tmp_path / "copy")


def write(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    with (tmp_path / name).open("ab") as file:
        file.write(data)


def test_records_of_a_restored_backup_are_verified(house: House, elsewhere: House, tmp_path: Path) -> None:
    trail = house.trail(segment_bytes=900)
    for turn in range(2):                # the second backup goes on where the first one ended
        for n in range(6):
            trail.write(access(user=f"u{turn}{n}"))
        house.load()
        house.anchors.run()
        trail.write(access(user="not anchored yet"))
        assert list(backup(house.blobs, tmp_path / "copy", quiet, records=house.folder)) == []
    trail.write(access(user="after the backup"))
    assert list(restore(elsewhere.blobs, tmp_path / "copy", quiet, records=elsewhere.folder)) == []
    assert list(restore(elsewhere.blobs, tmp_path / "copy", quiet, records=elsewhere.folder)) == []
    elsewhere.load()
    assert elsewhere.findings() == []
    assert len(elsewhere.files()) == len(house.files()) > 3
    assert sum(elsewhere.events.counts().values()) == sum(house.events.counts().values()) + 1
    assert not list(elsewhere.blobs.list("audit/"))
    trail.close()


def test_what_is_missing_in_a_restored_backup_is_found(house: House, elsewhere: House, tmp_path: Path) -> None:
    trail = house.trail()
    trail.write(access(), access(user="wang"))
    house.load()
    house.anchors.run()
    list(backup(house.blobs, tmp_path / "copy", quiet, records=house.folder))
    trail.close()
    copy = next((tmp_path / "copy" / "audit").iterdir())
    copy.write_bytes(b"".join(copy.read_bytes().splitlines(keepends=True)[:-1]))
    list(restore(elsewhere.blobs, tmp_path / "copy", quiet, records=elsewhere.folder))
    elsewhere.load()
    assert [one for one in elsewhere.findings() if "anchor 1 knows of 3" in one]


def test_a_line_that_is_being_written_is_left_to_the_next_copy(tmp_path: Path) -> None:
    source, copy = folders(tmp_path)
    write(tmp_path, "source/a-1.log", b"one\ntw")
    assert list(copy_records(source, copy)) == []
    assert (tmp_path / "copy/a-1.log").read_bytes() == b"one\n"
    write(tmp_path, "source/a-1.log", b"o\nthree\n")
    assert list(copy_records(source, copy)) == []
    assert (tmp_path / "copy/a-1.log").read_bytes() == b"one\ntwo\nthree\n"


@pytest.mark.parametrize("changed", [b"one\n", b"one\nTWO\n", b"one\nTWO\nthree\n"])
def test_a_copy_is_kept_where_the_file_says_something_else(tmp_path: Path, changed: bytes) -> None:
    source, copy = folders(tmp_path)
    write(tmp_path, "source/a-1.log", b"one\ntwo\n")
    list(copy_records(source, copy))
    (tmp_path / "source/a-1.log").write_bytes(changed)
    assert [name for name, _ in copy_records(source, copy)] == ["a-1.log"]
    assert (tmp_path / "copy/a-1.log").read_bytes() == b"one\ntwo\n"


def test_copies_outlive_files_and_a_contradiction_keeps_a_backup_unfinished(house: House, tmp_path: Path) -> None:
    trail = house.trail()
    trail.write(access())
    trail.close()
    target, file = LocalBlobs(tmp_path / "copy", reserve_bytes=0), house.files()[0]
    list(backup(house.blobs, tmp_path / "copy", quiet, records=house.folder))
    assert len(list(target.list("backups/"))) == 1
    content = file.read_bytes()
    file.unlink()
    assert list(backup(house.blobs, tmp_path / "copy", quiet, records=house.folder)) == []
    assert (tmp_path / "copy" / "audit" / file.name).read_bytes() == content
    target.delete([info.key for info in target.list("backups/")])
    file.write_bytes(content.replace(b'"li"', b'"xi"'))
    assert [one.key for one in backup(house.blobs, tmp_path / "copy", quiet, records=house.folder)] == [
        f"audit/{file.name}"]  # fmt: skip
    assert list(target.list("backups/")) == []
