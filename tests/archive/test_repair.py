"""Repair: what was durable but not visible becomes visible, what was never finished goes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.archive.ingest import Ingest
from pacsd.archive.reject import Rejections
from pacsd.archive.repair import Repair, Repaired
from pacsd.archive.truth import Truth
from pacsd.blobs import Spool
from pacsd.faults import Fault, PacsdError
from tests.archive.house import House, opened, shown
from tests.synthetic import small_object, study

WORLD = study(10)
UID = WORLD.study_instance_uid


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def forget(house: House, sops: list[str]) -> None:
    """What a crash of PostgreSQL takes back."""
    with house.pool.connection() as connection, connection.transaction():
        connection.execute("delete from instance where sop_instance_uid = any(%s)", (sops,))
        connection.execute(
            """update series r set instances = n, loose_count = n, has_loose = n > 0
            from (select pk, (select count(*)::integer from instance i where i.series = s.pk) as n from series s) c
            where c.pk = r.pk"""
        )


def test_nothing_to_do_after_a_clean_stop(house: House) -> None:
    house.receive(small_object(WORLD))
    house.pack_all()
    house.receive(small_object(WORLD, instance=2))
    assert house.repair().run().indexed == 0


def test_objects_the_index_lost_are_indexed_again(house: House) -> None:
    files = [small_object(WORLD, instance=n) for n in range(1, 6)]
    for file in files:
        house.receive(file)
    expected = shown(files)
    lost = sorted(expected)[:3]
    forget(house, lost)
    assert set(house.data_sets(UID)) == set(expected) - set(lost)
    assert house.repair().run().indexed == 3
    assert house.data_sets(UID) == expected
    assert house.repair().run().indexed == 0


def test_a_whole_index_comes_back_from_the_spool(house: House) -> None:
    files = [small_object(WORLD, instance=n) for n in range(1, 4)]
    for file in files:
        house.receive(file)
    before = house.contents(UID)[0].loose
    with house.pool.connection() as connection:
        for table in ("instance", "series", "study", "name_gram", "patient"):
            connection.execute(f"delete from {table}")
    house.writing.__init__(house.pool)  # type: ignore[misc]
    house.repair().run()
    assert house.data_sets(UID) == shown(files)
    assert house.contents(UID)[0].loose == before          # times of arrival and sources included


def test_incomplete_files_stay_for_an_hour_and_then_go(house: House) -> None:
    reception = house.ingest.receive_part10(house.peer("east"))
    reception.write(small_object(WORLD)[:2000] + bytes(300_000))
    unfinished = house.keys_under("spool/")
    assert len(unfinished) == 1
    assert house.repair().run().unfinished >= 1
    assert house.keys_under("spool/") == unfinished
    os.utime(house.local.path(unfinished[0]), (1e9, 1e9))
    assert house.repair().run().removed == 1
    assert house.keys_under("spool/") == [] and house.data_sets(UID) == {}


def test_a_sealed_file_that_rotted_is_not_indexed(house: House) -> None:
    house.receive(small_object(WORLD))
    (key,) = house.keys_under("spool/")
    with open(house.local.path(key), "r+b") as file:
        file.seek(2000)
        file.write(b"rot")
    forget(house, [WORLD.sop_instance_uid(1, 1)])
    assert house.repair().run().indexed == 0
    assert house.data_sets(UID) == {}


def test_a_missing_file_is_reported_and_its_row_kept(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.receive(small_object(WORLD))
    (key,) = house.keys_under("spool/")
    os.unlink(house.local.path(key))
    assert house.repair().run().missing == 1
    assert any(getattr(record, "key", "") == key and record.levelname == "ERROR" for record in caplog.records)
    assert len(house.contents(UID)[0].loose) == 1


def test_what_was_packed_or_rejected_does_not_come_back(house: House) -> None:
    file = small_object(WORLD)
    house.receive(file)
    (key,) = house.keys_under("spool/")
    kept = Path(house.local.path(key)).read_bytes()
    house.pack_all()
    house.collect_all()
    os.makedirs(os.path.dirname(house.local.path(key)), exist_ok=True)
    Path(house.local.path(key)).write_bytes(kept)           # a deletion that was never made durable, say
    house.repair().run()
    assert house.keys_under("spool/") == []
    assert house.data_sets(UID) == shown([file])


def test_only_unknown_files_are_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 4):
        house.receive(small_object(WORLD, instance=number))
    read: list[str] = []
    monkeypatch.setattr(Repair, "_read", lambda self, key: read.append(key))
    assert house.repair().run() == Repaired(unfinished=len(read))
    assert not set(read) & set(house.keys_under("spool/"))


def test_a_reception_whose_file_was_taken_for_a_left_over_is_not_acknowledged(house: House) -> None:
    reception = house.ingest.receive_part10(house.peer("east"))
    reception.write(small_object(WORLD, size_bytes=200_000))
    repair = Repair(
        house.blobs, house.inventory, house.arrivals.admit, organisations=house.keys,
        character_set_of=lambda code, ae: None, now=lambda: time.time() + 7200,      # the clock jumps ahead
    )
    assert repair.run().removed >= 1
    with pytest.raises(PacsdError) as caught:
        reception.commit()
    assert caught.value.fault is Fault.UNAVAILABLE
    assert house.data_sets(UID) == {}


def test_of_two_that_replaced_each_other_the_later_comes_back(database: str, tmp_path: Path) -> None:
    with opened(database, tmp_path, duplicates="replace", grace_s=3600.0) as house:
        spool = Spool(tmp_path, reserve_bytes=0)                             # of another process
        spool.create("east").abort()
        first_bucket = Ingest(spool, house.arrivals)
        one, two = small_object(WORLD, size_bytes=3000), small_object(WORLD, size_bytes=4000)
        house.receive(one)
        reception = first_bucket.receive_part10(house.peer("east"))          # its names sort first
        reception.write(two)
        reception.commit()
        assert house.data_sets(UID) == shown([two])
        forget(house, [WORLD.sop_instance_uid(1, 1)])
        with house.pool.connection() as connection:
            connection.execute("delete from garbage")
        house.repair().run()
        assert house.data_sets(UID) == shown([two])
        assert len(list(house.journal.replay())) == 1


def test_what_was_purged_while_a_repair_ran_is_not_indexed_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.grace_s = 3600.0
    house.receive(small_object(WORLD))
    known = list(house.inventory.known_keys("spool/"))
    later = small_object(WORLD, instance=2)
    house.receive(later)
    truth = Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=3600.0)
    Rejections(house.journal, truth, house.sidecars).purge("east", UID, None, [WORLD.sop_instance_uid(1, 2)])
    repair = house.repair()
    monkeypatch.setattr(house.inventory, "known_keys", lambda prefix: iter(known))      # as it was before
    repair.run()
    assert house.data_sets(UID) == shown([small_object(WORLD)])


def test_a_quarantine_that_ended_halfway_is_brought_to_its_end(database: str, tmp_path: Path) -> None:
    with opened(database, tmp_path, duplicates="quarantine") as house:
        house.receive(small_object(WORLD))
        delete = house.blobs.delete
        house.blobs.delete = lambda keys: None  # type: ignore[method-assign]
        with pytest.raises(PacsdError):
            house.receive(small_object(WORLD, size_bytes=4000))
        house.blobs.delete = delete  # type: ignore[method-assign]
        assert len(house.keys_under("spool/")) == 2
        house.repair().run()
        assert len(house.keys_under("spool/")) == 1 and len(house.keys_under("quarantine/")) == 1
