"""Rebuilding the index from blobs and journal: the same truth as before."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pacsd.archive.journal import Fact, FactKind
from pacsd.archive.overlay import Overlays
from pacsd.archive.rebuild import Rebuild, Rebuilt
from pacsd.archive.reject import Rejections
from pacsd.archive.truth import Truth
from pacsd.faults import Fault, PacsdError
from tests.archive.house import House, opened, shown
from tests.conftest import Postgres
from tests.synthetic import small_object, study

ONE, TWO = study(9, 1, name="gb18030"), study(9, 2)
PATIENT = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Corrected^Name"}]}}
STUDY = {"00081030": {"vr": "LO", "Value": ["Corrected description"]}}

# What readers can see, by names that mean something outside of one database.
TRUTH = {
    "studies": """select o.code, s.study_instance_uid, s.patient_id, s.assigning_authority, s.instances, s.series,
        s.received_at, s.attributes, s.more, s.original::text, s.overlay::text, p.overlay::text,
        s.modalities, s.sop_classes, s.patient_ideographic, s.patient_pinyin
        from study s join organisation o on o.pk = s.organisation join patient p on p.pk = s.patient""",
    "series": """select o.code, s.study_instance_uid, r.series_instance_uid, r.instances, r.loose_count,
        r.packed_count, r.last_received_at, r.attributes, r.more, r.sop_classes, r.has_loose, r.fragmented
        from series r join study s on s.pk = r.study join organisation o on o.pk = r.organisation""",
    "instances": """select o.code, i.sop_instance_uid, i.received_at, i.source_ae, i.attributes, i.digest::text, i.key
        from instance i join organisation o on o.pk = i.organisation""",
    "packs": "select key, sidecar_key, generation, instances, size_bytes from pack",
    "located": "select l.hash, r.series_instance_uid from locator l join series r on r.pk = l.series",
    "rejections": """select o.code, x.sop_instance_uid, x.code from rejection x
        join organisation o on o.pk = x.organisation""",
}


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


@pytest.fixture
def empty(postgres: Postgres, migrated_template: str) -> Iterator[str]:
    name, dsn = postgres.create(template=migrated_template)
    yield dsn
    postgres.drop(name)


def truth_of(house: House) -> dict[str, list[Any]]:
    with house.pool.connection() as connection:
        return {name: sorted(connection.execute(text).fetchall(), key=str) for name, text in TRUTH.items()}


def services(house: House) -> tuple[Truth, Overlays, Rejections]:
    where = Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0)
    return where, Overlays(house.journal, where), Rejections(house.journal, where, house.sidecars)


def rebuild(house: House) -> Rebuilt:
    where, overlays, rejections = services(house)
    said: dict[FactKind, Callable[[Fact], None]] = {
        FactKind.PATIENT_OVERLAY: overlays.apply, FactKind.STUDY_OVERLAY: overlays.apply,
        FactKind.REJECT: rejections.apply, FactKind.RESTORE: rejections.apply, FactKind.PURGE: rejections.apply,
    }
    return Rebuild(
        house.blobs, where, house.journal, said, organisations=house.keys,
        character_set_of=lambda code, ae: None, grace_s=0.0,
    ).run()


def live(house: House) -> dict[str, bytes]:
    """A life: two organisations, packs, late arrivals, a merge, corrections, rejections, a purge."""
    some = [small_object(ONE, series=s, instance=n) for s in (1, 2) for n in (1, 2, 3)]
    for file in some:
        house.receive(file)
        house.receive(file, code="west")
    house.receive(small_object(TWO))
    house.pack_all()
    late = [small_object(ONE, series=1, instance=n) for n in (4, 5)]
    for file in late:
        house.receive(file)
        house.pack_all()
    house.merge_all()
    loose = small_object(ONE, series=3)
    house.receive(loose)
    _, overlays, rejections = services(house)
    overlays.set_patient_overlay(assigning_authority="east", patient_id=ONE.patient_id, attributes=PATIENT)
    overlays.set_study_overlay(organisation="west", study_instance_uid=ONE.study_instance_uid, attributes=STUDY)
    overlays.set_study_overlay(organisation="east", study_instance_uid=TWO.study_instance_uid, attributes=STUDY)
    overlays.set_study_overlay(organisation="east", study_instance_uid=TWO.study_instance_uid, attributes={})
    assert rejections.reject("east", ONE.study_instance_uid, ONE.series_instance_uid(2), code="113001") == 3
    assert rejections.restore(
        "east", ONE.study_instance_uid, ONE.series_instance_uid(2), [ONE.sop_instance_uid(2, 1)]
    ) == 1
    assert rejections.purge("west", ONE.study_instance_uid, ONE.series_instance_uid(2)) == 3
    house.merge_all()
    visible = shown([*some, *late, loose])
    for instance in (2, 3):
        del visible[ONE.sop_instance_uid(2, instance)]
    return visible


def test_a_rebuilt_index_tells_the_same_truth(house: House, empty: str) -> None:
    live(house)
    house.collect_all()
    before = truth_of(house)
    with opened(empty, Path(house.blobs.root)) as again:
        done = rebuild(again)
        assert done.refused == 0 and done.packs == len(before["packs"])
        after = truth_of(again)
        for name in TRUTH:
            assert after[name] == before[name], name


def test_every_data_set_is_the_same_after_a_rebuild(house: House, empty: str) -> None:
    expected = live(house)
    plain = house.data_sets(TWO.study_instance_uid)
    before = house.data_sets(ONE.study_instance_uid)
    assert set(before) == set(expected)
    with opened(empty, Path(house.blobs.root)) as again:
        rebuild(again)
        assert again.data_sets(TWO.study_instance_uid) == plain
        after = again.data_sets(ONE.study_instance_uid)
        assert set(after) == set(before)


def test_left_overs_of_packing_and_merging_do_not_count_twice(database: str, empty: str, tmp_path: Path) -> None:
    with opened(database, tmp_path, grace_s=3600.0) as house:
        expected = {}
        for number in range(1, 4):
            file = small_object(ONE, instance=number)
            house.receive(file)
            expected |= shown([file])
            house.pack_all()
        house.merge_all()
        assert len(house.keys_under("packs/")) == 8 and len(house.keys_under("spool/")) == 3
        rows = house.pack_rows(ONE.study_instance_uid)
    with opened(empty, tmp_path) as again:
        rebuild(again)
        assert again.data_sets(ONE.study_instance_uid) == expected
        assert [row.key for row in again.pack_rows(ONE.study_instance_uid)] == [row.key for row in rows]
        again.collect_all()
        assert len(again.keys_under("packs/")) == 2 and again.keys_under("spool/") == []
        assert again.data_sets(ONE.study_instance_uid) == expected


def test_what_replaced_another_wins_again(database: str, empty: str, tmp_path: Path) -> None:
    with opened(database, tmp_path, duplicates="replace", grace_s=3600.0) as house:
        first = [small_object(ONE, instance=number) for number in (1, 2)]
        for file in first:
            house.receive(file)
        house.pack_all()
        other = small_object(ONE, instance=2, size_bytes=5000)
        house.receive(other)
        expected = shown([first[0], other])
        assert house.data_sets(ONE.study_instance_uid) == expected
    with opened(empty, tmp_path, duplicates="replace") as again:
        rebuild(again)
        assert again.data_sets(ONE.study_instance_uid) == expected
        again.pack_all()
        again.merge_all()
        again.collect_all()
        assert again.data_sets(ONE.study_instance_uid) == expected
        assert again.keys_under("spool/") == []
        assert len(again.keys_under("packs/")) == 2 * len(again.pack_rows(ONE.study_instance_uid))


def test_of_contradicting_copies_without_a_fact_the_first_received_counts(
    database: str, empty: str, tmp_path: Path
) -> None:
    with opened(database, tmp_path / "a") as house:
        first = small_object(ONE)
        house.receive(first)
        house.pack_all()
        with opened(database, tmp_path / "b") as other:        # a copy that a crash left behind, never acknowledged
            with pytest.raises(PacsdError):
                other.receive(small_object(ONE, size_bytes=4000))
    with opened(empty, tmp_path / "a") as again:
        rebuild(again)
        assert again.data_sets(ONE.study_instance_uid) == shown([first])


def test_an_organisation_that_is_not_configured_stops_the_rebuild(house: House, empty: str) -> None:
    house.receive(small_object(ONE), code="west")
    house.pack_all()
    house.receive(small_object(TWO), code="west")
    with opened(empty, Path(house.blobs.root)) as again:
        del again.keys["west"]
        with pytest.raises(PacsdError) as caught:
            rebuild(again)
        assert caught.value.fault is Fault.INTERNAL


def test_a_pack_whose_sidecar_is_damaged_is_read_by_its_own_headers(house: House, empty: str) -> None:
    house.receive(small_object(ONE))
    house.receive(small_object(TWO))
    house.pack_all()
    house.collect_all()
    expected = house.data_sets(TWO.study_instance_uid)
    (row,) = house.pack_rows(TWO.study_instance_uid)
    os.truncate(house.blobs.path(row.sidecar_key), 50)
    with opened(empty, Path(house.blobs.root)) as again:
        assert rebuild(again).refused == 0
        assert again.data_sets(TWO.study_instance_uid) == expected
        again.pack_all()
        again.collect_all()
        assert again.data_sets(TWO.study_instance_uid) == expected
        (packed,) = again.pack_rows(TWO.study_instance_uid)
        assert packed.key != row.key
        assert row.key not in again.keys_under("packs/")


def test_a_damaged_pack_is_counted_and_nothing_else_is_lost(house: House, empty: str) -> None:
    house.receive(small_object(ONE))
    house.receive(small_object(TWO))
    house.pack_all()
    house.collect_all()
    expected = house.data_sets(ONE.study_instance_uid)
    (row,) = house.pack_rows(TWO.study_instance_uid)
    house.blobs.delete([row.sidecar_key])
    os.truncate(house.blobs.path(row.key), 700)
    with opened(empty, Path(house.blobs.root)) as again:
        assert rebuild(again).refused == 1
        assert again.data_sets(ONE.study_instance_uid) == expected
        again.collect_all()
        assert row.key in again.keys_under("packs/")
