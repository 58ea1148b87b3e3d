"""What is stated of patients reaches every study of theirs, those that come later too; merges lose nothing."""

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pacsd.archive.catch_up import CatchUp
from pacsd.archive.journal import FactKind
from pacsd.archive.overlay import Overlays
from pacsd.archive.reject import Rejections
from pacsd.archive.truth import Truth
from pacsd.faults import Fault, PacsdError
from pacsd.identity.patients import PatientKey, Patients, Statement, appliers
from pacsd.index import messages as message_rows
from pacsd.index.pipelined import pipelined
from pacsd.messages.inbox import Work
from tests.archive.house import House, opened
from tests.synthetic import small_object, study

NAME = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "张^三"}]}}
SEX = "00100040"
BIRTH = {"00100030": {"vr": "DA", "Value": ["19800101"]}}


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def key(patient_id: str, authority: str = "east") -> PatientKey:
    return PatientKey(authority, patient_id)


@contextmanager
def working(house: House) -> Iterator[Work]:
    with message_rows.keeping(house.pool) as connection:
        work = Work(connection, house.keys["east"], lambda: datetime.now(UTC))
        yield work
        if work.facts:
            house.journal.append_all(work.facts)


def state(house: House, one: PatientKey, attributes: dict[str, Any]) -> dict[str, Any]:
    with working(house) as work:
        return dict(Patients().state(work, one, attributes))


def merge(house: House, prior: str, into: str) -> bool:
    with working(house) as work:
        return Patients().merge(work, prior=key(prior), survivor=key(into))


def patient_of(house: House, uid: str, code: str = "east") -> tuple[str, str]:
    """Patient id and alphabetic name of a study, as searches see them."""
    with house.pool.connection() as connection:
        row = connection.execute(
            "select patient_id, patient_alphabetic from study where study_instance_uid = %s and organisation = %s",
            (uid, house.keys[code]),
        ).fetchone()
    assert row is not None
    return row


def overlay_of(house: House, uid: str) -> dict[str, Any]:
    """As objects and metadata are given out with."""
    return dict(house.contents(uid)[0].overlay)


def test_a_statement_counts_for_studies_that_are_there_and_for_those_that_come(house: House) -> None:
    first, second = study(1, patient_id="P1"), study(2, patient_id="P1")
    house.receive(small_object(first))
    assert state(house, key("P1"), NAME) == NAME
    house.receive(small_object(second))
    for one in (first, second):
        assert patient_of(house, one.study_instance_uid) == ("P1", "张 三")
        assert overlay_of(house, one.study_instance_uid) == NAME


def test_a_statement_may_come_before_any_image(house: House) -> None:
    state(house, key("P1"), {**NAME, **BIRTH})
    one = study(1, patient_id="P1")
    house.receive(small_object(one))
    assert patient_of(house, one.study_instance_uid) == ("P1", "张 三")
    house.receive(small_object(study(2, patient_id="P1")), code="west")
    assert patient_of(house, study(2, patient_id="P1").study_instance_uid, "west")[1] != "张 三"


def test_what_is_not_said_stays_and_what_is_deleted_is_shown_empty(house: House) -> None:
    one = study(1, patient_id="P1")
    house.receive(small_object(one))
    state(house, key("P1"), NAME)
    assert state(house, key("P1"), BIRTH) == BIRTH
    assert overlay_of(house, one.study_instance_uid) == {**NAME, **BIRTH}
    assert state(house, key("P1"), {"00100010": None}) == {"00100010": {}}
    assert patient_of(house, one.study_instance_uid) == ("P1", None)


def test_what_was_said_already_is_not_said_again(house: House) -> None:
    state(house, key("P1"), NAME)
    said = len(list(house.journal.replay()))
    assert state(house, key("P1"), NAME) == {}
    assert len(list(house.journal.replay())) == said


@pytest.mark.parametrize(
    ("one", "attributes"),
    [(key(""), NAME), (key("A\\B"), NAME), (key("x" * 65), NAME), (PatientKey("", "P"), NAME),
     (key("P"), {"0020000D": {"vr": "UI"}}), (key("P"), {"00100020": {"vr": "LO", "Value": ["X"]}})],
)  # fmt: skip
def test_what_no_feed_may_state_is_refused(house: House, one: PatientKey, attributes: dict[str, Any]) -> None:
    with pytest.raises(PacsdError) as caught:
        state(house, one, attributes)
    assert caught.value.fault is Fault.MALFORMED and list(house.journal.replay()) == []


