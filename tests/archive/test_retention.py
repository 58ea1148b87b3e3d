"""Deleting by rule: what goes, what stays, who is told first, and that it is deleted once and for good."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pacsd.archive.rejection_note import RETENTION, read_note
from pacsd.archive.rejection_note_writing import EXPLICIT_LITTLE_ENDIAN, Referenced, WrittenNote, write_note
from pacsd.archive.retention import Expired, Kept, Retention
from pacsd.codec.part10 import build_meta
from pacsd.codec.walk import BytesReader
from pacsd.faults import Fault, PacsdError
from pacsd.index.retention import Rule
from tests.archive.house import House, opened, shown
from tests.archive.test_rebuild import rebuild
from tests.clients import require
from tests.synthetic import Study, rejection_note, small_object, study

TODAY = date(2026, 11, 29)
OLD = study(81, 1, study_date="20100101", modality="CT", birth_date="19500101")
NEW = study(81, 2, study_date="20251231", modality="CT", birth_date="19500101")
CHILD = study(81, 3, study_date="20100101", modality="CT", birth_date="20050630")
NAMELESS = study(81, 4, study_date="20100101", modality="CT", birth_date="")
MAMMO = study(81, 5, study_date="20100101", modality="MG", birth_date="19500101")
YEARS = 365


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


@pytest.fixture
def empty(postgres, migrated_template: str) -> Iterator[str]:  # type: ignore[no-untyped-def]
    name, dsn = postgres.create(template=migrated_template)
    yield dsn
    postgres.drop(name)


class Told:
    """Who was sent which note; those named in `away` do not answer."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str, WrittenNote]] = []
        self.away: set[str] = set()

    def __call__(self, title: str, organisation: str, note: WrittenNote) -> None:
        if title in self.away:
            raise PacsdError(Fault.UNAVAILABLE, f"{title} does not answer")
        self.notes.append((title, organisation, note))


def retention(house: House, *rules: Kept, told: Told | None = None, today: date = TODAY) -> Retention:
    return Retention(
        house.pool, house.truth, house.rejections, house.sidecars, told or Told(), rules=rules,
        codes={key: code for code, key in house.keys.items()}, today=lambda: today,
    )  # fmt: skip


def fill(house: House, *studies: Study, code: str = "east") -> None:
    for one in studies:
        for number in (1, 2):
            house.receive(small_object(one, instance=number), code=code)


def due(house: House, *rules: Rule, today: date = TODAY) -> set[str]:
    return {one.study_instance_uid for one in retention(house, *map(Kept, rules), today=today).due()}


def uids(*studies: Study) -> set[str]:
    return {one.study_instance_uid for one in studies}


def test_without_a_rule_everything_stays(house: House) -> None:
    fill(house, OLD)
    assert due(house) == set()


def test_a_study_is_due_the_day_after_its_last(house: House) -> None:
    fill(house, OLD, NEW)
    rule = Rule(10 * YEARS)
    last = date(2010, 1, 1) + timedelta(days=10 * YEARS)
    assert due(house, rule, today=last) == set()
    assert due(house, rule, today=last + timedelta(days=1)) == uids(OLD)
    assert due(house, rule) == uids(OLD)


def test_of_several_rules_the_longest_counts(house: House) -> None:
    fill(house, OLD, MAMMO)
    ten, thirty = Rule(10 * YEARS), Rule(30 * YEARS, modality="MG")
    assert due(house, ten, thirty) == uids(OLD)
    assert due(house, thirty) == set()
    assert due(house, Rule(10 * YEARS, modality="MG")) == uids(MAMMO)
    assert due(house, ten) == uids(OLD, MAMMO)


def test_a_rule_of_an_organisation_touches_no_other(house: House) -> None:
    fill(house, OLD)
    fill(house, OLD, code="west")
    rules = retention(house, Kept(Rule(10 * YEARS, house.keys["west"])))
    assert [one.organisation for one in rules.due()] == [house.keys["west"]]
    rules.run()
    assert house.data_sets(OLD.study_instance_uid, code="west") == {}
    assert len(house.data_sets(OLD.study_instance_uid)) == 2


def test_studies_of_minors_stay_until_they_are_of_age_and_those_without_a_birth_date_for_ever(house: House) -> None:
    fill(house, OLD, CHILD, NAMELESS)
    rule = Rule(10 * YEARS, minors_until_age=28)
    assert due(house, rule) == uids(OLD)
    assert due(house, rule, today=date(2033, 6, 30)) == uids(OLD)
    assert due(house, rule, today=date(2033, 7, 1)) == uids(OLD, CHILD)
    assert due(house, Rule(10 * YEARS)) == uids(OLD, CHILD, NAMELESS)


def test_what_arrived_lately_stays_under_a_rule_that_counts_from_then(house: House) -> None:
    fill(house, OLD)
    now = datetime.now(UTC).date()
    rule = Rule(30, since="last_received")
    assert due(house, rule, today=now + timedelta(days=30)) == set()
    assert due(house, rule, today=now + timedelta(days=32)) == uids(OLD)


