"""Thin packs in backups and rebuilds, where files rot, go, or change while they are copied."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pacsd.archive.backup import backup, restore
from pacsd.blobs import LocalBlobs
from pacsd.blobs.thin import ThinBlobs, thin_key
from pacsd.codec.refill import native_frame
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import PackRow
from tests.archive.house import House, opened, shown
from tests.archive.test_rebuild import empty, rebuild
from tests.archive.test_thin import UID, house, is_thin, packs, receive, slices

__all__ = ["empty", "house"]

Heard = Callable[[int, int | None], None]
QUIET: Heard = lambda done, total: None  # noqa: E731


class Stopped(BaseException):
    """A process that is killed."""


def copies(folder: Path) -> ThinBlobs:
    """What a backup holds, as whoever restores it reads it."""
    return ThinBlobs(LocalBlobs(folder, reserve_bytes=0), native_frame)


def turned(path: str | Path, at: int) -> None:
    """Turn a bit over, of the byte there; from the end, if negative."""
    data = bytearray(Path(path).read_bytes())
    data[at] ^= 1
    Path(path).write_bytes(data)


def rotten(house: House, pack: PackRow) -> None:
    """Turn a bit of the first frame over, in the alternate that fills the pack."""
    hole = house.blobs.head(pack.key).hole(0)
    turned(house.local.path(pack.alternate_key), hole.source_offset_bytes + hole.source_length_bytes // 2)


def thin(house: House) -> PackRow:
    house.thin_all()
    (pack,) = house.pack_rows(UID)
    assert is_thin(house) == [True]
    return pack


def thin_anew(house: House) -> PackRow:
    """Coded anew: the same pack is thin by other copies."""
    (pack,) = house.pack_rows(UID)
    with house.pool.connection() as connection:
        house.make_thinner().fill(*house.contents(UID), pack)
        connection.execute("delete from alternate")
        connection.execute("update pack set examined = false")
    made = thin(house)
    house.collect_all()
    assert made.alternate_key != pack.alternate_key
    return made


def test_a_pack_stays_in_the_folder_until_the_copies_there_give_it_back(house: House, tmp_path: Path) -> None:
    receive(house, slices(2))
    before, safe = packs(house), tmp_path / "safe"
    assert list(backup(house.blobs, safe, QUIET)) == []
    pack = thin(house)
    rotten(house, pack)
    (problem,) = backup(house.blobs, safe, QUIET)
    assert problem.key == pack.key and copies(safe).read(pack.key) == before[pack.key]


def test_a_thin_file_that_rotted_never_takes_the_place_of_a_sound_copy(house: House, tmp_path: Path) -> None:
    receive(house, slices(2))
    before, safe = packs(house), tmp_path / "safe"
    pack = thin(house)
    assert list(backup(house.blobs, safe, QUIET)) == []
    turned(house.local.path(thin_key(pack.key)), -20)
    (problem,) = backup(house.blobs, safe, QUIET)
    assert problem.key == pack.key and copies(safe).read(pack.key) == before[pack.key]


def test_nor_does_one_whose_other_alternate_rotted(house: House, tmp_path: Path) -> None:
    receive(house, slices(2))
    before, safe = packs(house), tmp_path / "safe"
    thin(house)
    assert list(backup(house.blobs, safe, QUIET)) == []
    pack = thin_anew(house)
    rotten(house, pack)
    (problem,) = backup(house.blobs, safe, QUIET)
    assert problem.key == pack.key and copies(safe).read(pack.key) == before[pack.key]


def test_a_restore_never_puts_another_thin_file_in_the_place_of_one(house: House, tmp_path: Path) -> None:
    receive(house, slices(2))
    before, safe = packs(house), tmp_path / "safe"
    pack = thin(house)
    assert list(backup(house.blobs, safe, QUIET)) == []
    turned(safe / thin_key(pack.key), -20)
    (problem,) = restore(house.blobs, safe, QUIET)
    assert problem.key == thin_key(pack.key) and packs(house) == before


def test_thin_packs_merged_away_during_a_backup_leave_none_that_cannot_be_read(house: House, tmp_path: Path) -> None:
    receive(house, slices(2))
    safe = tmp_path / "safe"
    assert list(backup(house.blobs, safe, QUIET)) == []
    pack = thin(house)
    merged: list[bool] = []

    def merging(done: int, total: int | None) -> None:
        if copies(safe).is_thin(pack.key) and not merged:
            merged.append(True)
            receive(house, slices(1, first=9))
            house.merge_all()
            house.collect_all()
            assert not house.blobs.is_thin(pack.key)

    assert list(backup(house.blobs, safe, merging)) == [] and merged
    held = [info.key for info in copies(safe).list("packs/") if info.key.endswith(".zip")]
    assert held and all(copies(safe).read(key) for key in held)


def test_a_backup_that_broke_off_holds_what_the_one_before_held(house: House, tmp_path: Path) -> None:
    receive(house, slices(2))
    before, safe = packs(house), tmp_path / "safe"
    thin(house)
    assert list(backup(house.blobs, safe, QUIET)) == []
    pack = thin_anew(house)

    def killed(done: int, total: int | None) -> None:
        if copies(safe).head(pack.key).source == pack.alternate_key:
            raise Stopped

    with pytest.raises(Stopped):
        list(backup(house.blobs, safe, killed))
    assert copies(safe).read(pack.key) == before[pack.key]


def test_a_worker_beside_a_restore_takes_no_alternate_of_a_pack_to_come(
    house: House, empty: str, tmp_path: Path
) -> None:
    expected = receive(house, slices(2))
    thin(house)
    house.collect_all()
    safe = tmp_path / "safe"
    assert list(backup(house.blobs, safe, QUIET)) == []
    with opened(empty, tmp_path / "restored") as again:
        assert list(restore(again.blobs, safe, lambda done, total: again.collect_all())) == []
        assert rebuild(again).refused == 0 and again.data_sets(UID) == expected


def test_a_rebuild_shows_the_copy_that_can_be_read(house: House, empty: str) -> None:
    """The packs that a thin one was merged from, or spool files, while what it is filled from is gone."""
    house.grace_s = 1e6
    some = [slices(2), slices(1, first=9)]
    packer, merger = house.make_packer(), house.make_merger()
    for files in some:
        for file in files:
            house.receive(file)
        packer.run()
    merger.run()
    house.local.delete([thin(house).alternate_key])
    with opened(empty, Path(house.local.root)) as again:
        rebuild(again)
        again.collect_all()
        assert again.data_sets(UID) == shown([*some[0], *some[1]])


@pytest.mark.parametrize("direction", ["whole", "thin"])
def test_a_thin_file_stays_beside_a_pack_that_is_damaged(house: House, direction: str) -> None:
    """Left by a worker killed after the pack was whole again; then the pack rots."""
    receive(house, slices(2))
    (before,) = packs(house).values()
    pack = thin(house)
    (content,) = house.contents(UID)
    house.local.put(pack.key, before)
    turned(house.local.path(pack.key), len(before) // 2)
    thinner = house.make_thinner()
    with pytest.raises(PacsdError) as caught:
        thinner.fill(content, pack) if direction == "whole" else thinner.thin(content, pack)
    assert caught.value.fault is Fault.UNAVAILABLE
    with house.blobs.open_thin(pack.key, anew=True) as reader:
        assert b"".join(reader.pread(1 << 16, at) for at in range(0, len(before), 1 << 16)) == before
