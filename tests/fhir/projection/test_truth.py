"""FHIR says what the archive says: of what is gone nothing stays, and nothing old is written over what is new."""

from pathlib import Path
from typing import Any

import pytest

from config.settings import Hl7SenderSettings
from fhir.projection import gathering, projector
from fhir.projection.imaging_study import imaging_study
from fhir.projection.projected import House, Projected
from pacsd.faults import Fault, PacsdError
from pacsd.index.sources import StudySource
from tests.fhir.acting.test_patient import patient
from tests.fhir.projection.hospital import Hospital, opened
from tests.hl7.results import oru, text
from tests.synthetic import Study, ct_series, ct_slice, encode, study
from tests.web.documents import PDF, encapsulated

PDF_BYTES = b"%PDF-1.4\n%%EOF\n"
AS_BASE64 = "ED|PDF^Report||^application^pdf^Base64^{}||||||F"


def adt(event: str, number: str, *more: str, control_id: str = "m1", name: str = "ZHANG^SAN") -> str:
    structure = "ADT_A39" if event == "A40" else "ADT_A01"
    lines = (f"MSH|^~\\&|HIS|EAST|PACSD|EAST|20260101120000||ADT^{event}^{structure}|{control_id}|P|2.5.1",
             "EVN||20260101", f"PID|1||{number}||{name}||19800102|F", *more)  # fmt: skip
    return "".join(f"{line}\r" for line in lines)


def with_document(one: Study) -> tuple[bytes, str]:
    """A PDF in a study, and its series."""
    found = encapsulated(PDF, PDF_BYTES)
    found.StudyInstanceUID, found.PatientID = one.study_instance_uid, one.patient_id
    return encode(found), str(found.SeriesInstanceUID)


def test_what_is_purged_is_gone_without_a_rejection_before(hospital: Hospital) -> None:
    one = study(7, patient_id="42")
    hospital.store(*ct_series(one, count=1, rows=16, columns=16))
    hospital.project()
    name = hospital.only("ImagingStudy")["id"]
    assert hospital.archive.rejections.purge("east", one.study_instance_uid) == 1
    hospital.project()
    assert hospital.ask("GET", f"ImagingStudy/{name}").status_code == 410


def test_a_series_that_is_purged_is_told_no_more(hospital: Hospital) -> None:
    one = study(7, patient_id="42")
    hospital.store(ct_slice(one, series=1, rows=16, columns=16), ct_slice(one, series=2, rows=16, columns=16))
    hospital.project()
    gone, kept = (each["uid"] for each in hospital.only("ImagingStudy")["series"])
    hospital.archive.rejections.purge("east", one.study_instance_uid, gone)
    hospital.project()
    assert [each["uid"] for each in hospital.only("ImagingStudy")["series"]] == [kept]


def test_a_document_goes_with_its_series_and_with_its_study(hospital: Hospital) -> None:
    one = study(7, patient_id="42")
    document, series = with_document(one)
    hospital.store(ct_slice(one, rows=16, columns=16), document)
    hospital.project()
    first = hospital.only("DocumentReference")["id"]
    rejections = hospital.archive.rejections
    rejections.reject("east", one.study_instance_uid, series, None, code="113039")
    hospital.project()
    assert hospital.all("DocumentReference") == [] and hospital.only("ImagingStudy")["numberOfSeries"] == 1
    rejections.restore("east", one.study_instance_uid, series, None, reason="wrong")
    hospital.project()
    assert hospital.only("DocumentReference")["id"] == first
    rejections.reject("east", one.study_instance_uid, None, None, code="113039")
    hospital.project()
    assert hospital.all("DocumentReference") == [] and hospital.all("ImagingStudy") == []


def test_a_patient_without_an_id_goes_with_the_study(hospital: Hospital) -> None:
    one = study(7, patient_id="")
    hospital.store(ct_slice(one, rows=16, columns=16))
    hospital.project()
    assert len(hospital.all("Patient")) == 1
    hospital.archive.rejections.purge("east", one.study_instance_uid)
    hospital.project()
    assert hospital.all("Patient") == [] and hospital.all("ImagingStudy") == []


def test_a_document_that_a_report_has_no_more_is_gone(hospital: Hospital) -> None:
    said = AS_BASE64.format("JVBERi0xLjQKJSVFT0YK")
    hospital.say(oru("1", text("Clear."), said))
    hospital.project()
    assert len(hospital.all("DocumentReference")) == len(hospital.all("Binary")) == 1
    hospital.say(oru("2", text("Not clear."), status="C", time="20260102120000"))
    hospital.project()
    assert hospital.all("DocumentReference") == hospital.all("Binary") == []


def test_a_patient_who_is_known_by_a_report_alone_follows_what_another_organisation_states(
    database: str, tmp_path: Path
) -> None:
    senders = (Hl7SenderSettings("ris", "RIS", "east"),
               Hl7SenderSettings("his", "HIS", "west", assigning_authority="EAST"))  # fmt: skip
    with opened(database, tmp_path, hl7_senders=senders) as hospital:
        hospital.say(adt("A28", "42", name="LI^SI"))
        hospital.say(oru("1", text("Clear."), patient="42"))
        hospital.project()
        assert hospital.only("Patient")["name"][0]["family"] == "LI"
        hospital.say(adt("A31", "42", control_id="m2", name="WANG^WU"))
        hospital.project()
        assert hospital.only("Patient")["name"][0]["family"] == "WANG"


def test_a_report_is_of_the_patient_who_survives_a_merge(hospital: Hospital) -> None:
    hospital.say(oru("1", text("Clear."), patient="41"))
    hospital.project()
    hospital.say(adt("A40", "42", "MRG|41"))
    hospital.project()
    by_number = {one["identifier"][0]["value"]: one["id"] for one in hospital.all("Patient")}
    assert hospital.only("DiagnosticReport")["subject"] == {"reference": f"Patient/{by_number['42']}"}


def test_what_a_client_writes_while_it_is_projected_stays(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hospital.ask("PUT", "Patient/p1", patient()).status_code == 201
    hospital.project()
    hospital.say(adt("A08", "42", name="LI^SI"))
    newer = {**patient(), "name": [{"family": "WANG", "given": ["WU"]}]}
    read = projector.gather

    def interrupted(*arguments: Any) -> gathering.Gathered:
        found = read(*arguments)
        if newer:
            assert hospital.ask("PUT", "Patient/p1", newer).status_code == 200
            newer.clear()
        return found

    monkeypatch.setattr(projector, "gather", interrupted)
    hospital.project()
    found = hospital.ask("GET", "Patient/p1").json()
    assert (found["name"][0]["family"], found["meta"]["versionId"]) == ("WANG", "2")


def test_what_cannot_be_read_holds_up_no_other_on_the_way_through_the_archive(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(house: House, source: StudySource, *rest: Any) -> Projected:
        if source.patient[1] == "bad":
            raise PacsdError(Fault.NOT_FOUND, "a sidecar that is lost")
        return imaging_study(house, source, *rest)

    for seed, number in ((1, "bad"), (2, "good")):
        hospital.store(*ct_series(study(seed, patient_id=number), count=1, rows=16, columns=16))
    monkeypatch.setattr(gathering, "imaging_study", damaged)
    hospital.project()
    assert len(hospital.all("ImagingStudy")) == 1
    assert hospital.rows("select finished from fhir_sweep where kind = 'study'") == [(True,)]
