"""What happens in the archive is seen in FHIR: once for each change, and after a lost index, too."""

from typing import Any

import pytest

from fhir.projection import gathering
from fhir.projection import imaging_study as imaging_study_module
from fhir.projection.consumer import NAME
from fhir.projection.imaging_study import imaging_study
from fhir.projection.projected import House, Projected
from fhir.store import shared
from fhir.store.subscriptions import DONE
from pacsd.index.completion import complete_studies
from pacsd.index.sources import StudySource
from pacsd.workflow.services import open_workflow
from pacsd.workflow.states import State
from tests.fhir.acting.test_administration import CLINIC
from tests.fhir.projection.hospital import Hospital, opened
from tests.hl7.orders import orm
from tests.hl7.results import oru, text
from tests.synthetic import ct_series, study
from tests.workflow.steps import attribute, step


def references(hospital: Hospital) -> set[str]:
    """Every literal reference that a projection has."""
    found: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("reference"), str):
                found.add(value["reference"])
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    for (type_name,) in hospital.rows("select distinct type from fhir_resource"):
        for body in hospital.all(type_name):
            walk(body)
    return found


def fill(hospital: Hospital) -> None:
    hospital.say(orm("NW", placer="P1^HIS", patient="42", accession="A1", name="ZHANG^SAN"))
    one = study(7, name="utf8", patient_id="42", accession_number="A1")
    hospital.store(*ct_series(one, count=3, rows=16, columns=16))
    hospital.say(oru("1", text("Clear."), "NM|8867-4^Heart rate^LN||72.5|/min^per minute^UCUM|60-80|H|||F",
                     accession="A1", filler="F1"))  # fmt: skip


def test_what_happens_is_projected_and_refers_to_what_is_there(hospital: Hospital) -> None:
    hospital.project()
    fill(hospital)
    hospital.project()
    kinds = {name.partition("/")[0] for name in hospital.versions()}
    assert {"Patient", "ImagingStudy", "ServiceRequest", "Appointment", "DiagnosticReport", "Observation", "Endpoint",
            "Organization", "Device", "Provenance"} <= kinds  # fmt: skip
    assert references(hospital) <= hospital.versions().keys()
    assert hospital.only("ImagingStudy")["numberOfInstances"] == 3


def test_nothing_new_makes_no_version(hospital: Hospital) -> None:
    fill(hospital)
    hospital.project()
    before = hospital.versions()
    again(hospital)
    hospital.project()
    assert hospital.versions() == before and set(before.values()) == {1}


def again(hospital: Hospital) -> None:
    """As on an index that nothing was projected from yet, but for the resources."""
    with hospital.archive.pool.connection() as connection:
        connection.execute("delete from fhir_sweep")
    hospital.projections = hospital.opened()


def test_a_study_that_grows_has_a_version_more_and_its_patient_none(hospital: Hospital) -> None:
    one = study(7, patient_id="42")
    hospital.store(*ct_series(one, count=2, rows=16, columns=16))
    hospital.project()
    hospital.store(*ct_series(one, series=2, count=1, rows=16, columns=16))
    assert complete_studies(hospital.archive.pool, quiet_s=0.0) == 1
    hospital.project()
    found = hospital.only("ImagingStudy")
    assert (found["meta"]["versionId"], found["numberOfSeries"], found["numberOfInstances"]) == ("2", 2, 3)
    assert hospital.only("Patient")["meta"]["versionId"] == "1"


def test_everything_is_projected_again_under_the_same_ids_where_all_resources_are_lost(hospital: Hospital) -> None:
    fill(hospital)
    hospital.project()
    before = {name: body for type_name in ("Patient", "ImagingStudy", "ServiceRequest", "DiagnosticReport")
              for name, body in meanings(hospital, type_name).items()}  # fmt: skip
    with hospital.archive.pool.connection() as connection:
        connection.execute("delete from fhir_resource")
        connection.execute("delete from event")
    again(hospital)
    hospital.project()
    after = {name: body for type_name in ("Patient", "ImagingStudy", "ServiceRequest", "DiagnosticReport")
             for name, body in meanings(hospital, type_name).items()}  # fmt: skip
    assert after == before


def meanings(hospital: Hospital, type_name: str) -> dict[str, object]:
    """By id what resources say, but for when."""
    every = hospital.all(type_name)
    return {one["id"]: {name: value for name, value in one.items() if name != "meta"} for one in every}


