"""Reports by FHIR are reports of the archive: kept, found by their study, and told of to who distributes them."""

import base64
from typing import Any

from pacsd.access.scope import Scope
from pacsd.reports.contents import Contents
from pacsd.reports.report import Code, Status
from pacsd.reports.reports import Report, Reports
from tests.fhir.acting.test_patient import patient
from tests.fhir.projection.hospital import Hospital
from tests.hl7.results import oru, text
from tests.synthetic import Study, ct_slice, study

PDF = b"%PDF-1.4\n%%EOF\n"


def reported(hospital: Hospital) -> tuple[Study, str]:
    """A study of a patient of ours, and the id of its projection."""
    one = study(4, patient_id="42", accession_number="A9")
    hospital.store(ct_slice(one, rows=16, columns=16))
    assert hospital.ask("PUT", "Patient/p1", patient()).status_code == 201
    hospital.project()
    return one, str(hospital.only("ImagingStudy")["id"])


def report(imaging_study: str, **more: Any) -> dict[str, Any]:
    form = {"contentType": "application/pdf", "data": base64.b64encode(PDF).decode(), "title": "Report"}
    return {
        "resourceType": "DiagnosticReport", "id": "d1", "status": "final", "code": {"text": "CT chest"},
        "subject": {"reference": "Patient/p1"}, "imagingStudy": [{"reference": f"ImagingStudy/{imaging_study}"}],
        "issued": "2026-01-02T10:00:00Z", "conclusion": "No nodule. \u65e0\u7ed3\u8282", "presentedForm": [form],
        "resultsInterpreter": [{"display": "\u738b\u4e94"}], **more,
    }  # fmt: skip


def kept(hospital: Hospital, one: Study) -> list[Report]:
    key = hospital.archive.directory.organisation_key("east")
    reports = Reports(hospital.archive.pool, Contents(hospital.archive.blobs), {key: "east"})
    return reports.of_study(Scope((key,), key), one.study_instance_uid)


def topics(hospital: Hospital) -> list[str]:
    return [row[0] for row in hospital.rows("select topic from event where topic like 'report.%%' order by pk")]


def test_a_final_report_is_kept_with_all_that_goes_out_and_told_of(hospital: Hospital) -> None:
    one, imaging_study = reported(hospital)
    result = {
        "resourceType": "Observation", "id": "o1", "status": "final", "code": {"coding": [
            {"system": "http://loinc.org", "code": "21889-1", "display": "Size"}]},
        "valueQuantity": {"value": 1.10, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"},
        "interpretation": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
                                        "code": "HH"}]}],
    }  # fmt: skip
    assert hospital.ask("PUT", "Observation/o1", result).status_code == 201
    answer = hospital.ask("PUT", "DiagnosticReport/d1", report(imaging_study, result=[{"reference": "Observation/o1"}]))
    assert answer.status_code == 201, answer.text
    (found,) = kept(hospital, one)
    (version,) = found.versions
    assert (version.status, version.critical, version.sender) == (Status.FINAL, True, "FHIR")
    said = [(each.section, each.kind, each.text, each.units) for each in version.content.observations]
    assert said[:2] == [("impression", "TX", "No nodule. \u65e0\u7ed3\u8282", None),
                        ("findings", "NM", "1.1", Code("mm", "mm", "UCUM"))]  # fmt: skip
    (document,) = version.content.documents
    assert Contents(hospital.archive.blobs).read(document.key) == PDF
    assert version.content.orders[0].accession_number == "A9" and version.content.verifier is not None
    assert topics(hospital) == ["report.final", "report.critical"]


def test_its_projection_is_the_same_resource(hospital: Hospital) -> None:
    _, imaging_study = reported(hospital)
    assert hospital.ask("PUT", "DiagnosticReport/d1", report(imaging_study)).status_code == 201
    before = hospital.versions()
    hospital.project()
    assert hospital.versions() == before and len(hospital.all("DiagnosticReport")) == 1


def test_an_amendment_and_a_withdrawal_are_versions_of_the_report(hospital: Hospital) -> None:
    one, imaging_study = reported(hospital)
    for status in ("preliminary", "final", "amended", "entered-in-error"):
        answer = hospital.ask("PUT", "DiagnosticReport/d1", report(imaging_study, status=status, conclusion=status))
        assert answer.status_code in (200, 201), answer.text
    (found,) = kept(hospital, one)
    assert [each.status.value for each in found.versions] == ["preliminary", "final", "corrected", "cancelled"]
    assert topics(hospital) == ["report.preliminary", "report.final", "report.amended", "report.cancelled"]


def test_what_a_feed_amends_stands_in_the_clients_resource(hospital: Hospital) -> None:
    _, imaging_study = reported(hospital)
    number = {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "FILL"}]},
              "system": "urn:pacsd:authority:RIS", "value": "F1"}  # fmt: skip
    assert hospital.ask("PUT", "DiagnosticReport/d1", report(imaging_study, identifier=[number])).status_code == 201
    hospital.say(oru("1", text("Nodule.", code="19005-8^Impression^LN"), status="C", filler="F1", accession="A9",
                     time="20990101120000"))  # fmt: skip
    hospital.project()
    found = hospital.only("DiagnosticReport")
    assert (found["id"], found["status"], found["conclusion"]) == ("d1", "corrected", "Nodule.")


def test_another_feeds_report_and_a_patient_of_others_are_refused(hospital: Hospital) -> None:
    _, imaging_study = reported(hospital)
    hospital.say(oru("1", text("Clear."), filler="F1", accession="A9"))
    number = {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "FILL"}]},
              "system": "urn:pacsd:authority:RIS", "value": "F1"}  # fmt: skip
    answer = hospital.ask("PUT", "DiagnosticReport/d1", report(imaging_study, identifier=[number]))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (409, "conflict")
    assert hospital.ask("PUT", "Patient/w", patient("1", "w", "urn:pacsd:authority:WEST")).status_code == 201
    answer = hospital.ask("PUT", "DiagnosticReport/d1", report(imaging_study, subject={"reference": "Patient/w"}))
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["DiagnosticReport.subject"])
    empty = report(imaging_study, conclusion="", presentedForm=[])
    empty.pop("conclusion")
    assert hospital.ask("PUT", "DiagnosticReport/d1", empty).status_code == 422
    assert len(hospital.all("DiagnosticReport")) == 0


def test_a_report_that_is_not_on_imaging_is_kept_alone(hospital: Hospital) -> None:
    answer = hospital.ask("POST", "DiagnosticReport", {
        "resourceType": "DiagnosticReport", "status": "final", "code": {"text": "Blood count"}})  # fmt: skip
    assert answer.status_code == 201 and topics(hospital) == []
