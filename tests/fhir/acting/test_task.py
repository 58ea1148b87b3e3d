"""Workitems claimed, ended and cancelled through their Tasks: the workitem decides, and others hear of it."""

from typing import Any

import pytest

from fhir.interaction.request import Asker
from fhir.projection import projector
from pacsd.access.asking import Access
from pacsd.access.principal import Principal, Proof, Role
from pacsd.index import outbox
from pacsd.workflow.services import Workflow, open_workflow
from tests.fhir.projection.hospital import Hospital
from tests.workflow.steps import attribute, step

UID = "1.2.3.4.5"
LOCK = [{"url": "urn:pacsd:fhir:StructureDefinition:transaction-uid", "valueOid": "urn:oid:1.2.9"}]


@pytest.fixture
def workflow(hospital: Hospital) -> Workflow:
    """A workitem of the hospital, whose Task is there."""
    archive = hospital.archive
    made = open_workflow(hospital.settings, archive.pool, archive.blobs, archive.directory)
    made.workitems.create(archive.directory.member("east"), UID, step())
    hospital.project()
    return made


def write(hospital: Hospital, **changes: Any) -> tuple[int, dict[str, Any]]:
    """The Task with changes; None takes away."""
    told = {**hospital.only("Task"), **changes}
    told = {name: value for name, value in told.items() if value is not None}
    answer = hospital.ask("PUT", f"Task/{told['id']}", told)
    return answer.status_code, answer.json()


def state(hospital: Hospital, workflow: Workflow) -> tuple[str, dict[str, Any]]:
    attributes = workflow.workitems.retrieve(hospital.archive.directory.member("east").scope, UID)
    return attributes["00741000"]["Value"][0], attributes


def one_version(hospital: Hospital, number: int) -> None:
    """What was written is what the projection makes: nothing more comes of it."""
    hospital.project()
    assert hospital.only("Task")["meta"]["versionId"] == str(number)


def test_a_step_is_claimed_and_completed_by_who_has_its_transaction_uid(
    hospital: Hospital, workflow: Workflow
) -> None:
    status, told = write(hospital, status="in-progress", extension=LOCK)
    assert (status, told["status"], told.get("extension")) == (200, "in-progress", None), told
    assert told["meta"]["source"] == "urn:pacsd:feed:ups:east" and state(hospital, workflow)[0] == "IN PROGRESS"
    one_version(hospital, 2)
    period = {"start": "2026-01-02T08:30:00Z", "end": "2026-01-02T08:45:00Z"}
    status, told = write(hospital, status="completed", extension=LOCK, executionPeriod=period)
    assert (status, told["status"]) == (200, "completed"), told
    assert told["executionPeriod"] == {"start": "2026-01-02T08:30:00.000Z", "end": "2026-01-02T08:45:00.000Z"}
    now, attributes = state(hospital, workflow)
    (performed,) = attributes["00741216"]["Value"]
    assert now == "COMPLETED" and performed["00404028"]["Value"][0]["00080100"]["Value"] == ["GPU1"]
    assert performed["00404019"]["Value"][0]["00080100"]["Value"] == ["110005"] and "00404033" in performed
    one_version(hospital, 3)
    assert write(hospital, status="in-progress", extension=LOCK)[0] == 409
    topics = [row[0] for row in hospital.rows("select topic from event where subject = %s order by pk", UID)]
    assert topics == ["workitem.scheduled", "workitem.in_progress", "workitem.completed"]


def test_when_work_began_is_told_with_the_claim_and_when_it_ended_at_its_end(
    hospital: Hospital, workflow: Workflow
) -> None:
    begun, ended = "2026-01-02T08:30:00.000Z", "2026-01-02T08:45:00.000Z"
    both = {"start": begun, "end": ended}
    assert write(hospital, status="in-progress", extension=LOCK, executionPeriod=both)[0] == 409
    assert write(hospital, status="cancelled", executionPeriod={"start": begun})[0] == 409
    assert write(hospital, status="in-progress", extension=LOCK, executionPeriod={"start": "2026-01"})[0] == 422
    assert state(hospital, workflow)[0] == "SCHEDULED"
    status, told = write(hospital, status="in-progress", extension=LOCK, executionPeriod={"start": begun})
    assert (status, told["executionPeriod"]) == (200, {"start": begun}), told
    one_version(hospital, 2)
    status, outcome = write(hospital, status="completed", extension=LOCK, executionPeriod={"end": ended})
    assert (status, outcome["issue"][0]["expression"]) == (409, ["Task.executionPeriod.start"]), outcome
    later = {"start": "2026-01-02T08:31:00.000Z", "end": ended}
    status, told = write(hospital, status="completed", extension=LOCK, executionPeriod=later)
    assert (status, told["executionPeriod"]) == (200, later), told
    one_version(hospital, 3)