def test_what_one_organisation_has_is_nobody_elses(hospital: Hospital) -> None:
    hospital.store(*ct_series(study(7, patient_id="42"), count=1, rows=16, columns=16), code="east")
    hospital.store(*ct_series(study(7, patient_id="42"), count=1, rows=16, columns=16), code="west")
    hospital.project()
    (east,), (west,) = hospital.all("ImagingStudy", "east"), hospital.all("ImagingStudy", "west")
    assert east["id"] != west["id"] and east["identifier"][0] == west["identifier"][0]
    assert hospital.ask("GET", f"ImagingStudy/{east['id']}").status_code == 200
    assert hospital.ask("GET", f"ImagingStudy/{west['id']}").status_code == 404


def test_a_rejected_study_is_gone_and_comes_back_under_its_id(hospital: Hospital) -> None:
    one = study(7, patient_id="42")
    hospital.store(*ct_series(one, count=1, rows=16, columns=16))
    hospital.project()
    name = hospital.only("ImagingStudy")["id"]
    rejections = hospital.archive.rejections
    rejections.reject("east", one.study_instance_uid, None, None, code="113039")
    hospital.project()
    assert hospital.ask("GET", f"ImagingStudy/{name}").status_code == 410
    rejections.restore("east", one.study_instance_uid, None, None, reason="wrong")
    hospital.project()
    assert hospital.only("ImagingStudy")["meta"]["versionId"] == "3"


def test_a_merge_moves_studies_and_says_who_replaced_whom(hospital: Hospital) -> None:
    hospital.store(*ct_series(study(7, patient_id="41"), count=1, rows=16, columns=16))
    hospital.project()
    hospital.say(
        "MSH|^~\\&|HIS|EAST|PACSD|EAST|20260101120000||ADT^A40^ADT_A39|m1|P|2.5.1\rEVN||20260101\r"
        "PID|1||42||ZHANG^SAN||19800102|F\rMRG|41\r"
    )
    hospital.project()
    by_number = {one["identifier"][0]["value"]: one for one in hospital.all("Patient")}
    survivor = {"reference": f"Patient/{by_number['42']['id']}"}
    assert by_number["41"]["active"] is False
    assert by_number["41"]["link"] == [{"other": survivor, "type": "replaced-by"}]
    assert hospital.only("ImagingStudy")["subject"] == survivor


