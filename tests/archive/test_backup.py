"""Backup and restore: a mirror of the blobs, and a rebuild."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.archive.backup import backup, restore
from pacsd.blobs import LocalBlobs
from pacsd.faults import Fault, PacsdError
from tests.archive.house import House, opened, shown
from tests.archive.test_rebuild import empty, rebuild
from tests.synthetic import small_object, study

__all__ = ["empty"]

WORLD = study(12)
UID = WORLD.study_instance_uid


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def quiet(done: int, total: int | None) -> None:
    """No bar."""


def test_a_restored_archive_shows_the_same(house: House, empty: str, tmp_path: Path) -> None:
    files = [small_object(WORLD, instance=n) for n in (1, 2, 3)]
    for file in files[:2]:
        house.receive(file)
    house.pack_all()
    house.receive(files[2])
    house.journal.append({"fact": "reject", "organisation": "east", "study": UID,
                          "series": {WORLD.series_instance_uid(1): [WORLD.sop_instance_uid(1, 1)]}, "code": "113001"})
    assert list(backup(house.blobs, tmp_path / "copy", quiet)) == []
    with opened(empty, tmp_path / "new") as again:
        assert list(restore(again.blobs, tmp_path / "copy", quiet)) == []
        rebuild(again)
        assert again.data_sets(UID) == shown(files[1:])


def test_a_second_backup_copies_what_is_new_and_drops_what_is_gone(house: House, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    for number in (1, 2):
        house.receive(small_object(WORLD, instance=number))
        house.pack_all()
        house.collect_all()
    list(backup(house.blobs, target, quiet))
    first = {info.key: info.modified_at for info in LocalBlobs(target, reserve_bytes=0).list("packs/")}
    house.receive(small_object(WORLD, series=2))
    house.pack_all()
    house.merge_all()
    house.collect_all()
    list(backup(house.blobs, target, quiet))
    copied = LocalBlobs(target, reserve_bytes=0)
    assert [info.key for info in copied.list("packs/")] == house.keys_under("packs/")
    assert not set(first) & set(house.keys_under("packs/"))
    assert len(list(copied.list("backups/"))) == 1


def test_what_is_still_arriving_is_not_copied(house: House, tmp_path: Path) -> None:
    reception = house.ingest.receive_part10(house.peer("east"))
    reception.write(small_object(WORLD)[:2000] + bytes(300_000))
    list(backup(house.blobs, tmp_path / "copy", quiet))
    assert list(LocalBlobs(tmp_path / "copy", reserve_bytes=0).list("spool/")) == []
    reception.abort()


def test_an_unfinished_backup_is_not_restored(house: House, tmp_path: Path) -> None:
    LocalBlobs(tmp_path / "copy", reserve_bytes=0).put("packs/x", b"x")
    for folder in (tmp_path / "copy", tmp_path / "absent"):
        with pytest.raises(PacsdError) as caught:
            list(restore(house.blobs, folder, quiet))
        assert caught.value.fault is Fault.NOT_FOUND


def test_a_contradicting_blob_is_a_problem_and_nothing_is_dropped(house: House, tmp_path: Path) -> None:
    house.receive(small_object(WORLD))
    house.pack_all()
    target = LocalBlobs(tmp_path / "copy", reserve_bytes=0)
    target.put(house.keys_under("packs/")[0], b"other")
    target.put("packs/old", b"old")
    assert [one.key for one in backup(house.blobs, tmp_path / "copy", quiet)] == house.keys_under("packs/")[:1]
    assert target.read("packs/old") == b"old"
    assert list(target.list("backups/")) == []