def test_when_work_was_broken_off_is_told(hospital: Hospital, workflow: Workflow) -> None:
    both = {"start": "2026-01-02T08:30:00.000Z", "end": "2026-01-02T08:33:00.000Z"}
    assert write(hospital, status="in-progress", extension=LOCK)[0] == 200
    status, told = write(hospital, status="cancelled", extension=LOCK, executionPeriod=both,
                         statusReason={"text": "coil is broken"})  # fmt: skip
    assert (status, told["executionPeriod"], told["statusReason"]["text"]) == (200, both, "coil is broken"), told
    assert state(hospital, workflow)[0] == "CANCELED"
    one_version(hospital, 3)


def test_who_projects_what_was_before_writes_nothing_over_it(
    hospital: Hospital, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather, claimed = projector.gather, []

    def overtaken(*args: Any) -> Any:
        gathered = gather(*args)
        if gathered.projected and not claimed:
            claimed.append(write(hospital, status="in-progress", extension=LOCK)[0])
        return gathered

    assert state(hospital, workflow)[0] == "SCHEDULED"
    with hospital.archive.pool.connection() as connection:
        outbox.append(connection, organisation=hospital.archive.directory.member("east").organisation, subject=UID,
                      topic="workitem.scheduled", body={"sop_instance_uid": UID, "state": "SCHEDULED"})  # fmt: skip
    monkeypatch.setattr(projector, "gather", overtaken)
    hospital.project()
    assert claimed == [200]
    rows = hospital.rows("select version, convert_from(body, 'UTF8')::jsonb->>'status' from fhir_version"
                         " where type = 'Task' order by version")  # fmt: skip
    now = hospital.only("Task")
    assert (now["status"], now["meta"]["versionId"]) == ("in-progress", "2") and len(rows) == 1, (now, rows)


def test_what_nobody_has_begun_is_cancelled_with_its_reason(hospital: Hospital, workflow: Workflow) -> None:
    reason = {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110503",
                          "display": "Patient allergic to media/contrast"}], "text": "allergy"}  # fmt: skip
    status, told = write(hospital, status="cancelled", statusReason=reason)
    assert (status, told["status"], told["statusReason"]) == (200, "cancelled", reason), told
    now, attributes = state(hospital, workflow)
    (progress,) = attributes["00741002"]["Value"]
    assert now == "CANCELED" and progress["00741238"]["Value"] == ["allergy"]
    one_version(hospital, 2)


def test_who_claimed_a_step_discontinues_it_and_nobody_else(hospital: Hospital, workflow: Workflow) -> None:
    assert write(hospital, status="in-progress", extension=LOCK)[0] == 200
    other = [{**LOCK[0], "valueOid": "urn:oid:1.2.8"}]
    for told, wanted in (({}, 409), ({"extension": other}, 422)):
        status, outcome = write(hospital, status="cancelled", **told)
        assert (status, outcome["resourceType"]) == (wanted, "OperationOutcome"), outcome
    assert state(hospital, workflow)[0] == "IN PROGRESS"
    status, told = write(hospital, status="cancelled", extension=LOCK, statusReason={"text": "coil is broken"})
    assert (status, told["statusReason"]["text"]) == (200, "coil is broken"), told
    assert state(hospital, workflow)[0] == "CANCELED"
    one_version(hospital, 3)


@pytest.mark.parametrize(("changes", "status", "where"), [
    ({"status": "in-progress"}, 422, "Task.extension"),
    ({"status": "in-progress", "extension": [{**LOCK[0], "valueOid": "urn:oid:x"}]}, 422, "Task"),
    ({"status": "in-progress", "extension": [*LOCK, {"url": "http://a.example", "valueString": "x"}]}, 409,
     "Task.extension"),
    ({"status": "completed", "extension": LOCK}, 409, "Task.status"),
    ({"status": "on-hold"}, 422, "Task.status"),
    ({"status": "failed"}, 422, "Task.status"),
    ({"description": "another one"}, 409, "Task.description"),
    ({"for": {"display": "somebody else"}, "status": "cancelled"}, 409, "Task.for"),
    ({"priority": None}, 409, "Task.priority"),
    ({"statusReason": {"text": "why"}}, 409, "Task.status"),
])  # fmt: skip
def test_what_a_workitem_does_not_do_is_refused_and_nothing_of_it_stays(
    hospital: Hospital, workflow: Workflow, changes: dict[str, Any], status: int, where: str
) -> None:
    before = hospital.versions()
    answered, outcome = write(hospital, **changes)
    assert answered == status and outcome["issue"][0]["expression"][0].startswith(where), outcome
    assert hospital.versions() == before and state(hospital, workflow)[0] == "SCHEDULED"
    assert hospital.rows("select revision from workitem") == [(1,)]


def test_a_step_that_lacks_what_its_end_needs_is_not_completed(hospital: Hospital, workflow: Workflow) -> None:
    assert write(hospital, status="in-progress", extension=LOCK)[0] == 200
    status, outcome = write(hospital, status="completed", extension=LOCK)
    assert status == 409 and "final state" in outcome["issue"][0]["diagnostics"], outcome
    assert state(hospital, workflow)[0] == "IN PROGRESS"