def test_one_that_cannot_be_projected_holds_up_no_other(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_one(house: House, source: StudySource, *rest: Any) -> Projected:
        if source.patient[1] == "bad":
            raise ValueError("what nobody thought of")
        return imaging_study(house, source, *rest)

    hospital.project()
    with monkeypatch.context() as patched:
        patched.setattr(gathering, "imaging_study", break_one)
        for seed, number in ((1, "bad"), (2, "good")):
            hospital.store(*ct_series(study(seed, patient_id=number), count=1, rows=16, columns=16))
        hospital.project()
        assert len(hospital.all("ImagingStudy")) == 1
        assert hospital.rows("select attempts from retry where consumer = %s", NAME) == [(1,)]
    hospital.rows("update retry set due_at = now() returning 1")
    hospital.project()
    assert len(hospital.all("ImagingStudy")) == 2 and hospital.rows("select event from retry") == []


def test_of_what_there_was_before_one_that_cannot_be_projected_is_left_and_no_other(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = study(7, patient_id="7"), study(8, patient_id="8")
    hospital.store(*ct_series(first, count=1, rows=16, columns=16), *ct_series(second, count=1, rows=16, columns=16))

    def broken(house: House, source: StudySource, *rest: Any) -> Projected:
        if source.study_instance_uid == first.study_instance_uid:
            raise ValueError("no")
        return imaging_study(house, source, *rest)

    monkeypatch.setattr(gathering, "imaging_study", broken)
    with hospital.archive.pool.connection() as connection:
        connection.execute("delete from event")
    hospital.project()
    assert [one["identifier"][0]["value"] for one in hospital.all("ImagingStudy")] == [
        f"urn:oid:{second.study_instance_uid}"]  # fmt: skip
    assert hospital.rows("select kind from fhir_sweep where not finished") == []


def test_what_is_swept_is_not_done_for_who_looks_before_it_is(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subscriptions see by such snapshots what was changed since: they would never hear of it."""
    fill(hospital)
    sweep_on, looks = shared.sweep_on, list[tuple[str, set[str]]]()

    def looked(*args: Any, **told: Any) -> None:
        hospital.rows("select pg_current_xact_id()")             # somebody else is done meanwhile
        ((look,),) = hospital.rows("select pg_current_snapshot()::text")
        looks.append((look, set(hospital.versions())))
        sweep_on(*args, **told)

    monkeypatch.setattr(shared, "sweep_on", looked)
    swept = set[str]()
    while hospital.projections.sweep():
        look, there = looks[-1]
        made = set(hospital.versions()) - there
        assert hospital.rows(f"""select r.type, r.id from fhir_resource r,
            (select pg_snapshot_xmax(pg_current_snapshot()) as now) n
            where r.type || '/' || r.id = any(%s) and {DONE.format("%s::pg_snapshot")}""", list(made), look) == []
        swept |= made
    assert {"Patient", "ImagingStudy", "ServiceRequest"} <= {name.partition("/")[0] for name in swept}


def test_a_large_study_is_told_without_its_instances_and_says_so(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imaging_study_module, "MOST_INSTANCES", 2)
    hospital.store(*ct_series(study(7, patient_id="42"), count=3, rows=16, columns=16))
    hospital.project()
    found = hospital.only("ImagingStudy")
    assert found["meta"]["tag"] == [imaging_study_module.SUBSETTED] and found["numberOfInstances"] == 3
    assert found["series"][0]["numberOfInstances"] == 3 and "instance" not in found["series"][0]


def test_results_that_a_report_names_no_more_are_deleted(hospital: Hospital) -> None:
    fill(hospital)
    hospital.project()
    assert len(hospital.all("Observation")) == 1
    hospital.say(oru("2", text("Clear."), accession="A1", filler="F1", status="C", time="20260102120000"))
    hospital.project()
    assert hospital.all("Observation") == [] and hospital.only("DiagnosticReport")["status"] == "corrected"


def test_what_a_feed_keeps_no_client_changes_or_deletes(hospital: Hospital) -> None:
    fill(hospital)
    hospital.project()
    for type_name in ("ImagingStudy", "ServiceRequest", "Appointment", "DiagnosticReport", "Organization", "Endpoint"):
        one = hospital.all(type_name)[0]
        answer = hospital.ask("PUT", f"{type_name}/{one['id']}", {**one, "language": "zh"})
        assert answer.status_code == 409, (type_name, answer.text)
        assert hospital.ask("DELETE", f"{type_name}/{one['id']}").status_code == 409


def test_what_an_organisation_stores_first_is_projected_by_who_has_not_heard_of_it(
    hospital: Hospital, database: str
) -> None:
    with opened(database, hospital.settings.data_dir) as worker:             # learns once a second, and not now
        worker.project()
        assert hospital.ask("PUT", "Organization/clinic", CLINIC).status_code == 201
        hospital.archive.register.refresh()
        one = study(9, name="utf8", patient_id="9")
        hospital.store(*ct_series(one, count=1, rows=16, columns=16), code="clinic")
        hospital.store(*ct_series(study(10, patient_id="10"), count=1, rows=16, columns=16))
        assert "clinic" not in worker.archive.directory.organisations
        worker.project()
    assert hospital.only("ImagingStudy", "clinic")["identifier"][0]["value"] == f"urn:oid:{one.study_instance_uid}"
    assert len(hospital.all("ImagingStudy")) == 1


def test_how_late_projections_are_is_measured(hospital: Hospital) -> None:
    hospital.project()
    fill(hospital)
    hospital.project()
    assert hospital.lags and max(hospital.lags) < 60


def test_a_step_refers_to_its_study_as_long_as_that_is_there(hospital: Hospital) -> None:
    one = study(8, name="utf8", patient_id="8")
    workflow = open_workflow(hospital.settings, hospital.archive.pool, hospital.archive.blobs,
                             hospital.archive.directory)  # fmt: skip
    peer = hospital.archive.directory.member("east")
    workflow.workitems.create(peer, "1.2.3.4.5", step(t0020000D=attribute("UI", one.study_instance_uid)))
    hospital.project()
    assert hospital.only("Task")["focus"]["identifier"]["value"] == f"urn:oid:{one.study_instance_uid}"
    hospital.store(*ct_series(one, count=1, rows=16, columns=16))
    hospital.project()
    made = {"reference": f"ImagingStudy/{hospital.only('ImagingStudy')['id']}"}
    assert hospital.only("Task")["focus"] == made
    workflow.workitems.change_state(peer, "1.2.3.4.5", State.IN_PROGRESS, transaction_uid="1.2.9")
    hospital.project()
    assert hospital.only("Task")["status"] == "in-progress" and hospital.only("Task")["focus"] == made
    hospital.archive.rejections.reject("east", one.study_instance_uid, None, None, code="113039")
    hospital.project()
    assert "reference" not in hospital.only("Task")["focus"]
