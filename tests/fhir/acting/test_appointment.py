"""Steps of orders that came by FHIR, cancelled and moved through their Appointments, as the worklist then has them."""

from typing import Any

import pytest

from pacsd.index.scheduled_steps import text_of
from tests.fhir.acting.test_service_request import placed, request, worklist
from tests.fhir.projection.hospital import Hospital
from tests.hl7.orders import orm

LATER = "2026-01-05T10:15:00.000Z"


@pytest.fixture
def booked(hospital: Hospital) -> Hospital:
    """One that has an order with a step."""
    placed(hospital)
    hospital.project()
    return hospital


def write(hospital: Hospital, **changes: Any) -> tuple[int, dict[str, Any]]:
    told = {**hospital.only("Appointment"), **changes}
    answer = hospital.ask("PUT", f"Appointment/{told['id']}", told)
    return answer.status_code, answer.json()


def begins(hospital: Hospital) -> list[str]:
    (item,) = worklist(hospital)
    return [str(text_of(item, f"00400100.{tag}")) for tag in ("00400002", "00400003")]


def test_a_step_that_is_moved_stands_on_the_worklist_at_that_time(booked: Hospital) -> None:
    before = begins(booked)
    status, told = write(booked, start=LATER, end=LATER)
    assert (status, told["start"], told["end"]) == (200, LATER, LATER), told
    after = begins(booked)
    assert after != before and after[0] == "20260105"
    assert told["meta"]["source"].startswith("urn:pacsd:feed:orders:east")
    booked.project()
    assert booked.only("Appointment")["meta"]["versionId"] == "2"
    changed = {**booked.only("ServiceRequest"), "note": [{"text": "with contrast"}]}
    assert booked.ask("PUT", "ServiceRequest/r1", changed).status_code == 200
    assert begins(booked) == after                           # the order asks for no other time than before
    moved = {**booked.only("ServiceRequest"), "occurrenceDateTime": "2026-01-09T08:00:00Z"}
    assert booked.ask("PUT", "ServiceRequest/r1", moved).status_code == 200
    assert begins(booked)[0] == "20260109"


def test_a_cancelled_step_leaves_the_worklist_its_order_with_it_and_may_be_booked_again(booked: Hospital) -> None:
    status, told = write(booked, status="cancelled")
    assert (status, told["status"]) == (200, "cancelled"), told
    assert worklist(booked) == []
    booked.project()
    assert booked.only("Appointment")["meta"]["versionId"] == "2"
    assert booked.only("ServiceRequest")["status"] == "revoked"
    status, told = write(booked, status="booked", start=LATER, end=LATER)
    assert (status, told["status"], told["start"]) == (200, "booked", LATER), told
    assert begins(booked)[0] == "20260105"
    booked.project()
    assert booked.only("ServiceRequest")["status"] == "active"


def test_a_patient_who_has_come_is_told(booked: Hospital) -> None:
    assert write(booked, status="arrived")[0] == 200
    assert write(booked, status="checked-in")[0] == 200
    assert booked.rows("select status from scheduled_step") == [("READY",)] and len(worklist(booked)) == 1
    assert write(booked, status="booked")[0] == 409
    assert write(booked, status="cancelled")[0] == 200


@pytest.mark.parametrize(("changes", "status", "where"), [
    ({"status": "fulfilled"}, 422, "Appointment.status"),
    ({"status": "noshow"}, 422, "Appointment.status"),
    ({"start": LATER}, 422, "Appointment.end"),
    ({"start": LATER, "end": "2026-01-05T11:00:00Z"}, 422, "Appointment.end"),
    ({"status": "cancelled", "start": LATER, "end": LATER}, 422, "Appointment.start"),
    ({"description": "something else"}, 409, "Appointment.description"),
    ({"comment": "bring the film"}, 409, "Appointment.comment"),
])  # fmt: skip
def test_what_a_step_cannot_be_is_refused_and_nothing_of_it_stays(
    booked: Hospital, changes: dict[str, Any], status: int, where: str
) -> None:
    before, item = booked.versions(), worklist(booked)
    answered, outcome = write(booked, **changes)
    assert (answered, outcome["issue"][0]["expression"]) == (status, [where]), outcome
    assert booked.versions() == before and worklist(booked) == item


def test_another_senders_order_is_its_own(hospital: Hospital) -> None:
    hospital.say(orm("NW", placer="P1^HIS", patient="4711"))
    hospital.project()
    items = worklist(hospital)
    for changes in ({"status": "cancelled"}, {"start": LATER, "end": LATER}):
        status, outcome = write(hospital, **changes)
        assert status == 409 and "sender of the order" in outcome["issue"][0]["diagnostics"], outcome
    assert hospital.ask("DELETE", f"Appointment/{hospital.only('Appointment')['id']}").status_code == 409
    assert worklist(hospital) == items


def test_an_exam_that_was_begun_says_what_becomes_of_its_step(booked: Hospital) -> None:
    booked.say(orm("SC", placer="r1^FHIR", patient="4711", status="IP", at="20990101120000"))
    booked.project()
    assert write(booked, status="cancelled")[0] == 409
    assert write(booked, status="booked", start=LATER, end=LATER)[0] == 409


def test_an_order_and_its_step_change_in_one_transaction(booked: Hospital) -> None:
    step, order = booked.only("Appointment"), booked.only("ServiceRequest")
    entry = [
        {"resource": {**step, "start": LATER, "end": LATER}, "request": {"method": "PUT",
                                                                         "url": f"Appointment/{step['id']}"}},
        {"resource": {**order, "note": [{"text": "x"}]}, "request": {"method": "PUT", "url": "ServiceRequest/r1"}},
    ]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entry}
    answer = booked.ask("POST", "", bundle)
    assert answer.status_code == 200, answer.text
    assert begins(booked)[0] == "20260105"


def test_who_writes_by_a_slower_clock_is_heard_all_the_same(booked: Hospital) -> None:
    """The order was placed, and the step moved, by way of a machine whose clock goes before."""
    booked.rows("update requested_procedure set said = '20990101120000.000000' returning pk")
    status, told = write(booked, start=LATER, end=LATER)
    assert (status, told["start"]) == (200, LATER), told
    assert begins(booked)[0] == "20260105"
    assert write(booked, status="cancelled")[1]["status"] == "cancelled"
    assert worklist(booked) == []
    assert write(booked, status="booked")[1]["status"] == "booked"
    order = {**booked.only("ServiceRequest"), "status": "revoked"}
    assert booked.ask("PUT", "ServiceRequest/r1", order).status_code == 200
    assert worklist(booked) == []


def test_an_appointment_of_a_clients_own_acts_on_nothing(hospital: Hospital) -> None:
    own = {"resourceType": "Appointment", "id": "own", "status": "proposed",
           "participant": [{"actor": {"display": "x"}, "status": "needs-action"}]}  # fmt: skip
    assert hospital.ask("PUT", "Appointment/own", own).status_code == 201
    assert hospital.ask("PUT", "Appointment/own", {**own, "status": "cancelled"}).status_code == 200
    assert worklist(hospital) == [] and request()["status"] == "active"
