"""Orders by FHIR are orders of the archive: on the worklist, changed, revoked, and told of as far as the exam is."""

from typing import Any

import orjson
import pytest

from pacsd.index.scheduled_steps import text_of
from tests.fhir.projection.hospital import EAST_OID, Hospital
from tests.hl7.orders import orm, siu

DCM = "http://dicom.nema.org/resources/ontology/DCM"
PATIENT = {
    "resourceType": "Patient", "id": "p1", "identifier": [{"system": f"urn:oid:{EAST_OID}", "value": "4711"}],
    "name": [{"family": "\u5f20", "given": ["\u4e09"]}], "gender": "female", "birthDate": "1980-01-02",
}  # fmt: skip


def request(**more: Any) -> dict[str, Any]:
    """A CT that is ordered."""
    return {
        "resourceType": "ServiceRequest", "status": "active", "intent": "order", "priority": "stat",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "363679005"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "24627-2"}], "text": "CT chest"},
        "orderDetail": [{"coding": [{"system": DCM, "code": "CT"}]}], "subject": {"reference": "Patient/p1"},
        "occurrenceDateTime": "2026-01-02T08:30:00Z", "requester": {"display": "\u674e\u56db"}, **more,
    }  # fmt: skip


def worklist(hospital: Hospital) -> list[dict[str, Any]]:
    """What modalities of the hospital find."""
    rows = hospital.rows("select attributes from scheduled_step where open order by pk")
    return [orjson.loads("{" + row[0] + "}") for row in rows]


