"""Packing series: bit-identical, verified, and either the old truth or the new one."""

import os
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.index import ingest as index_ingest
from tests.archive.house import House, opened, shown
from tests.synthetic import multiframe_frame, small_object, study, write_multiframe

WORLD = study(7)
UID = WORLD.study_instance_uid


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def files(count: int, *, series: int = 1, first: int = 1) -> list[bytes]:
    return [small_object(WORLD, series=series, instance=n) for n in range(first, first + count)]


def receive(house: House, some: list[bytes], *, code: str = "east") -> dict[str, bytes]:
    for file in some:
        house.receive(file, code=code)
    return shown(some)


def test_data_sets_are_the_same_before_and_after_packing_and_collection(house: House) -> None:
    expected = receive(house, files(12) + files(5, series=2))
    assert house.data_sets(UID) == expected
    spool = house.keys_under("spool/")
    house.pack_all()
    assert [pack.instances for pack in house.pack_rows(UID)] == [12, 5]
    assert house.data_sets(UID) == expected
    assert house.keys_under("spool/") == spool
    house.collect_all()
    assert house.keys_under("spool/") == []
    assert house.data_sets(UID) == expected


def test_members_stand_in_order_of_instance_number_and_any_unzip_opens_the_pack(house: House) -> None:
    receive(house, list(reversed(files(12))))
    house.pack_all()
    (pack,) = house.pack_rows(UID)
    with zipfile.ZipFile(house.local.path(pack.key)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{WORLD.sop_instance_uid(1, n)}.dcm" for n in range(1, 13)]


def test_late_arrivals_add_a_pack_and_a_merge_makes_one_of_them(house: House) -> None:
    expected = receive(house, files(4))
    house.pack_all()
    for late in range(5, 8):
        expected |= receive(house, files(1, first=late))
        assert house.data_sets(UID) == expected
        house.pack_all()
    assert [pack.instances for pack in house.pack_rows(UID)] == [4, 1, 1, 1]
    assert house.data_sets(UID) == expected
    house.merge_all()
    (merged,) = house.pack_rows(UID)
    assert merged.instances == 7 and merged.generation == 5
    assert house.data_sets(UID) == expected
    house.collect_all()
    assert house.keys_under("packs/") == sorted([merged.key, merged.sidecar_key])
    assert house.data_sets(UID) == expected
    with zipfile.ZipFile(house.local.path(merged.key)) as archive:
        assert archive.namelist() == [f"{WORLD.sop_instance_uid(1, n)}.dcm" for n in range(1, 8)]


def test_readers_who_looked_before_still_find_their_bytes_within_the_grace(database: str, tmp_path: Path) -> None:
    with opened(database, tmp_path, grace_s=3600.0) as house:
        expected = receive(house, files(3))
        before = house.contents(UID)
        house.pack_all()
        house.collect_all()
        for loose in before[0].loose:
            assert house.blobs.size(loose.extent.key) == loose.extent.length_bytes
        assert house.data_sets(UID) == expected


def test_packs_keep_to_their_limit(house: House) -> None:
    expected = receive(house, files(10))
    while house.make_packer(max_pack_bytes=10_000).run():
        pass
    rows = house.pack_rows(UID)
    assert len(rows) == 4 and all(pack.size_bytes < 12_000 for pack in rows)
    assert house.data_sets(UID) == expected


def test_organisations_have_their_own_packs_of_one_study(house: House) -> None:
    receive(house, files(2), code="east")
    receive(house, files(2), code="west")
    house.pack_all()
    (east,), (west,) = house.pack_rows(UID, code="east"), house.pack_rows(UID, code="west")
    assert east.key.startswith("packs/east/") and west.key.startswith("packs/west/")


def test_a_repeat_of_a_packed_instance_is_a_duplicate(house: House) -> None:
    some = files(2)
    receive(house, some)
    house.pack_all()
    house.collect_all()
    assert house.receive(some[0]).outcome.value == "duplicate"
    assert house.keys_under("spool/") == []


def test_a_rotten_spool_file_stays_loose_and_is_reported(house: House, caplog: pytest.LogCaptureFixture) -> None:
    receive(house, files(3))
    key = house.contents(UID)[0].loose[1].extent.key
    with open(house.local.path(key), "r+b") as file:
        file.seek(2000)
        file.write(b"rot")
    house.pack_all()
    (content,) = house.contents(UID)
    assert content.packs[0].instances == 2
    assert [one.extent.key for one in content.loose] == [key]
    assert any(record.levelname == "ERROR" and getattr(record, "key", "") == key for record in caplog.records)
    assert house.blobs.size(key) > 0


def test_a_replaced_instance_leaves_the_packs_at_the_next_merge(database: str, tmp_path: Path) -> None:
    with opened(database, tmp_path, duplicates="replace") as house:
        expected = receive(house, files(3))
        house.pack_all()
        house.collect_all()
        other = small_object(WORLD, instance=2, size_bytes=4000)
        expected |= receive(house, [other])
        for _ in range(2):
            assert house.data_sets(UID) == expected
            house.merge_all()
            house.pack_all()
        house.merge_all()
        house.collect_all()
        assert house.data_sets(UID) == expected
        assert sum(pack.instances for pack in house.pack_rows(UID)) == 3
        assert house.keys_under("spool/") == []


def test_a_large_object_is_packed_in_bounded_memory(house: House, tmp_path: Path) -> None:
    path = tmp_path / "big.dcm"
    write_multiframe(path, WORLD, frames=48)             # 100 MB
    reception = house.ingest.receive_part10(house.peer("east"))
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            reception.write(chunk)
    reception.commit()
    tracemalloc.start()
    try:
        house.pack_all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 << 20
    (pack,) = house.pack_rows(UID)
    sidecar = house.sidecars(pack)
    frames = sidecar.frames(sidecar.entries[0])
    assert frames is not None and len(frames.frames) == 48
    ((offset, length),) = frames.frames[47]
    start = sidecar.entries[0].offset_bytes + offset
    assert house.blobs.read(pack.key, offset_bytes=start, length_bytes=length) == multiframe_frame(48)
    assert os.path.getsize(house.local.path(pack.key)) == pack.size_bytes


def test_one_bad_series_blocks_no_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = receive(house, files(2) + files(2, series=2))
    bad = house.contents(UID)[0].series_instance_uid
    packer = house.make_packer()
    pack_series = packer.pack_series

    def fail(content):  # type: ignore[no-untyped-def]
        if content.series_instance_uid == bad:
            raise PacsdError(Fault.UNAVAILABLE, "bad luck")
        return pack_series(content)

    monkeypatch.setattr(packer, "pack_series", fail)
    while packer.run():
        pass
    assert len(house.pack_rows(UID)) == 1
    assert house.data_sets(UID) == expected


def test_a_series_that_breaks_the_packer_holds_up_no_other(house: House) -> None:
    receive(house, files(1), code="west")                  # the oldest, and of an organisation no longer configured
    expected = receive(house, files(1) + files(1, series=2))
    house.owners.pop(house.keys["west"])
    while house.packer.run():
        pass
    assert len(house.pack_rows(UID)) == 2
    receive(house, files(1, first=9), code="west")
    assert house.data_sets(UID) == expected
    assert len(house.contents(UID, code="west")[0].loose) == 2


def test_an_instance_whose_hash_another_has_is_stored_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (index_ingest.insert.__module__, "pacsd.index.packs", "pacsd.index.locate"):
        monkeypatch.setattr(f"{module}.sop_hash", lambda uid: 7)
    expected = receive(house, files(1))
    house.pack_all()
    expected |= receive(house, files(1, first=2))
    assert house.data_sets(UID) == expected
