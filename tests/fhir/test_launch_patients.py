"""Patients as apps are launched with them: from a FHIR id to the archive's key and back, for who may see them."""

from fhir.launch_patients import LaunchPatients
from fhir.projection.systems import Systems
from pacsd.access.launch_patient import LaunchPatient
from pacsd.access.principal import PatientKey, Principal, Proof, Role
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from tests.fhir.house import House


def who(organisation: str, role: Role = Role.CLINICIAN) -> Principal:
    return Principal("wang", organisation, frozenset((role,)), Proof.TOKEN)


def patients_of(house: House) -> LaunchPatients:
    def seen(principal: Principal) -> Scope:
        if principal.is_a(Role.AUDITOR):
            raise PacsdError(Fault.FORBIDDEN, "auditors read no patients")
        return house.member(principal.organisation).scope

    return LaunchPatients(
        house.server, Systems({"EAST-HIS": "1.2.3"}), of_principal=seen, authorities=("EAST-HIS",),
        of_organisation=lambda code: house.member(code).scope,
    )  # fmt: skip


def test_patient_is_found_by_id_and_by_key_for_who_may_see_them(house: House) -> None:
    told = {
        "resourceType": "Patient", "birthDate": "1980-01-02", "name": [{"family": "李", "given": ["雷"]}],
        "identifier": [{"system": "http://other.example", "value": "9"},
                       {"system": "urn:oid:1.2.3", "value": "000123"}],
    }  # fmt: skip
    name = house.post("Patient", told).json()["id"]
    patients, key = patients_of(house), PatientKey("EAST-HIS", "000123")
    found = patients.by_id(who("east"), name)
    assert found == LaunchPatient(name, key, "李 雷", "1980-01-02")
    assert patients.of_key("east", key) == found and patients.key_of("east", name) == key
    assert patients.by_id(who("west"), name) is None and patients.of_key("west", key) is None
    assert patients.by_id(who("east", Role.AUDITOR), name) is None and patients.by_id(who("east"), "nobody") is None


def test_merged_and_deleted_patients_are_none(house: House) -> None:
    number = {"system": "urn:oid:1.2.3", "value": "1"}
    told = {"resourceType": "Patient", "active": False, "identifier": [number]}
    merged = house.post("Patient", told).json()["id"]
    gone = house.post("Patient", {**told, "active": True}).json()["id"]
    house.delete(f"Patient/{gone}")
    patients = patients_of(house)
    assert patients.by_id(who("east"), merged) is None and patients.by_id(who("east"), gone) is None
    assert patients.of_key("east", PatientKey("EAST-HIS", "1")) is None


def test_search_finds_nobody_for_nothing_and_takes_wildcards_as_they_stand(house: House) -> None:
    patients = patients_of(house)
    for text in ("", " ", "*", "?", "nobody*", "张'; --"):
        assert list(patients.search(who("east"), text)) == []
    assert list(patients.search(who("east", Role.AUDITOR), "a")) == []
