"""Rebuilding the index from blobs and journal: the same truth as before."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from config.settings import OrganisationSettings, Settings, StorageSettings
from pacsd.archive.frames import Frames
from pacsd.archive.journal import Fact, FactKind
from pacsd.archive.metadata import Metadata
from pacsd.archive.overlay import Overlays
from pacsd.archive.pack import Packer
from pacsd.archive.rebuild import Rebuild, Rebuilt
from pacsd.archive.reject import Rejections
from pacsd.archive.services import open_archive
from pacsd.archive.truth import Truth
from pacsd.archive.upkeep import Upkeep
from pacsd.faults import Fault, PacsdError
from pacsd.index.completion import complete_studies
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
        **rejections.appliers,
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
    with opened(empty, Path(house.local.root)) as again:
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
    with opened(empty, Path(house.local.root)) as again:
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
    with opened(empty, Path(house.local.root)) as again:
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
    os.truncate(house.local.path(row.sidecar_key), 50)
    with opened(empty, Path(house.local.root)) as again:
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
    os.truncate(house.local.path(row.key), 700)
    with opened(empty, Path(house.local.root)) as again:
        assert rebuild(again).refused == 1
        assert again.data_sets(ONE.study_instance_uid) == expected
        again.collect_all()
        assert row.key in again.keys_under("packs/")


def without_sidecar(house: House, count: int) -> tuple[str, dict[str, bytes]]:
    """A packed series whose sidecar is lost: after a rebuild its instances are loose rows within the old pack."""
    files = [small_object(TWO, instance=number) for number in range(1, count + 1)]
    for file in files:
        house.receive(file)
    house.pack_all()
    house.collect_all()
    (row,) = house.pack_rows(TWO.study_instance_uid)
    house.blobs.delete([row.sidecar_key])
    return row.key, shown(files)


def test_loose_instances_within_one_pack_are_told_apart(house: House, empty: str) -> None:
    _, expected = without_sidecar(house, 3)
    with opened(empty, Path(house.local.root)) as again:
        rebuild(again)
        scope = again.peer("east").scope
        contents = lambda scope, selection: again.contents(TWO.study_instance_uid)  # noqa: E731
        told = Metadata(again.blobs, contents, again.sidecars, lambda code, ae: None)
        frames = Frames(again.retrieve, again.blobs, again.sidecars)
        text = b"".join(told.series(scope, TWO.study_instance_uid, TWO.series_instance_uid(1), base_url="").chunks)
        assert {one["00080018"]["Value"][0] for one in orjson.loads(text)} == set(expected)
        for sop, dataset in expected.items():
            found = frames.read(scope, TWO.study_instance_uid, TWO.series_instance_uid(1), sop, [1])
            pixels = b"".join(piece for _, pieces in found.frames for piece in pieces)
            assert len(pixels) == 512 and pixels in dataset


def test_a_pack_stays_while_loose_instances_are_read_from_it(house: House, empty: str) -> None:
    key, expected = without_sidecar(house, 4)
    with opened(empty, Path(house.local.root), duplicates="replace") as again:
        rebuild(again)
        _, _, rejections = services(again)
        gone = TWO.sop_instance_uid(1, 1)
        assert rejections.purge("east", TWO.study_instance_uid, None, [gone]) == 1
        del expected[gone]
        again.collect_all()
        assert again.data_sets(TWO.study_instance_uid) == expected

        other = small_object(TWO, instance=2, size_bytes=5000)
        again.receive(other)
        expected |= shown([other])
        again.collect_all()
        assert again.data_sets(TWO.study_instance_uid) == expected

        packer = again.make_packer(max_pack_bytes=4000)          # several packs, and no time for the last one
        (content,) = again.contents(TWO.study_instance_uid)
        with pytest.raises(Stopped):
            stopped_after(packer, 1).pack_series(content)
        again.collect_all()
        assert again.data_sets(TWO.study_instance_uid) == expected

        again.pack_all()
        again.merge_all()
        again.collect_all()
        again.collect_all()
        assert again.data_sets(TWO.study_instance_uid) == expected
        assert key not in again.keys_under("packs/")


class Stopped(Exception):
    """The process ended here."""


def stopped_after(packer: Packer, packs: int) -> Packer:
    """The packer, ended once it has committed so many packs."""
    index = packer._index

    class Ending:
        left = packs

        def __getattr__(self, name: str) -> Any:
            return getattr(index, name)

        def commit_pack(self, *arguments: Any, **options: Any) -> None:
            if self.left == 0:
                raise Stopped
            self.left -= 1
            index.commit_pack(*arguments, **options)

    packer._index = Ending()  # type: ignore[assignment]
    return packer


def test_a_merge_that_ended_between_its_packs_loses_nothing(database: str, empty: str, tmp_path: Path) -> None:
    with opened(database, tmp_path, duplicates="replace") as house:
        files = [small_object(ONE, instance=number) for number in range(1, 9)]
        for start in (0, 4):
            for file in files[start : start + 4]:
                house.receive(file)
            house.pack_all()
            house.collect_all()
        others = [small_object(ONE, instance=number, size_bytes=2000) for number in (1, 5)]
        for file in others:
            house.receive(file)
        expected = shown(files) | shown(others)
        assert house.data_sets(ONE.study_instance_uid) == expected
        (content,) = house.contents(ONE.study_instance_uid)
        merger = house.make_merger(max_pack_bytes=7000)
        puts = []

        def put(key: str, data: bytes) -> object:
            if puts:
                raise Stopped
            puts.append(key)
            return type(house.blobs).put(house.blobs, key, data)

        house.blobs.put = put  # type: ignore[assignment, method-assign]
        with pytest.raises(Stopped):
            merger.merge_series(content)
        assert len(puts) == 1
    with opened(empty, tmp_path, duplicates="replace") as again:
        rebuild(again)
        assert again.data_sets(ONE.study_instance_uid) == expected
        again.collect_all()
        again.collect_all()
        assert again.data_sets(ONE.study_instance_uid) == expected


@pytest.mark.parametrize("size_bytes", [2600, 5000])
def test_what_came_after_a_purge_survives_a_rebuild(
    database: str, empty: str, tmp_path: Path, size_bytes: int
) -> None:
    with opened(database, tmp_path, grace_s=3600.0) as house:
        house.receive(small_object(ONE))
        house.receive(small_object(ONE, instance=2))
        house.pack_all()
        _, _, rejections = services(house)
        rejections.purge("east", ONE.study_instance_uid)
        again = small_object(ONE, size_bytes=size_bytes)
        house.receive(again)
        assert house.data_sets(ONE.study_instance_uid) == shown([again])
    with opened(empty, tmp_path) as rebuilt:
        rebuild(rebuilt)
        assert rebuilt.data_sets(ONE.study_instance_uid) == shown([again])
        rebuilt.collect_all()
        assert rebuilt.data_sets(ONE.study_instance_uid) == shown([again])


@pytest.mark.parametrize("grace_s", [0.0, 3600.0])
def test_what_was_rejected_and_purged_stays_away_after_a_rebuild(
    database: str, empty: str, tmp_path: Path, grace_s: float
) -> None:
    with opened(database, tmp_path, grace_s=grace_s) as house:
        one, two, three = (small_object(ONE, instance=number) for number in (1, 2, 3))
        for file in (one, two, three):
            house.receive(file)
        house.pack_all()
        _, _, rejections = services(house)
        sops = [ONE.sop_instance_uid(1, number) for number in (1, 2)]
        rejections.reject("east", ONE.study_instance_uid, None, sops, code="113001")
        rejections.restore("east", ONE.study_instance_uid, None, sops[1:])
        rejections.purge("east", ONE.study_instance_uid, None, sops)
        house.merge_all()
        house.collect_all()
        before = truth_of(house)["rejections"]
        assert before == [("east", sops[0], "113001")]
    with opened(empty, tmp_path) as again:
        rebuild(again)
        assert truth_of(again)["rejections"] == before
        with pytest.raises(PacsdError) as caught:
            again.receive(one)
        assert caught.value.fault is Fault.REFUSED
        again.receive(two)
        assert again.data_sets(ONE.study_instance_uid) == shown([two, three])


@pytest.mark.parametrize(("news_s", "told"), [(3600.0, 1), (-5.0, 0)])
def test_studies_of_long_ago_are_not_told_of_once_more(
    house: House, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, news_s: float, told: int
) -> None:
    house.receive(small_object(study(31)))
    organisations = tuple(OrganisationSettings(code) for code in house.keys)
    settings = Settings(organisations=organisations, data_dir=tmp_path, storage=StorageSettings(reserve_bytes=0))
    monkeypatch.setattr("pacsd.archive.upkeep._NEWS_S", news_s)
    archive = open_archive(settings, empty)
    try:
        assert list(Upkeep(settings, archive).rebuild(lambda *_: None)) == []
        assert complete_studies(archive.pool, quiet_s=-5.0) == told
    finally:
        archive.close()
