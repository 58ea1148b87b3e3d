"""Orders reach the rows of the worklist, follow their patients, are found by images and exams, and are rebuilt."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pacsd.access.scope import Scope
from pacsd.archive.catch_up import CatchUp
from pacsd.archive.journal import FactKind
from pacsd.archive.overlay import Overlays
from pacsd.archive.truth import Truth
from pacsd.faults import Fault, PacsdError
from pacsd.identity.patients import PatientKey, Patients, appliers
from pacsd.index import messages as message_rows
from pacsd.index import orders as rows
from pacsd.index.connect import may_run_again
from pacsd.messages.inbox import Work
from pacsd.workflow.order_facts import applier
from pacsd.workflow.ordered import Done, Ordered, OrderedStep, Said, Touched, Which
from pacsd.workflow.orders import Orders, progress
from tests.archive.house import House, opened
from tests.synthetic import small_object, study

NAMED = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "ORDERED^AS"}]}}
RENAMED = {"00100010": {"vr": "PN", "Value": [{"Ideographic": "张^三"}]}}
LATER = timedelta(hours=1)


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


@contextmanager
def working(house: House, code: str = "east") -> Iterator[Work]:
    with message_rows.keeping(house.pool) as connection:
        work = Work(connection, house.keys[code], lambda: datetime.now(UTC))
        yield work
        if work.facts:
            house.journal.append_all(work.facts)


def orders(house: House) -> Orders:
    return Orders({key: code for code, key in house.keys.items()})


def ordered(
    number: str = "1", *, patient: str = "P1", said: str = "20260101120000", steps: int = 1, renews: bool = True,
    attributes: Mapping[str, Any] = NAMED, station: str = "CT1", **which: Any,
) -> Ordered:  # fmt: skip
    items = tuple(
        OrderedStep("", {"00080060": {"vr": "CS", "Value": ["CT"]}, "00400001": {"vr": "AE", "Value": [station]},
                         "00400002": {"vr": "DA", "Value": ["20260102"]}, "00400003": {"vr": "TM", "Value": ["0900"]}})
        for _ in range(steps)
    )  # fmt: skip
    return Ordered(Which(placer=number, **which), "east", patient, attributes, items, Said("HIS", said), renews)


def place(house: House, one: Ordered, code: str = "east") -> Done:
    with working(house, code) as work:
        return orders(house).place(work, one)


def change(house: House, status: str, number: str = "1", said: str = "20260101130000", **which: Any) -> list[Touched]:
    with working(house) as work:
        return list(orders(house).change_status(work, Which(placer=number, **which), status, Said("HIS", said)))


def exam(house: House, status: str, at: datetime | None = None, **named: Any) -> list[Touched]:
    keys = {"study_instance_uid": None, "accession_number": None, "scheduled_step_ids": (), **named}
    with message_rows.keeping(house.pool) as connection:
        return progress(connection, organisation=house.keys["east"], status=status, at=at or datetime.now(UTC), **keys)


SHOWN = ("step_id, status, open, patient_id, patient_alphabetic, patient_ideographic, accession_number,"
         " requested_procedure_id, study_instance_uid, stations, start_date::text, organisation")  # fmt: skip


def worklist(house: House) -> list[tuple[Any, ...]]:
    with house.pool.connection() as connection:
        return connection.execute(f"select {SHOWN} from scheduled_step order by step_id").fetchall()


def emptied(house: House, *tables: str) -> None:
    with house.pool.connection() as connection:
        for table in tables:
            connection.execute(f"delete from {table}")


def events(house: House, topic: str) -> list[dict[str, Any]]:
    with house.pool.connection() as connection:
        return [row[0] for row in connection.execute("select body from event where topic = %s order by pk", (topic,))]


def test_what_an_order_does_not_number_is_assigned_and_the_same_order_gets_it_again(house: House) -> None:
    done = place(house, ordered("4711", steps=2))
    assert done.what == "new"
    one = done.procedure
    assert (one.accession_number, one.requested_procedure_id) == ("4711", "4711")
    assert one.study_instance_uid.startswith("2.25.") and len(one.study_instance_uid) <= 64
    assert [step.step_id for step in done.steps] == ["4711-1", "4711-2"]
    assert place(house, ordered("4711", steps=2)).what == "same"
    assert [row[0] for row in worklist(house)] == ["4711-1", "4711-2"]
    emptied(house, "scheduled_step", "requested_procedure")
    assert place(house, ordered("4711", steps=2)).procedure.study_instance_uid == one.study_instance_uid


def test_a_number_that_is_too_long_for_its_attribute_becomes_a_digest(house: House) -> None:
    done = place(house, ordered("ORDER-2026-01-01-000001"))
    assert len(done.procedure.accession_number) == 16 and done.procedure.accession_number[0] == "X"
    assert len(done.steps[0].step_id) <= 16


def test_numbers_that_are_said_are_kept(house: House) -> None:
    done = place(house, ordered(accession_number="A1", requested_procedure_id="R1", study_instance_uid="1.2.3"))
    assert worklist(house)[0][6:9] == ("A1", "R1", "1.2.3")
    assert done.steps[0].step_id == "R1-1"


def test_ids_that_were_assigned_give_way_to_those_that_are_said_later(house: House) -> None:
    place(house, ordered("9"))
    exam(house, "STARTED", accession_number="9")
    own = ordered("9", requested_procedure_id="RP7", said="20260101130000")
    own = replace(own, steps=(replace(own.steps[0], step_id="S7"),))
    assert place(house, own).what == "changed" and place(house, own).what == "same"
    before = worklist(house)
    assert [(row[0], row[1], row[7]) for row in before] == [("S7", "STARTED", "RP7")]
    replay(house)
    assert worklist(house) == before
    emptied(house, "scheduled_step", "requested_procedure", "name_gram", "patient")
    for fact in house.journal.replay():                          # as a rebuild does, one after the other
        all_appliers(house)[fact.kind](fact)
    assert worklist(house) == before
    second = ordered("9", requested_procedure_id="RP8", said="20260101140000")
    assert place(house, second).what == "new" and len(worklist(house)) == 2


def test_a_change_changes_and_a_repeat_of_what_is_older_does_not(house: House) -> None:
    place(house, ordered(said="20260101120000"))
    assert place(house, ordered(station="CT2", said="20260101120500")).what == "changed"
    assert place(house, ordered(station="CT3", said="202601011204")).what == "older"
    assert worklist(house)[0][9] == ["CT2"]


def test_a_canceled_order_leaves_the_worklist_and_only_a_new_one_brings_it_back(house: House) -> None:
    place(house, ordered(steps=2))
    assert len(change(house, "CANCELED")) == 2
    assert [row[1:3] for row in worklist(house)] == [("CANCELED", False)] * 2
    place(house, ordered(steps=2, said="20260101140000", station="CT2", renews=False))
    assert [row[2] for row in worklist(house)] == [False, False]
    place(house, ordered(steps=2, said="20260101150000"))
    assert [row[1:3] for row in worklist(house)] == [("SCHEDULED", True)] * 2


def test_one_step_may_be_canceled_alone(house: House) -> None:
    place(house, ordered(steps=2))
    assert [one.step_id for one in change(house, "CANCELED", step_ids=("1-2",))] == ["1-2"]
    assert [row[2] for row in worklist(house)] == [True, False]
    with pytest.raises(PacsdError) as caught:
        change(house, "CANCELED", step_ids=("1-9",))
    assert caught.value.fault is Fault.NOT_FOUND


def test_what_is_being_performed_is_not_canceled_and_what_was_performed_stays(house: House) -> None:
    place(house, ordered())
    exam(house, "IN PROGRESS", accession_number="1")
    with pytest.raises(PacsdError) as caught:
        change(house, "CANCELED")
    assert caught.value.fault is Fault.REFUSED
    exam(house, "COMPLETED", accession_number="1")
    assert change(house, "CANCELED") == [] and change(house, "SCHEDULED") == []
    place(house, ordered(said="20260101160000", station="CT9"))
    assert worklist(house)[0][1:3] == ("COMPLETED", False)


def test_an_order_nobody_placed_is_not_found(house: House) -> None:
    with pytest.raises(PacsdError) as caught:
        change(house, "CANCELED", number="nobody")
    assert caught.value.fault is Fault.NOT_FOUND
    assert list(house.journal.replay()) == []


def test_an_order_outlives_the_images_of_its_patient(house: House) -> None:
    world = study(78)
    house.receive(small_object(world))
    place(house, ordered(patient=world.patient_id))
    before = worklist(house)
    assert house.rejections.purge("east", world.study_instance_uid) == 1
    assert worklist(house) == before and house.contents(world.study_instance_uid) == []
    house.receive(small_object(world, instance=2))
    with house.pool.connection() as connection:
        assert connection.execute("select count(*) from patient").fetchone() == (1,)


def test_an_order_is_one_patients(house: House) -> None:
    place(house, ordered())
    with pytest.raises(PacsdError) as caught:
        place(house, ordered(patient="P2", said="20260101160000"))
    assert caught.value.fault is Fault.CONFLICT


def test_two_organisations_have_their_own_orders_of_one_number(house: House) -> None:
    place(house, ordered(station="E"))
    place(house, ordered(station="W"), "west")
    assert {(row[-1], row[9][0]) for row in worklist(house)} == {(house.keys["east"], "E"), (house.keys["west"], "W")}
    change(house, "CANCELED")
    assert {(row[-1], row[2]) for row in worklist(house)} == {(house.keys["east"], False), (house.keys["west"], True)}


def state(house: House, patient: str, attributes: dict[str, Any]) -> None:
    with working(house) as work:
        Patients().state(work, PatientKey("east", patient), attributes)


def merge(house: House, prior: str, into: str) -> None:
    with working(house) as work:
        Patients().merge(work, prior=PatientKey("east", prior), survivor=PatientKey("east", into))


def test_what_is_stated_of_a_patient_shows_at_once_before_and_after_the_order(house: House) -> None:
    place(house, ordered())
    assert worklist(house)[0][4] == "ordered as"
    state(house, "P1", RENAMED)
    assert worklist(house)[0][4:6] == (None, "张三")
    place(house, ordered("2"))
    assert [row[5] for row in worklist(house)] == ["张三", "张三"]


def test_a_merge_moves_orders_and_later_orders_of_the_prior_patient_follow(house: House) -> None:
    place(house, ordered())
    merge(house, "P1", "P2")
    assert worklist(house)[0][3] == "P2"
    place(house, ordered("2"))
    assert [row[3] for row in worklist(house)] == ["P2", "P2"]
    assert place(house, ordered(station="CT2", said="20260101160000")).what == "changed"
    assert worklist(house)[0][3] == "P2"


def test_exams_find_steps_by_study_accession_or_step_and_tell(house: House) -> None:
    place(house, ordered("1", steps=2, study_instance_uid="1.2.3"))
    place(house, ordered("2", accession_number="A2"))
    assert {one.step_id for one in exam(house, "STARTED", study_instance_uid="1.2.3")} == {"1-1", "1-2"}
    (second,) = exam(house, "COMPLETED", study_instance_uid="1.2.3", scheduled_step_ids=["1-2"])
    (other,) = exam(house, "IN PROGRESS", study_instance_uid="9.9", accession_number="A2")
    assert (second.step_id, other.step_id) == ("1-2", "2-1")
    assert [one.step_id for one in exam(house, "DISCONTINUED", scheduled_step_ids=["2-1"])] == ["2-1"]
    assert exam(house, "STARTED", study_instance_uid="9.9") == []
    assert [row[:3] for row in worklist(house)] == [
        ("1-1", "STARTED", True), ("1-2", "COMPLETED", False), ("2-1", "DISCONTINUED", False),
    ]  # fmt: skip
    told = [(one["step_id"], one["status"], one["by"]) for one in events(house, "step.status_changed")]
    assert told[-1] == ("2-1", "DISCONTINUED", "exam") and len(told) == 5


def test_an_exam_that_is_told_again_or_late_changes_nothing(house: House) -> None:
    place(house, ordered())
    began, ended = datetime.now(UTC) + LATER, datetime.now(UTC) + 2 * LATER
    assert len(exam(house, "COMPLETED", ended, accession_number="1")) == 1
    assert exam(house, "STARTED", began, accession_number="1") == []
    assert exam(house, "COMPLETED", ended, accession_number="1") == []


def links(house: House, uid: str) -> list[str]:
    key = house.keys["east"]
    return [one.order_key for one in rows.of_study(house.pool, Scope((key,), key), uid)]


def test_an_order_after_its_images_takes_their_study_and_one_before_is_found_by_accession(house: House) -> None:
    emergency = study(1, patient_id="P1", accession_number="E1")
    house.receive(small_object(emergency))
    done = place(house, ordered("7", accession_number="E1"))
    assert done.procedure.study_instance_uid == emergency.study_instance_uid
    planned = place(house, ordered("8", accession_number="E2"))
    late = study(2, patient_id="P1", accession_number="E2")
    house.receive(small_object(late))
    other = study(3, patient_id="P3", accession_number="E2")
    house.receive(small_object(other))
    assert links(house, emergency.study_instance_uid) == ["7"]
    assert links(house, late.study_instance_uid) == ["8"]
    assert links(house, other.study_instance_uid) == []
    key = house.keys["east"]
    assert rows.studies_of(house.pool, Scope((key,), key), planned.procedure) == [late.study_instance_uid]


def owners(house: House) -> dict[str, tuple[str, str, str]]:
    """By step: whose the worklist says it is, and to whom the rows of step and procedure belong."""
    with house.pool.connection() as connection:
        rows = connection.execute("""
            select t.step_id, t.patient_id, p.patient_id, q.patient_id from scheduled_step t
            join patient p on p.pk = t.patient join requested_procedure r on r.pk = t.procedure
            join patient q on q.pk = r.patient order by 1""").fetchall()
    return {step: tuple(whose) for step, *whose in rows}


def test_orders_go_back_where_a_merge_or_a_change_of_id_is_taken_back_and_a_rebuild_says_the_same(
    house: House,
) -> None:
    for number, patient in enumerate(("P1", "P2", "P3"), 1):
        place(house, ordered(f"{number}", patient=patient))
    merge(house, "P1", "P2")
    place(house, ordered("4", patient="P1"))
    merge(house, "P2", "P3")
    place(house, ordered("5", patient="P1"))
    with working(house) as work:
        Patients().change_id(work, prior=PatientKey("east", "P3"), new=PatientKey("east", "P9"))
    place(house, ordered("6", patient="P9"))
    place(house, ordered("1", patient="P9", station="CT9", said="20260101170000"))   # said of P9: that stays
    assert set(owners(house).values()) == {("P9",) * 3}
    for prior in ("P1", "P3"):
        with working(house) as work:
            Patients().unmerge(work, PatientKey("east", prior))
    expected = {"1-1": "P9", "2-1": "P3", "3-1": "P3", "4-1": "P1", "5-1": "P1", "6-1": "P9"}
    assert owners(house) == {step: (whose,) * 3 for step, whose in expected.items()}
    before = worklist(house)
    emptied(house, "scheduled_step", "requested_procedure", "name_gram", "patient")
    for fact in house.journal.replay():
        all_appliers(house)[fact.kind](fact)
    assert worklist(house) == before and set(owners(house)) == set(expected)
    assert owners(house) == {step: (whose,) * 3 for step, whose in expected.items()}


def all_appliers(house: House) -> dict[FactKind, Any]:
    said = Overlays(house.journal, Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0))
    return {
        FactKind.PATIENT_OVERLAY: said.apply, **appliers(house.pool), FactKind.ORDER: applier(house.pool, house.keys)
    }


def replay(house: House) -> None:
    CatchUp(house.journal, all_appliers(house)).run(datetime.now(UTC) - timedelta(days=1))


def test_an_order_that_is_in_effect_is_known_without_anybody_being_locked(house: House) -> None:
    place(house, ordered("1"))
    (fact,) = house.journal.replay()
    apply, done = all_appliers(house)[FactKind.ORDER], threading.Event()

    def again() -> None:
        apply(fact)
        done.set()

    with house.pool.connection() as connection, connection.transaction():
        connection.execute("select from patient for update")
        connection.execute("select from requested_procedure for update")
        thread = threading.Thread(target=again)
        thread.start()
        assert done.wait(10)
    thread.join(10)
    before = worklist(house)
    emptied(house, "scheduled_step", "requested_procedure")
    apply(fact)                                                  # one that is not takes effect
    assert worklist(house) == before


def test_orders_come_back_from_the_journal_and_replaying_it_changes_nothing(house: House) -> None:
    state(house, "P1", RENAMED)
    place(house, ordered("1", steps=2))
    place(house, ordered("2", patient="P2"))
    change(house, "CANCELED", "2")
    change(house, "ARRIVED", step_ids=("1-2",))
    merge(house, "P1", "P3")
    place(house, ordered("1", steps=2, station="CT5", said="20260101170000"))
    before = worklist(house)
    assert [row[1] for row in before] == ["SCHEDULED", "ARRIVED", "CANCELED"]
    replay(house)
    assert worklist(house) == before
    emptied(house, "scheduled_step", "requested_procedure", "name_gram", "patient")
    replay(house)
    assert worklist(house) == before


def test_an_exam_outlives_the_replay_of_its_order(house: House) -> None:
    place(house, ordered())
    exam(house, "COMPLETED", accession_number="1")
    with house.pool.connection() as connection:
        connection.execute("update requested_procedure set stated_at = stated_at - interval '1 hour'")
    replay(house)
    assert worklist(house)[0][1] == "COMPLETED"


def unhindered(act: Callable[[], object]) -> None:
    """As the inbox and performed steps do: again where another transaction was in the way."""
    for _ in range(3):
        try:
            act()
        except PacsdError as error:
            if not may_run_again(error):
                raise
        else:
            return
    act()


def test_merges_statements_exams_and_orders_at_once_lose_nothing(house: House) -> None:
    numbers = range(6)
    for number in numbers:
        place(house, ordered(f"{number}", patient=f"P{number % 2}"))
    errors: list[BaseException] = []

    def work(turn: int) -> None:
        try:
            for number in numbers:
                if turn == 0:
                    with contextlib.suppress(PacsdError):        # once merged, P0 is nobody
                        state(house, f"P{number % 2}", {**RENAMED})
                elif turn == 1:
                    later = datetime.now(UTC) + LATER
                    unhindered(lambda n=number, later=later: exam(house, "STARTED", later, accession_number=f"{n}"))
                elif turn == 2:
                    one = ordered(f"{number}", patient=f"P{number % 2}", station="CT8", said="20260101180000")
                    unhindered(lambda one=one: place(house, one))
                elif number == 3:
                    unhindered(lambda: merge(house, "P0", "P1"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    found = worklist(house)
    assert {(row[1], row[3], tuple(row[9])) for row in found} == {("STARTED", "P1", ("CT8",))} and len(found) == 6
    assert {row[5] for row in found} == {"张三"}
    replay(house)
    assert worklist(house) == found


def test_the_same_new_order_at_the_same_moment_becomes_one(house: House) -> None:
    errors: list[BaseException] = []

    def send(number: int) -> None:
        try:
            place(house, ordered("1", station=f"CT{number}", said="20260101120000"))
            change(house, "ARRIVED", said="20260101120000")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(worklist(house)) == 1
