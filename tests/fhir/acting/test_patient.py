"""What an owner states of its patients by FHIR is stated of them everywhere; what others state is their own record."""

from typing import Any

from tests.fhir.projection.hospital import EAST_OID, Hospital
from tests.synthetic import ct_slice, study

WEST = "urn:pacsd:authority:WEST"


def patient(number: str = "42", name: str = "p1", system: str = f"urn:oid:{EAST_OID}", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient", "id": name, "identifier": [{"system": system, "value": number}],
        "name": [{"family": "Li", "given": ["Si"]}], "gender": "male", "birthDate": "1990-05-06", **more,
    }  # fmt: skip


def shown(hospital: Hospital) -> list[tuple[Any, ...]]:
    """What readers of DICOM see of studies."""
    return list(hospital.rows(
        "select patient_id, patient_alphabetic, patient_birth_date::text, patient_sex from study order by pk"
    ))  # fmt: skip


def stored(hospital: Hospital, number: str = "42") -> str:
    """A study of a patient comes; the id of the patient's projection."""
    hospital.store(ct_slice(study(3, patient_id=number, name="ascii"), rows=16, columns=16))
    hospital.project()
    return str(hospital.only("Patient")["id"])


def test_an_owners_update_of_a_projected_patient_is_seen_in_dicom(hospital: Hospital) -> None:
    name = stored(hospital)
    answer = hospital.ask("PUT", f"Patient/{name}", patient(name=name, telecom=[{"system": "phone", "value": "123"}]))
    assert answer.status_code == 200, answer.text
    assert shown(hospital) == [("42", "li si", "1990-05-06", "M")]
    assert hospital.rows("select phone from patient_record") == [("123",)]
    before = hospital.versions()
    hospital.project()
    after = hospital.versions()
    assert after[f"Patient/{name}"] == before[f"Patient/{name}"]         # it says the same as the archive
    hospital.project()
    assert hospital.versions() == after
    assert hospital.only("Patient")["name"] == [{"family": "Li", "given": ["Si"]}]


def test_what_a_feed_states_later_stands_in_the_clients_resource_beside_what_only_it_knows(hospital: Hospital) -> None:
    from tests.hl7.orders import orm

    assert hospital.ask("PUT", "Patient/p1", patient(contact=[{"name": {"text": "A friend"}}])).status_code == 201
    hospital.say(orm("NW", placer="P1^HIS", patient="42", name="WANG^WU"))
    hospital.project()
    found = hospital.only("Patient")
    assert found["id"] == "p1" and found["contact"] == [{"name": {"text": "A friend"}}]
    assert found["name"][0]["text"] == "WU WANG" and found["birthDate"] == "1980-01-02" and found["gender"] == "female"


def test_patients_of_another_authority_are_a_record_of_the_writers_own(hospital: Hospital) -> None:
    assert hospital.ask("POST", "Patient", patient(system=WEST)).status_code == 201
    assert hospital.ask("POST", "Patient", patient(system="http://elsewhere.example")).status_code == 201
    hospital.project()
    assert hospital.rows("select count(*) from patient") == [(0,)]
    assert len(hospital.all("Patient")) == 2


def test_a_second_record_of_a_patient_changes_nothing_in_the_archive(hospital: Hospital) -> None:
    assert hospital.ask("PUT", "Patient/p1", patient()).status_code == 201
    assert hospital.ask("PUT", "Patient/p2", patient(name="p2", gender="female")).status_code == 201
    assert hospital.rows("select sex from patient_record") == [("M",)]


def test_a_patient_is_merged_and_parted_as_iti_104_says(hospital: Hospital) -> None:
    name = stored(hospital)
    assert hospital.ask("PUT", "Patient/p2", patient("43", "p2")).status_code == 201
    gone = patient(name=name, active=False, link=[{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}])
    assert hospital.ask("PUT", f"Patient/{name}", gone).status_code == 200
    assert [row[0] for row in shown(hospital)] == ["43"]
    hospital.project()
    assert hospital.only("ImagingStudy")["subject"] == {"reference": "Patient/p2"}
    assert hospital.ask("PUT", f"Patient/{name}", patient(name=name)).status_code == 200
    assert [row[0] for row in shown(hospital)] == ["42"]
    hospital.project()
    assert hospital.only("ImagingStudy")["subject"] == {"reference": f"Patient/{name}"}


def test_identifiers_of_an_archives_patient_stay_and_it_is_not_deleted(hospital: Hospital) -> None:
    assert hospital.ask("PUT", "Patient/p1", patient()).status_code == 201
    assert hospital.ask("PUT", "Patient/p1", patient("99")).status_code == 409
    assert hospital.ask("DELETE", "Patient/p1").status_code == 409
    assert hospital.only("Patient")["identifier"][0]["value"] == "42"