def test_a_station_that_was_not_scheduled_is_told(hospital: Hospital, workflow: Workflow) -> None:
    peer = hospital.archive.directory.member("east")
    workflow.workitems.create(peer, "1.2.3.4.6", step(t00404025=attribute("SQ")))
    hospital.project()
    told = next(one for one in hospital.all("Task") if one["identifier"][0]["value"] == "urn:oid:1.2.3.4.6")
    period = {"start": "2026-01-02T08:30:00Z", "end": "2026-01-02T08:45:00Z"}
    station = {"url": "urn:pacsd:fhir:StructureDefinition:performed-station",
               "valueCoding": {"system": "urn:pacsd:codes:east:L", "code": "GPU7", "display": "GPU 7"}}  # fmt: skip
    for status, extension in (("in-progress", LOCK), ("completed", [*LOCK, station])):
        body = {**told, "status": status, "extension": extension, "executionPeriod": period}
        if status == "in-progress":
            body.pop("executionPeriod")
        answer = hospital.ask("PUT", f"Task/{told['id']}", body)
        assert answer.status_code == 200, answer.text
    attributes = workflow.workitems.retrieve(peer.scope, "1.2.3.4.6")
    (performed,) = attributes["00741216"]["Value"]
    assert performed["00404028"]["Value"][0]["00080100"]["Value"] == ["GPU7"]


def test_a_task_may_be_patched_and_not_deleted_and_one_of_two_gets_the_step(
    hospital: Hospital, workflow: Workflow
) -> None:
    ident = hospital.only("Task")["id"]
    assert hospital.ask("DELETE", f"Task/{ident}").status_code == 409
    patch = [{"op": "replace", "path": "/status", "value": "in-progress"},
             {"op": "add", "path": "/extension", "value": LOCK}]  # fmt: skip
    kind = {"content_type": "application/json-patch+json"}
    assert hospital.ask("PATCH", f"Task/{ident}", patch, **kind, if_match='W/"1"').status_code == 200
    second = [patch[0], {**patch[1], "value": [{**LOCK[0], "valueOid": "urn:oid:1.2.7"}]}]
    assert hospital.ask("PATCH", f"Task/{ident}", second, **kind, if_match='W/"1"').status_code == 412
    assert hospital.ask("PATCH", f"Task/{ident}", second, **kind).status_code == 409
    rows = hospital.rows("select transaction_uid from workitem")
    assert rows == [("1.2.9",)]


def test_of_a_transaction_that_fails_no_state_stays(hospital: Hospital, workflow: Workflow) -> None:
    told = {**hospital.only("Task"), "status": "in-progress", "extension": LOCK}
    entry = [{"resource": told, "request": {"method": "PUT", "url": f"Task/{told['id']}"}},
             {"resource": {"resourceType": "Patient", "id": "p", "gender": "nonsense"},
              "request": {"method": "PUT", "url": "Patient/p"}}]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entry}
    assert hospital.ask("POST", "", bundle).status_code == 422
    assert state(hospital, workflow)[0] == "SCHEDULED"
    bundle["entry"] = entry[:1]
    assert hospital.ask("POST", "", bundle).status_code == 200
    assert state(hospital, workflow)[0] == "IN PROGRESS"


def test_of_a_transaction_that_the_archive_refuses_no_record_stays(hospital: Hospital, workflow: Workflow) -> None:
    """Else a rebuild would bring back what never was."""
    workflow.workitems.create(hospital.archive.directory.member("east"), "1.2.3.4.6", step())
    hospital.project()
    one, other = hospital.all("Task")
    entry = [{"resource": {**told, **changes}, "request": {"method": "PUT", "url": f"Task/{told['id']}"}}
             for told, changes in ((one, {"status": "cancelled"}), (other, {"status": "on-hold"}))]  # fmt: skip
    before = {info.key for info in hospital.archive.blobs.list("worklist/")}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entry}
    assert hospital.ask("POST", "", bundle).status_code == 422
    assert {info.key for info in hospital.archive.blobs.list("worklist/")} == before
    bundle["entry"] = entry[:1]
    assert hospital.ask("POST", "", bundle).status_code == 200
    (record,) = {info.key for info in hospital.archive.blobs.list("worklist/")} - before
    assert (record,) in hospital.rows("select record from workitem where state = 'CANCELED'")


def test_who_may_not_change_workitems_does_not_by_fhir_either(
    hospital: Hospital, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = hospital.archive.directory.member("east")
    who = Principal("dr", "east", frozenset({Role.CLINICIAN}), Proof.TOKEN)
    access = Access(who, peer)

    async def clinician(_request: Any) -> Asker:
        return Asker(peer.scope, peer.organisation, access)

    monkeypatch.setattr(hospital, "asking", clinician)
    status, outcome = write(hospital, status="in-progress", extension=LOCK)
    assert (status, outcome["issue"][0]["code"]) == (403, "forbidden")
    assert state(hospital, workflow)[0] == "SCHEDULED"


def test_a_task_of_a_clients_own_acts_on_nothing(hospital: Hospital) -> None:
    own = {"resourceType": "Task", "id": "own", "status": "in-progress", "intent": "order"}
    assert hospital.ask("PUT", "Task/own", own).status_code == 201
    assert hospital.ask("PUT", "Task/own", {**own, "status": "on-hold"}).status_code == 200
    assert hospital.ask("DELETE", "Task/own").status_code == 204