def test_a_study_on_hold_stays_until_it_is_released(house: House) -> None:
    fill(house, OLD)
    rules = retention(house, Kept(Rule(10 * YEARS)))
    (study_due,) = rules.due()
    house.rejections.hold("east", OLD.study_instance_uid, reason="in court")
    assert list(rules.due()) == []
    with pytest.raises(PacsdError) as caught:
        rules.let_go(study_due)
    assert caught.value.fault is Fault.CONFLICT
    assert len(house.data_sets(OLD.study_instance_uid)) == 2
    house.rejections.release("east", OLD.study_instance_uid, reason="decided")
    assert rules.run() is False
    assert house.data_sets(OLD.study_instance_uid) == {}


def test_what_goes_leaves_nothing_and_stays_away_after_a_rebuild(
    database: str, empty: str, tmp_path: Path
) -> None:
    with opened(database, tmp_path) as house:
        fill(house, OLD, NEW)
        house.pack_all()
        house.receive(small_object(OLD, instance=3))
        house.rejections.hold("east", NEW.study_instance_uid, reason="in court")
        rules = retention(house, Kept(Rule(10 * YEARS)))
        rules.run()
        rules.run()
        house.merge_all()
        house.collect_all()
        house.collect_all()
        assert house.contents(OLD.study_instance_uid) == []
        assert len(house.keys_under("packs/")) == 2 and house.keys_under("spool/") == []
    with opened(empty, tmp_path) as again:
        rebuild(again)
        assert again.contents(OLD.study_instance_uid) == []
        with pytest.raises(PacsdError):
            again.rejections.purge("east", NEW.study_instance_uid)


def test_a_study_goes_only_when_everybody_has_taken_the_note_and_the_note_is_the_same_each_time(house: House) -> None:
    fill(house, OLD)
    house.pack_all()
    house.receive(small_object(OLD, instance=3))
    told = Told()
    told.away = {"SECOND"}
    rules = retention(house, Kept(Rule(10 * YEARS), ("FIRST", "SECOND")), told=told)
    rules.run()
    assert len(house.data_sets(OLD.study_instance_uid)) == 3
    told.away.clear()
    rules.run()
    assert house.data_sets(OLD.study_instance_uid) == {}
    assert [title for title, _, _ in told.notes] == ["FIRST", "FIRST", "SECOND"]
    assert len({note for _, _, note in told.notes}) == 1
    note = told.notes[0][2]
    read = read_note(
        BytesReader(note.dataset), offset_bytes=0, length_bytes=len(note.dataset),
        transfer_syntax_uid=EXPLICIT_LITTLE_ENDIAN,
    )  # fmt: skip
    assert read is not None and read.code == RETENTION
    sops = [OLD.sop_instance_uid(1, number) for number in (1, 2, 3)]
    assert {uid: sorted(some) for uid, some in read.references[OLD.study_instance_uid].items()} == {
        OLD.series_instance_uid(1): sorted(sops)
    }


def test_dcmtk_reads_the_note_that_is_sent(tmp_path: Path) -> None:
    require("dsrdump")
    named = [Referenced("1.2.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.1.1")]
    named.append(Referenced("1.2.2", "1.2.840.10008.5.1.4.1.1.88.11", "1.2.2.1"))
    named.append(Referenced("1.2.3", "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.3.1"))
    name = {"vr": "PN", "Value": [{"Alphabetic": "Zhang^San", "Ideographic": "张^三"}]}
    attributes = {"0020000D": {"vr": "UI", "Value": ["1.2"]}, "00100010": name}
    note = write_note(RETENTION, attributes, named, organisation="east", on=TODAY)
    meta = build_meta(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.88.59", sop_instance_uid=note.sop_instance_uid,
        transfer_syntax_uid=EXPLICIT_LITTLE_ENDIAN, source_ae="", receiving_ae="", receipt=None,
    )  # fmt: skip
    (tmp_path / "note.dcm").write_bytes(meta.data + note.dataset)
    done = subprocess.run(["dsrdump", "+Pu", tmp_path / "note.dcm"], capture_output=True, text=True, check=False)
    # what this DCMTK says of itself
    beside = ("W: The VR checker does not support", "W: Check for template constraints not yet supported")
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if not line.startswith(beside)] == []
    assert "Data Retention Policy Expired" in done.stdout and "contains IMAGE" in done.stdout


def test_what_a_note_says_was_kept_long_enough_is_deleted_after_a_while(house: House) -> None:
    fill(house, OLD, NEW)
    of = [(one.study_instance_uid, one.series_instance_uid(1), one.sop_instance_uid(1, 1)) for one in (OLD, NEW)]
    house.receive(rejection_note(OLD, of, code=RETENTION))
    house.rejections.hold("east", NEW.study_instance_uid, reason="in court")

    def expired(after_s: float) -> None:
        codes = {key: code for code, key in house.keys.items()}
        assert Expired(house.pool, house.rejections, codes=codes, after_s=after_s).run() is False

    expired(3600.0)
    assert house.rejections.restore("east", OLD.study_instance_uid) == 1
    house.rejections.reject("east", OLD.study_instance_uid, None, [OLD.sop_instance_uid(1, 1)], code=RETENTION)
    expired(0.0)
    expired(0.0)
    house.collect_all()
    house.collect_all()
    assert house.data_sets(OLD.study_instance_uid) == shown([small_object(OLD, instance=2)])
    with pytest.raises(PacsdError) as caught:
        house.receive(small_object(OLD, instance=1))
    assert caught.value.fault is Fault.REFUSED
    assert len(house.keys_under("spool/")) == 4          # both of NEW, one of OLD, and the note
