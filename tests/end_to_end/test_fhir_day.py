"""A hospital's day from HL7 and DICOM alone, seen through FHIR; and the reverse: order and report by FHIR, seen on the
worklist by DCMTK, by an HL7 listener as ORU^R01, and as SR in the study."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hl7.listener import Limits, Listener
from tests.clients import require
from tests.end_to_end import dcmtk, peers
from tests.end_to_end.test_reports import IMPRESSION, Hospital
from tests.hl7.orders import orm
from tests.hl7.peer import adt
from tests.hl7.results import oru, study_uid, text
from tests.server import remove_folder, scratch_folder
from tests.synthetic import small_object, study, write_folder
from tests.workflow.steps import attribute, step

SYSTEM = "urn:pacsd:authority:east"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
WORKITEM = "1.2.826.0.1.3680043.9.77"


class Fhir:
    """The FHIR edge of a running server."""

    def __init__(self, hospital: Hospital) -> None:
        self.base = f"http://127.0.0.1:{hospital.server.http_port}/fhir"

    def search(self, query: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.base}/{query}", timeout=30)
        assert answer.status_code == 200, answer.text
        return [one["resource"] for one in answer.json().get("entry", ())]

    def found(self, query: str, enough: Callable[[list[dict[str, Any]]], bool] = bool) -> list[dict[str, Any]]:
        """What a search finds, once that is enough."""
        deadline = time.monotonic() + 20
        while not enough(found := self.search(query)):
            assert time.monotonic() < deadline, (query, found)
            time.sleep(0.05)
        return found

    def read(self, reference: dict[str, str]) -> dict[str, Any]:
        answer = httpx.get(f"{self.base}/{reference['reference']}", timeout=30)
        assert answer.status_code == 200, (reference, answer.text)
        return dict(answer.json())

    def put(self, **resource: Any) -> httpx.Response:
        path = f"{self.base}/{resource['resourceType']}/{resource['id']}"
        return httpx.put(path, json=resource, headers={"Content-Type": "application/fhir+json"}, timeout=30)


@pytest.fixture(scope="module")
def hospital() -> Iterator[Hospital]:
    folder = scratch_folder("pacsd-fhir-day-")
    made = Hospital(folder)
    listener = Listener(made.ris, host="127.0.0.1", port=made.ris_port, limits=Limits())
    try:
        threading.Thread(target=listener.serve, daemon=True).start()
        made.server.start()
        yield made
    finally:
        made.server.kill()
        listener.close()
        listener.drain(1.0)
        remove_folder(folder)


@pytest.fixture(scope="module")
def fhir(hospital: Hospital) -> Fhir:
    return Fhir(hospital)


def test_a_day_of_hl7_and_dicom_is_seen_through_fhir(hospital: Hospital, fhir: Fhir, tmp_path: Path) -> None:
    require("storescu")
    one = study(811, patient_id="D-1", accession_number="A811")
    name = "ZHANG^SAN^^^^^L~\u5f20^\u4e09^^^^^L^I"
    assert hospital.ask(adt("A04", "d1", "D-1", name=name)) == "AA"
    assert hospital.ask(orm("NW", placer="P811^HIS", patient="D-1", accession="A811", visit="V-1", name=name)) == "AA"
    files = write_folder(tmp_path, [small_object(one, instance=n) for n in (1, 2)])
    dcmtk.run("storescu", hospital.server.dicom_port, files=files)
    assert hospital.ask(oru("d2", study_uid(one.study_instance_uid), text("Normal.", code=IMPRESSION), patient="D-1",
                            accession="A811", filler="F811", author="8&WANG&WU")) == "AA"  # fmt: skip
    (patient,) = fhir.found(f"Patient?identifier={SYSTEM}|D-1&name=\u5f20\u4e09")
    (imaging,) = fhir.found(
        f"ImagingStudy?patient.identifier={SYSTEM}|D-1", lambda got: bool(got and got[0]["numberOfInstances"] >= 2)
    )
    assert imaging["subject"] == {"reference": f"Patient/{patient['id']}"}
    endpoint = fhir.read(imaging["endpoint"][0])
    retrieved = httpx.get(f"{endpoint['address']}/studies/{one.study_instance_uid}/metadata", timeout=30)
    assert retrieved.status_code == 200 and len(retrieved.json()) >= 2
    (order,) = fhir.found(f"ServiceRequest?subject=Patient/{patient['id']}")
    assert imaging["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
    assert fhir.read(order["encounter"])["identifier"][0]["value"] == "V-1"
    assert fhir.found(f"Appointment?patient=Patient/{patient['id']}")[0]["status"] == "booked"
    (report,) = fhir.found(f"DiagnosticReport?patient=Patient/{patient['id']}",
                           lambda got: bool(got and got[0].get("imagingStudy")))  # fmt: skip
    assert (report["status"], report["conclusion"], report["basedOn"]) == (
        "final", "Normal.", [{"reference": f"ServiceRequest/{order['id']}"}])  # fmt: skip
    assert fhir.read(report["imagingStudy"][0])["id"] == imaging["id"]
    assert fhir.read(report["performer"][0])["name"][0]["family"] == "WANG"
    told = fhir.found(f"Provenance?target=DiagnosticReport/{report['id']}")
    assert told[0]["agent"][0]["who"]["display"] == "RIS"


def test_a_unified_procedure_step_is_a_task_as_far_as_it_has_come(hospital: Hospital, fhir: Fhir) -> None:
    headers = {"Content-Type": "application/dicom+json"}
    made = httpx.post(f"{hospital.server.base_url}/workitems?{WORKITEM}", json=step(t00404025=attribute("SQ")),
                      headers=headers)  # fmt: skip
    assert made.status_code == 201, made.text
    (task,) = fhir.found(f"Task?identifier=urn:dicom:uid|urn:oid:{WORKITEM}")
    assert (task["status"], task["for"]["identifier"]["value"]) == ("requested", "P1")
    begun = {"00741000": attribute("CS", "IN PROGRESS"), "00081195": attribute("UI", "1.2.3.4")}
    path = f"{hospital.server.base_url}/workitems/{WORKITEM}/state"
    assert httpx.put(path, json=begun, headers=headers).status_code == 200
    (task,) = fhir.found("Task?status=in-progress")
    refused = fhir.put(**{**task, "status": "completed"})
    assert refused.status_code == 422 and "Transaction UID" in refused.text
    extension = [
        {"url": "urn:pacsd:fhir:StructureDefinition:transaction-uid", "valueOid": "urn:oid:1.2.3.4"},
        {"url": "urn:pacsd:fhir:StructureDefinition:performed-station", "valueCoding": {"code": "GPU1"}},
    ]
    period = {"start": "2026-01-02T08:30:00Z", "end": "2026-01-02T08:45:00Z"}
    done = fhir.put(**{**task, "status": "completed", "extension": extension, "executionPeriod": period})
    assert done.status_code == 200 and done.json()["status"] == "completed", done.text
    kept = httpx.get(f"{hospital.server.base_url}/workitems/{WORKITEM}", headers={"Accept": "application/dicom+json"})
    assert kept.json()["00741000"]["Value"] == ["COMPLETED"]


def test_an_order_and_a_report_by_fhir_reach_worklist_listener_and_study(hospital: Hospital, fhir: Fhir) -> None:
    require("findscu")
    identifier = [{"system": SYSTEM, "value": "D-2"}]
    patient = {"resourceType": "Patient", "id": "d2", "identifier": identifier, "gender": "female",
               "birthDate": "1980-01-02", "name": [{"family": "\u674e", "given": ["\u56db"]}]}  # fmt: skip
    assert fhir.put(**patient).status_code == 201
    order = {
        "resourceType": "ServiceRequest", "id": "o2", "status": "active", "intent": "order", "priority": "urgent",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "363679005"}]}],
        "code": {"text": "CT chest"}, "orderDetail": [{"coding": [{"system": DCM, "code": "CT"}]}],
        "subject": {"reference": "Patient/d2"}, "occurrenceDateTime": "2026-01-02T08:30:00Z",
        "identifier": [{"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203",
                                             "code": "ACSN"}]}, "value": "A812"}],
    }  # fmt: skip
    assert fhir.put(**order).status_code == 201
    (item,) = dcmtk.find(hospital.server.dicom_port, "PatientID=D-2", "PatientName", "AccessionNumber",
                         "StudyInstanceUID", "RequestedProcedureDescription",
                         "ScheduledProcedureStepSequence[0].Modality", model="-W")  # fmt: skip
    assert (item.AccessionNumber, item.RequestedProcedureDescription) == ("A812", "CT chest")
    assert str(item.PatientName) == "=\u674e^\u56db"
    one = study(812, patient_id="D-2", accession_number="A812", study_instance_uid=str(item.StudyInstanceUID))
    assert peers.stow(hospital.server.base_url, [small_object(one)]).status_code == 200
    (imaging,) = fhir.found("ImagingStudy?basedon=ServiceRequest/o2")
    assert imaging["subject"] == {"reference": "Patient/d2"}
    report = {
        "resourceType": "DiagnosticReport", "id": "r2", "status": "final", "code": {"text": "CT chest"},
        "subject": {"reference": "Patient/d2"}, "basedOn": [{"reference": "ServiceRequest/o2"}],
        "imagingStudy": [{"reference": f"ImagingStudy/{imaging['id']}"}], "issued": "2026-01-02T10:00:00Z",
        "conclusion": "No nodule. \u672a\u89c1\u7ed3\u8282", "performer": [{"display": "\u738b\u4e94"}],
    }  # fmt: skip
    assert fhir.put(**report).status_code == 201
    (message,) = hospital.ris.about("D-2", 1)
    words = message.strip(b"\x0b\x1c\r").decode("gb18030")
    assert "ORU^R01" in words and "A812" in words and "No nodule. \u672a\u89c1\u7ed3\u8282" in words
    (sop,) = hospital.objects(one.study_instance_uid, 1)
    assert "\u672a\u89c1\u7ed3\u8282" in hospital.rendered(one.study_instance_uid, sop, "text/html").decode()
    fhir.found("ImagingStudy?basedon=ServiceRequest/o2", lambda got: got[0]["numberOfInstances"] == 2)
    assert fhir.search("DiagnosticReport?patient=Patient/d2")[0]["id"] == "r2"


def test_everything_is_there_again_after_a_rebuild(hospital: Hospital, fhir: Fhir) -> None:
    before = {one["id"] for kind in ("Patient", "ImagingStudy", "ServiceRequest", "DiagnosticReport")
              for one in fhir.search(f"{kind}?_count=100")}  # fmt: skip
    assert hospital.server.stop() == 0
    shutil.rmtree(hospital.server.data / "postgres")
    done = hospital.server.command("rebuild")
    assert done.returncode == 0, done.stdout[-2000:]
    hospital.server.start()
    fhir.found("ImagingStudy?basedon=ServiceRequest/o2")
    for kind in ("Patient", "ImagingStudy", "ServiceRequest", "DiagnosticReport"):
        fhir.found(f"{kind}?_count=100", lambda got: len({one["id"] for one in got} & before) == len(got) > 0)
    assert fhir.search("ServiceRequest?_id=o2")[0]["status"] == "active"
