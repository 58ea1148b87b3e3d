"""Performed procedure steps on real PostgreSQL: states, races, organisations, and what is on record."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import pool
from pacsd.index.performed_steps import delete_old
from pacsd.index.workitems import throw_unknown, unknown_records
from pacsd.workflow import records
from pacsd.workflow.performed_step_refusals import StepReason, StepRefusal
from pacsd.workflow.performed_steps import PerformedSteps
from pacsd.workflow.records import PREFIX, Records
from tests.conftest import Postgres
from tests.workflow.conftest import Office
from tests.workflow.performed import begun, ended, scheduled, series
from tests.workflow.steps import attribute, first

STEPS = """select sop_instance_uid, organisation, state, revision, created_at, changed_at, finished_at, attributes,
    study_instance_uids, record from performed_step order by 1, 2"""


def uid() -> str:
    return f"2.25.{uuid4().int}"


def made(office: Office, *orders, **changes) -> str:
    return office.steps.create(office.peer, uid(), begun(*orders, **changes))


def refused(call) -> StepReason:
    with pytest.raises(StepRefusal) as refusal:
        call()
    return refusal.value.reason


def events(office: Office, one: str) -> list[Any]:
    return office.rows("select topic, body from event where subject = %s order by pk", one)


def test_from_in_progress_to_completed(office) -> None:
    one = made(office)
    assert office.steps.retrieve(office.peer.scope, one) == begun()
    office.steps.set(office.peer, one, {"00400254": attribute("LO", "changed")})
    office.steps.set(office.peer, one, ended())
    kept = office.steps.retrieve(office.peer.scope, one)
    assert kept == {**begun(), "00400254": attribute("LO", "changed"), **ended()}
    assert [topic for topic, _ in events(office, one)] == ["step.started", "step.completed"]


def test_the_end_is_the_end(office) -> None:
    for status in ("COMPLETED", "DISCONTINUED"):
        one = made(office)
        office.steps.set(office.peer, one, ended(status=status))
        again = StepReason.NO_LONGER_UPDATABLE
        assert refused(lambda one=one: office.steps.set(office.peer, one, ended())) is again
        assert refused(lambda one=one: office.steps.set(office.peer, one, {})) is again
        assert (again.status, again.error_id) == (0x0110, 0xA710)
        assert first(office.steps.retrieve(office.peer.scope, one), "00400252") == status


def test_a_uid_is_taken_once_and_given_where_there_is_none(office) -> None:
    one = made(office)
    assert refused(lambda: office.steps.create(office.peer, one, begun())) is StepReason.DUPLICATE
    assert office.steps.create(office.reader, one, begun()) == one, "another organisation has UIDs of its own"
    assert office.steps.create(office.peer, "", begun()).startswith("2.25.")
    assert refused(lambda: office.steps.create(office.peer, "../1", begun())) is StepReason.INVALID_UID


def test_unknown_steps_and_those_of_others(office) -> None:
    one = made(office)
    assert refused(lambda: office.steps.set(office.peer, "1.2.9", ended())) is StepReason.UNKNOWN
    assert refused(lambda: office.steps.set(office.reader, one, ended())) is StepReason.OF_ANOTHER_ORGANISATION
    assert first(office.steps.retrieve(office.reader.scope, one), "00100020") == "P1"
    theirs = office.steps.create(office.reader, uid(), begun())
    assert refused(lambda: office.steps.set(office.peer, theirs, ended())) is StepReason.UNKNOWN
    assert refused(lambda: office.steps.retrieve(office.peer.scope, theirs)) is StepReason.UNKNOWN


def test_of_two_that_end_a_step_at_once_one_wins(office) -> None:
    for _ in range(10):
        one = made(office)

        def end(status: str, one: str = one) -> str:
            try:
                office.steps.set(office.peer, one, ended(status=status))
            except StepRefusal as refusal:
                return refusal.reason.name
            return status

        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(end, ["COMPLETED", "DISCONTINUED"] * 2))
        counted = Counter(answers)
        winner = first(office.steps.retrieve(office.peer.scope, one), "00400252")
        assert counted == {"NO_LONGER_UPDATABLE": 3, winner: 1}
        assert len(events(office, one)) == 2


def test_of_many_that_create_one_step_one_wins(office) -> None:
    one = uid()

    def create(_: int) -> str:
        try:
            return office.steps.create(office.peer, one, begun())
        except StepRefusal as refusal:
            return refusal.reason.name

    with ThreadPoolExecutor(8) as threads:
        assert Counter(threads.map(create, range(16))) == {one: 1, "DUPLICATE": 15}


def test_a_group_case_tells_every_procedure(office) -> None:
    told: list[dict[str, Any]] = []
    now = datetime(2026, 11, 29, tzinfo=UTC)
    records = Records(office.blobs, {1: "east", 2: "group"})
    steps = PerformedSteps(
        office.index, records, grace_s=0.0, progress=lambda _, **what: told.append(what), clock=lambda: now
    )
    group = (scheduled("1.1", "A1", "S1"), scheduled("1.1", "A1", "S2"), scheduled("1.2", "A2", "S3"))
    one = steps.create(office.peer, uid(), begun(*group))
    steps.set(office.peer, one, {"00400254": attribute("LO", "nothing about the status")})
    steps.set(office.peer, one, ended(status="DISCONTINUED"))
    told_of = [(one["accession_number"], one["scheduled_step_ids"], one["status"]) for one in told]
    assert told_of == [
        ("A1", ("S1", "S2"), "IN PROGRESS"), ("A2", ("S3",), "IN PROGRESS"),
        ("A1", ("S1", "S2"), "DISCONTINUED"), ("A2", ("S3",), "DISCONTINUED"),
    ]  # fmt: skip
    assert {one["at"] for one in told} == {now}
    body = events(office, one)[-1][1]
    assert body["accession_numbers"] == ["A1", "A2"]
    assert body["scheduled_step_ids"] == ["S1", "S2", "S3"]
    assert body["study_instance_uids"] == ["1.1", "1.2"]


def test_what_an_order_refuses_undoes_the_step(office) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PacsdError(Fault.UNAVAILABLE, "orders are away")

    records = Records(office.blobs, {1: "east", 2: "group"})
    steps = PerformedSteps(office.index, records, grace_s=0.0, progress=fail)
    with pytest.raises(PacsdError):
        steps.create(office.peer, "1.2.77", begun())
    assert refused(lambda: steps.retrieve(office.peer.scope, "1.2.77")) is StepReason.UNKNOWN
    assert not list(office.blobs.list(PREFIX))


def test_an_unscheduled_step_of_an_unknown_patient_is_taken(office) -> None:
    one = made(office, scheduled("1.9", "", ""), t00100020=attribute("LO"), t00100010=attribute("PN"))
    body = events(office, one)[0][1]
    assert (body["patient_id"], body["assigning_authority"]) == ("", "")
    assert (body["accession_numbers"], body["scheduled_step_ids"]) == ([], [])


def test_events_name_the_patient_that_survived(office) -> None:
    with office.index.connection() as connection:
        connection.execute("delete from patient where patient_id in ('P1', 'P2')")
        connection.execute("insert into patient (patient_id, assigning_authority) values ('P2', 'east')")
        connection.execute(
            """insert into patient (patient_id, assigning_authority, merged_into, survivor)
            select 'P1', 'east', pk, pk from patient where patient_id = 'P2'"""
        )
    assert events(office, made(office))[0][1]["patient_id"] == "P2"
    other = made(office, t00100021=attribute("LO", "elsewhere"))
    body = events(office, other)[0][1]
    assert (body["assigning_authority"], body["patient_id"]) == ("elsewhere", "P1")
    assert not office.rows("select from patient where assigning_authority = 'elsewhere'"), "nobody is made up"
    with office.index.connection() as connection:
        connection.execute("delete from patient where patient_id = 'P1'")
        connection.execute("delete from patient where patient_id = 'P2'")


def test_rebuild_brings_back_steps(office, postgres: Postgres, migrated_template, tmp_path: Path) -> None:
    waiting, finished = made(office, scheduled("1.1"), scheduled("1.2", "A2")), made(office)
    office.steps.set(office.peer, finished, ended(series("1.5", [f"1.5.{n}" for n in range(1000)])))
    said = office.rows(STEPS)
    name, dsn = postgres.create(template=migrated_template)
    with pool(dsn, max_size=4) as empty:
        again = Office(empty, tmp_path)
        assert again.workflow.rebuild.run() == 2
        assert again.rows(STEPS) == said
        assert list(again.workflow.check.run()) == []
        assert refused(lambda: again.steps.set(again.peer, finished, ended())) is StepReason.NO_LONGER_UPDATABLE
        again.steps.set(again.peer, waiting, ended(status="DISCONTINUED"))
    postgres.drop(name)


def test_one_record_is_kept_of_a_step_until_it_is_deleted(office) -> None:
    one = made(office)
    office.steps.set(office.peer, one, {"00400254": attribute("LO", "x")})
    office.steps.set(office.peer, one, ended())
    assert len(collected(office)) == 1
    assert list(office.workflow.check.run()) == []
    keys = [info.key for info in office.blobs.list(PREFIX)]
    assert unknown_records(office.index, keys) == [], "the sweep leaves it alone"
    said: list[str] = []
    keep, hour = lambda steps: said.extend(step.sop_instance_uid for step in steps), timedelta(hours=1)
    assert delete_old(office.index, keep, before=datetime.now(UTC) - hour, grace_s=0.0) == 0 and said == []
    assert delete_old(office.index, keep, before=datetime.now(UTC) + hour, grace_s=0.0) == 1 and said == [one]
    assert collected(office) == []
    assert refused(lambda: office.steps.retrieve(office.peer.scope, one)) is StepReason.UNKNOWN


def test_check_finds_a_record_that_is_gone(office) -> None:
    made(office)
    [key] = [info.key for info in office.blobs.list(PREFIX)]
    office.blobs.delete([key])
    assert list(office.workflow.check.run()) == [(key, "missing")]
    throw_unknown(office.index, [], grace_s=0.0)


def collected(office: Office) -> list[str]:
    """What is left of the records once what is garbage was collected."""
    due = [str(row[0]) for row in office.rows("delete from garbage where delete_after <= now() returning key")]
    office.blobs.delete(due)
    return [info.key for info in office.blobs.list(PREFIX)]


def test_what_is_kept_of_a_step_does_not_grow_without_bound(office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_BYTES", 100_000)
    one = made(office)
    with pytest.raises(PacsdError) as refusal:
        for number in range(0x1001, 0x1020):
            office.steps.set(office.peer, one, {f"0011{number:04X}": attribute("LT", "x" * 10_000)})
            kept = number
    assert refusal.value.fault is Fault.TOO_MUCH and kept == 0x1009
    attributes = office.steps.retrieve(office.peer.scope, one)
    assert sum(tag.startswith("0011") for tag in attributes) == 9
    office.steps.set(office.peer, one, ended())


def test_a_step_performs_no_more_procedures_than_can_be_told(office) -> None:
    orders = [scheduled(f"1.2.{number}", f"A{number}") for number in range(1_001)]
    assert made(office, *orders[1:])
    with pytest.raises(PacsdError) as refusal:
        made(office, *orders)
    assert refusal.value.fault is Fault.TOO_MUCH