def test_a_merge_moves_studies_that_are_there_and_those_that_come(house: House) -> None:
    early, late, own = study(1, patient_id="OLD"), study(2, patient_id="OLD"), study(3, patient_id="NEW")
    house.receive(small_object(early))
    house.receive(small_object(own))
    state(house, key("NEW"), NAME)
    assert merge(house, "OLD", "NEW") is True
    house.receive(small_object(late))
    for one in (early, late, own):
        assert patient_of(house, one.study_instance_uid) == ("NEW", "张 三")
        assert overlay_of(house, one.study_instance_uid)["00100020"] == {"vr": "LO", "Value": ["NEW"]}
    assert merge(house, "OLD", "NEW") is False
    state(house, key("NEW"), BIRTH)
    assert overlay_of(house, late.study_instance_uid)["00100030"] == BIRTH["00100030"]


def test_changes_are_told_to_whoever_listens(house: House) -> None:
    state(house, key("P1"), NAME)
    state(house, key("P1"), NAME)
    merge(house, "OLD", "P1")
    with house.pool.connection() as connection:
        told = connection.execute("select topic, subject, body, organisation from event order by pk").fetchall()
    named = {"assigning_authority": "east", "patient_id": "P1"}
    assert told == [
        ("patient.updated", "east P1", {**named, "attributes": ["00100010"]}, house.keys["east"]),
        ("patient.merged", "east P1", {**named, "prior": "OLD"}, house.keys["east"]),
    ]


def test_merges_chain(house: House) -> None:
    one = study(1, patient_id="A")
    house.receive(small_object(one))
    merge(house, "A", "B")
    merge(house, "B", "C")
    house.receive(small_object(study(2, patient_id="A")))
    house.receive(small_object(study(3, patient_id="B")))
    for n, name in ((1, "A"), (2, "A"), (3, "B")):
        assert patient_of(house, study(n, patient_id=name).study_instance_uid)[0] == "C"


def test_patients_that_nobody_has_seen_can_be_merged(house: House) -> None:
    merge(house, "OLD", "NEW")
    one = study(1, patient_id="OLD")
    house.receive(small_object(one))
    assert patient_of(house, one.study_instance_uid)[0] == "NEW"


@pytest.mark.parametrize(
    ("prior", "into", "fault"),
    [("A", "A", Fault.CONFLICT), ("A", "C", Fault.NOT_FOUND), ("C", "A", Fault.NOT_FOUND), ("B", "A", Fault.NOT_FOUND)],
)
def test_merges_that_make_no_sense_change_nothing(house: House, prior: str, into: str, fault: Fault) -> None:
    house.receive(small_object(study(1, patient_id="A")))
    merge(house, "A", "B")
    said = len(list(house.journal.replay()))
    with pytest.raises(PacsdError) as caught:
        merge(house, prior, into)
    assert caught.value.fault is fault and len(list(house.journal.replay())) == said
    assert patient_of(house, study(1, patient_id="A").study_instance_uid)[0] == "B"


def test_patients_of_two_authorities_are_never_merged(house: House) -> None:
    with pytest.raises(PacsdError) as caught, working(house) as work:
        Patients().merge(work, prior=key("A"), survivor=key("A", "west"))
    assert caught.value.fault is Fault.CONFLICT


def test_a_merged_patient_cannot_be_stated_any_more(house: House) -> None:
    merge(house, "OLD", "NEW")
    with pytest.raises(PacsdError) as caught:
        state(house, key("OLD"), NAME)
    assert caught.value.fault is Fault.NOT_FOUND


def test_what_was_stated_of_a_patient_outlives_its_images(house: House) -> None:
    one = study(1, patient_id="P1")
    house.receive(small_object(one))
    state(house, key("P1"), NAME)
    truth = Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0)
    Rejections(house.journal, truth, house.sidecars).purge("east", one.study_instance_uid)
    house.receive(small_object(study(2, patient_id="P1")))
    assert patient_of(house, study(2, patient_id="P1").study_instance_uid)[1] == "张 三"


def shown(house: House) -> list[tuple[Any, ...]]:
    """Everything that readers see of studies, and under whom they stand."""
    with house.pool.connection() as connection:
        return connection.execute(
            """select s.study_instance_uid, s.patient_id, s.attributes, s.more, p.patient_id, p.overlay, n.patient_id
            from study s join patient p on p.pk = s.patient left join patient n on n.pk = s.named_patient
            order by s.study_instance_uid"""
        ).fetchall()


def test_a_rebuild_from_journal_and_blobs_shows_the_same(house: House) -> None:
    studies = [study(n, patient_id=name) for n, name in enumerate("ABCD", 1)]
    for one in studies:
        house.receive(small_object(one))
    state(house, key("B"), NAME)
    merge(house, "A", "B")
    state(house, key("C"), BIRTH)
    merge(house, "B", "C")
    state(house, key("C"), NAME)
    before = shown(house)
    truth = Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0)
    said = Overlays(house.journal, truth)
    apply = {FactKind.PATIENT_OVERLAY: said.apply, **appliers(house.pool)}
    CatchUp(house.journal, apply).run(datetime(2020, 1, 1, tzinfo=UTC))
    assert shown(house) == before, "what is in effect is applied again without a trace"
    with house.pool.connection() as connection:
        connection.execute("update patient set overlay = '{}', overlaid_at = null, survivor = null, merged_into = null")
        connection.execute("update study set patient = named_patient where named_patient is not null")
        connection.execute("update study set named_patient = null")
    for fact in house.journal.replay():
        apply[fact.kind](fact)
        apply[fact.kind](fact)
    assert shown(house) == before


