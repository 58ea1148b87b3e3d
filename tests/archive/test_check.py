"""Checking every blob against the index: each damage is named, and a healthy archive has none."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.archive.check import Check, Trouble
from tests.archive.house import House, opened
from tests.synthetic import small_object, study

WORLD = study(11)
UID = WORLD.study_instance_uid


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs", grace_s=3600.0) as house:
        for number in (1, 2, 3):
            house.receive(small_object(WORLD, instance=number))
        house.pack_all()
        house.receive(small_object(WORLD, instance=4))
        yield house


def found(house: House) -> list[tuple[Trouble, str, str]]:
    check = Check(house.blobs, house.inventory, house.journal, house.orphans)
    return [
        (finding.trouble, finding.key, finding.sop_instance_uid) for finding in check.run() if not finding.harmless
    ]


def rot(house: House, key: str, at: int) -> None:
    with open(house.local.path(key), "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def test_a_healthy_archive_has_no_findings_and_everything_was_read(house: House) -> None:
    read: list[int] = []
    for finding in Check(house.blobs, house.inventory, house.journal, house.orphans).run(read.append):
        assert finding.harmless
    assert len(read) == 4


def test_one_flipped_bit_in_a_loose_data_set(house: House) -> None:
    (loose,) = house.contents(UID)[0].loose
    rot(house, loose.extent.key, loose.extent.length_bytes - 1)
    assert found(house) == [(Trouble.CORRUPT, loose.extent.key, loose.sop_instance_uid)]


@pytest.mark.parametrize("where", ["group 2", "data set"])
def test_one_flipped_bit_in_a_packed_instance(house: House, where: str) -> None:
    (row,) = house.pack_rows(UID)
    entry = house.sidecars(row).entries[1]
    rot(house, row.key, entry.offset_bytes + (200 if where == "group 2" else entry.length_bytes - 1))
    assert found(house) == [(Trouble.CORRUPT, row.key, entry.sop_instance_uid)]


def test_a_damaged_sidecar(house: House) -> None:
    (row,) = house.pack_rows(UID)
    rot(house, row.sidecar_key, house.blobs.size(row.sidecar_key) - 20)
    assert found(house) == [(Trouble.CORRUPT, row.sidecar_key, "")]


def test_a_truncated_pack(house: House) -> None:
    (row,) = house.pack_rows(UID)
    last = house.sidecars(row).entries[2]
    os.truncate(house.local.path(row.key), last.offset_bytes + 10)
    assert found(house) == [(Trouble.CORRUPT, row.key, ""), (Trouble.CORRUPT, row.key, last.sop_instance_uid)]


def test_missing_blobs(house: House) -> None:
    (row,) = house.pack_rows(UID)
    (loose,) = house.contents(UID)[0].loose
    house.blobs.delete([row.key, loose.extent.key])
    assert set(found(house)) == {
        (Trouble.MISSING, row.key, ""), (Trouble.MISSING, loose.extent.key, loose.sop_instance_uid)
    }


def test_acknowledged_bytes_that_no_row_names(house: House) -> None:
    (row,) = house.pack_rows(UID)
    with house.pool.connection() as connection:
        connection.execute("delete from pack")
        connection.execute("delete from instance")
    kinds = {trouble for trouble, _, _ in found(house)}
    keys = {key for _, key, _ in found(house)}
    assert kinds == {Trouble.UNINDEXED} and {row.key, row.sidecar_key} <= keys and len(keys) == 3


def test_a_fact_that_cannot_be_read(house: House) -> None:
    house.blobs.put("journal/2026/01/01/x.json", b"{")
    assert [trouble for trouble, _, _ in found(house)] == [Trouble.CORRUPT]