def placed(hospital: Hospital, **more: Any) -> dict[str, Any]:
    assert hospital.ask("PUT", "Patient/p1", PATIENT).status_code == 201
    answer = hospital.ask("PUT", "ServiceRequest/r1", request(id="r1", **more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_an_order_stands_on_the_worklist_with_its_patient(hospital: Hospital) -> None:
    placed(hospital)
    (item,) = worklist(hospital)
    assert [text_of(item, tag) for tag in ("00100020", "00100021", "00100030", "00321060", "00401003")] == [
        "4711", "EAST", "19800102", "CT chest", "STAT"]  # fmt: skip
    assert text_of(item, "00100010") == "=\u5f20^\u4e09" and text_of(item, "00400100.00080060") == "CT"
    assert text_of(item, "00321064.00080102") == "LN"


def test_its_projection_is_the_same_resource_and_tells_the_numbers_that_were_given_to_it(hospital: Hospital) -> None:
    placed(hospital)
    hospital.project()
    found = hospital.only("ServiceRequest")
    assert found["id"] == "r1" and found["meta"]["versionId"] == "2"
    kinds = [one.get("type", {}).get("coding", [{}])[0].get("code") for one in found["identifier"]]
    assert kinds == ["PLAC", "ACSN", None]
    assert hospital.only("Patient")["id"] == "p1"
    (appointment,) = hospital.all("Appointment")
    assert appointment["basedOn"] == [{"reference": "ServiceRequest/r1"}]
    assert appointment["participant"][0]["actor"] == {"reference": "Patient/p1"}
    before = hospital.versions()
    hospital.project()
    assert hospital.versions() == before


def test_a_revoked_order_leaves_the_worklist_and_may_be_active_again(hospital: Hospital) -> None:
    placed(hospital)
    assert hospital.ask("PUT", "ServiceRequest/r1", request(id="r1", status="revoked")).status_code == 200
    assert worklist(hospital) == []
    assert hospital.ask("PUT", "ServiceRequest/r1", request(id="r1")).status_code == 200
    assert len(worklist(hospital)) == 1
    assert hospital.ask("PUT", "ServiceRequest/r1", request(id="r1", status="on-hold")).status_code == 200
    assert worklist(hospital) == []


@pytest.mark.parametrize("status", ["on-hold", "draft", "entered-in-error"])
def test_why_nothing_is_to_be_done_stays_as_it_was_said_until_somebody_books_the_order_anew(
    hospital: Hospital, status: str
) -> None:
    number = {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PLAC"}]},
              "system": "urn:pacsd:authority:HIS", "value": "P1"}  # fmt: skip
    placed(hospital, identifier=[number])
    assert hospital.ask("PUT", "ServiceRequest/r1", request(id="r1", status=status, identifier=[number])).is_success
    hospital.project()
    assert hospital.only("ServiceRequest")["status"] == status and worklist(hospital) == []
    hospital.say(siu("S12", filler="", placer="P1^HIS", start="202601050800", at="20990101120000"))
    hospital.project()
    assert hospital.only("ServiceRequest")["status"] == "active" and len(worklist(hospital)) == 1
    hospital.say(orm("CA", placer="P1^HIS", patient="4711", at="20990101130000"))
    hospital.project()
    assert hospital.only("ServiceRequest")["status"] == "revoked" and worklist(hospital) == []


def test_what_cannot_be_ordered_is_refused_with_the_reason_and_nothing_is_kept(hospital: Hospital) -> None:
    placed(hospital)
    for change, status, where in (
        ({"orderDetail": [{"text": "as usual"}]}, 422, "ServiceRequest.orderDetail"),
        ({"subject": {"reference": "Patient/nobody"}}, 422, "ServiceRequest.subject"),
        ({"code": {"coding": [{"system": "http://loinc.org"}]}}, 422, "ServiceRequest.code"),
    ):
        answer = hospital.ask("POST", "ServiceRequest", request(**change))
        assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (status, [where]), answer.text
    assert len(hospital.all("ServiceRequest")) == 1 and len(worklist(hospital)) == 1


def test_the_number_of_another_feeds_order_is_its_own(hospital: Hospital) -> None:
    hospital.say(orm("NW", placer="P1^HIS", patient="4711"))
    assert hospital.ask("PUT", "Patient/p1", PATIENT).status_code == 201
    number = {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PLAC"}]},
              "system": "urn:pacsd:authority:HIS", "value": "P1"}  # fmt: skip
    answer = hospital.ask("POST", "ServiceRequest", request(identifier=[number]))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (409, "conflict")
    hospital.project()
    projected = next(one for one in hospital.all("ServiceRequest") if one["meta"].get("source"))
    answer = hospital.ask("PUT", f"ServiceRequest/{projected['id']}", request(id=projected["id"]))
    assert answer.status_code == 409


def test_an_exam_that_is_done_completes_the_order_and_then_it_cannot_be_revoked(hospital: Hospital) -> None:
    told = placed(hospital)
    hospital.say(orm("SC", placer=f"{told['id']}^FHIR", patient="4711", status="CM", at="20990101120000"))
    hospital.project()
    assert hospital.only("ServiceRequest")["status"] == "completed"
    answer = hospital.ask("PUT", "ServiceRequest/r1", request(id="r1", status="revoked"))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (409, "conflict")
    assert hospital.rows("select status from scheduled_step") == [("COMPLETED",)]


def test_an_order_is_not_deleted_while_it_stands(hospital: Hospital) -> None:
    placed(hospital)
    assert hospital.ask("DELETE", "ServiceRequest/r1").status_code == 409
    assert hospital.ask("PUT", "ServiceRequest/r1", request(id="r1", status="revoked")).status_code == 200
    assert hospital.ask("DELETE", "ServiceRequest/r1").status_code == 204


def test_a_request_that_is_no_imaging_order_is_kept_alone(hospital: Hospital) -> None:
    other = request(category=[{"text": "Laboratory"}], subject={"display": "x"})
    assert hospital.ask("POST", "ServiceRequest", other).status_code == 201
    assert worklist(hospital) == []


def test_who_is_called_the_same_on_another_server_is_somebody_else(hospital: Hospital) -> None:
    placed(hospital)
    other = request(subject={"reference": "http://other.example/fhir/Patient/p1"})
    answer = hospital.ask("POST", "ServiceRequest", other)
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["ServiceRequest.subject"])
    ours = request(subject={"reference": "https://pacs.example/fhir/Patient/p1"})
    assert hospital.ask("POST", "ServiceRequest", ours).status_code == 201
    assert len(worklist(hospital)) == 2