def test_images_that_arrive_while_patients_are_merged_are_never_lost(house: House) -> None:
    draw = random.Random(7)
    rounds, patients = 12, [f"R{n}" for n in range(12)]
    studies = {(name, n): study(100 + 20 * patients.index(name) + n, patient_id=name)
               for name in patients for n in range(4)}  # fmt: skip
    failures: list[Exception] = []

    def send(names: list[tuple[str, int]]) -> None:
        try:
            for one in names:
                house.receive(small_object(studies[one]))
        except Exception as error:
            failures.append(error)

    def merging() -> None:
        try:
            for n in range(rounds - 1):
                merge(house, f"R{n}", f"R{n + 1}")
        except Exception as error:
            failures.append(error)

    order = list(studies)
    draw.shuffle(order)
    threads = [threading.Thread(target=send, args=(order[n::2],)) for n in range(2)]
    threads.append(threading.Thread(target=merging))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures and not any(thread.is_alive() for thread in threads)
    assert {patient_of(house, one.study_instance_uid)[0] for one in studies.values()} == {"R11"}
    assert len(shown(house)) == len(studies)


def state_all(house: House, statements: Sequence[Statement]) -> Work:
    """As messages of one moment do it."""
    patients = Patients()
    with pipelined(house.pool) as transaction:
        (locked,) = transaction.begin(patients.asked([one.key for one in statements]))
        work = Work(transaction.connection, house.keys["east"])
        patients.state_all(work, statements, locked)
        transaction.end(work.last, meanwhile=lambda: house.journal.append_all(work.facts), beside=lambda: None)
    return work


def test_statements_of_one_moment_count_as_one_after_the_other_would(house: House) -> None:
    house.receive(small_object(study(1, patient_id="3")))
    work = state_all(house, [
        Statement(key("1"), {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A"}]}}, {"phone": "1"}),
        Statement(key("2"), {SEX: {"vr": "CS", "Value": ["F"]}}),
        Statement(key("1"), {SEX: {"vr": "CS", "Value": ["M"]}}, {"address": "x"}),
        Statement(key("3"), {SEX: {"vr": "CS", "Value": ["O"]}}),
        Statement(key("1"), {}, {"phone": ""}),
        Statement(key("2"), {SEX: {"vr": "CS", "Value": ["F"]}}),
    ])  # fmt: skip
    assert len(work.facts) == 9                              # of the last nothing is new
    assert overlay_of(house, study(1).study_instance_uid)[SEX]["Value"] == ["O"]
    with house.pool.connection() as connection:
        found = connection.execute(
            "select patient_id, name_alphabetic, sex, phone, address from patient_record order by patient_id"
        ).fetchall()
        told = connection.execute("select subject from event where topic = 'patient.updated' order by pk").fetchall()
    assert found == [("1", "a", "M", None, "x"), ("2", None, "F", None, None), ("3", None, "O", None, None)]
    assert [row[0] for row in told] == ["east 1", "east 2", "east 1", "east 3", "east 1"]


def test_where_one_patient_of_several_was_merged_nothing_is_stated_of_any(house: House) -> None:
    merge(house, "1", "2")
    with pytest.raises(PacsdError) as raised:
        state_all(house, [Statement(key("3"), {}, {"phone": "3"}), Statement(key("1"), {}, {"phone": "1"})])
    assert raised.value.fault is Fault.NOT_FOUND
    with house.pool.connection() as connection:
        assert connection.execute("select from patient where patient_id = '3'").fetchone() is None


@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
def test_what_two_feeds_state_of_one_patient_at_one_time_is_kept_of_both(house: House, together: bool) -> None:
    patients, begun, done = Patients(), threading.Event(), threading.Event()
    with working(house) as work:
        patients.state(work, key("1"), {}, {"phone": "old"})

    def other() -> None:
        begun.set()
        if together:
            state_all(house, [Statement(key("1"), {}, {"address": "new"})])
        else:
            with working(house) as work:
                patients.state(work, key("1"), {}, {"address": "new"})
        done.set()

    thread = threading.Thread(target=other)
    with working(house) as work:
        patients.state(work, key("1"), {}, {"phone": "new"})
        thread.start()
        assert begun.wait(10)
        while not waits_for_a_lock(house):
            threading.Event().wait(0.001)
    thread.join(10)
    assert done.is_set()
    with house.pool.connection() as connection:
        assert connection.execute("select phone, address from patient_record").fetchall() == [("new", "new")]


def waits_for_a_lock(house: House) -> bool:
    with house.pool.connection() as connection:
        return connection.execute("select from pg_locks where not granted").fetchone() is not None
