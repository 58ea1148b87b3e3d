"""What a patient permits and denies (IHE PCF ITI-108) decides on every interface from when it is written."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.access.region import STUDIES, Region, filled
from tests.access.test_grants import EAST_READER, break_glass, sees
from tests.conftest import Postgres

WRITER = "clinician@west"
READERS = (EAST_READER, "radiologist@south", "clinician@south", "radiologist@west")


@pytest.fixture(scope="module")
def region(postgres: Postgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    with filled(postgres, migrated_template, tmp_path_factory.mktemp("consents")) as made:
        made.rows("update access_grant set revoked_at = now() returning pk")
        yield made


def organisation(code: str) -> dict[str, Any]:
    return {"role": {"text": "recipient"},
            "reference": {"identifier": {"system": "urn:pacsd:organisation", "value": code}}}  # fmt: skip


def role(name: str) -> dict[str, Any]:
    return {"role": {"text": "recipient"}, "reference": {"identifier": {"system": "urn:pacsd:role", "value": name}}}


def consent(provision: dict[str, Any] | None, *, ident: str = "c1", **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Consent", "id": ident, "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope",
                              "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"identifier": {"system": "urn:oid:1.2.3.2", "value": "W1"}},
        "policyRule": {"text": "as the patient says"}, **changes,
    }  # fmt: skip
    return made if provision is None else {**made, "provision": provision}


def written(region: Region, body: dict[str, Any], token: str = WRITER) -> int:
    return region.fhir("PUT", f"Consent/{body['id']}", token, body).status_code


def seeing(region: Region) -> list[str]:
    return [token for token in READERS if sees(region, token)]


OWN = ["radiologist@west"]
IMAGES = {"system": "http://hl7.org/fhir/resource-types", "code": "ImagingStudy"}


def modality(*codes: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": one} for one in codes]}


CASES: dict[str, tuple[dict[str, Any] | None, list[str]]] = {
    "nothing said": (None, OWN),
    "one is permitted": ({"type": "permit", "actor": [organisation("east")]}, [EAST_READER, *OWN]),
    "all are permitted": ({"type": "permit"}, list(READERS)),
    "all but one": ({"type": "permit", "provision": [{"type": "deny", "actor": [organisation("south")]}]},
                    [EAST_READER, *OWN]),
    "a role is denied": ({"type": "permit", "provision": [{"type": "deny", "actor": [role("clinician")]}]},
                         [EAST_READER, "radiologist@south", *OWN]),
    "none but one": ({"type": "deny", "provision": [{"type": "permit", "actor": [organisation("south")]}]},
                     ["radiologist@south", "clinician@south", *OWN]),
    "for another purpose": ({"type": "permit", "purpose": [{"code": "HRESCH"}]}, OWN),
    "for treatment": ({"type": "permit", "purpose": [{"code": "TREAT"}]}, list(READERS)),
    "once": ({"type": "permit", "period": {"start": "2001-01-01", "end": "2001-12-31"}}, OWN),
    "until later": ({"type": "permit", "period": {"end": "2099"}}, list(READERS)),
    "images are permitted": ({"type": "permit", "class": [IMAGES]}, list(READERS)),
    "images of a modality": ({"type": "permit", "class": [IMAGES], "code": [modality("CT", "MR")]}, list(READERS)),
    "images of others": ({"type": "permit", "class": [IMAGES], "code": [modality("MG")]}, OWN),
    "all but images": ({"type": "permit", "provision": [{"type": "deny", "class": [IMAGES], "code": [modality("CT")],
                                                         "actor": [organisation("south")]}]}, [EAST_READER, *OWN]),
    "no images of a modality": ({"type": "deny", "class": [IMAGES], "code": [modality("CT")], "actor": [
        organisation("west")]}, []),
    "no images of others": ({"type": "deny", "class": [IMAGES], "code": [modality("MG")], "actor": [
        organisation("west")]}, OWN),
    "the own hospital's readers": ({"type": "deny", "actor": [organisation("west"), role("radiologist")]}, []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_consent_decides(region: Region, case: str) -> None:
    provision, expected = CASES[case]
    assert written(region, consent(provision)) in (200, 201)
    assert seeing(region) == expected
    assert written(region, consent(provision, status="inactive")) == 200
    assert seeing(region) == OWN


def test_a_deleted_consent_is_in_force_no_more(region: Region) -> None:
    assert written(region, consent({"type": "permit"}, ident="gone")) == 201
    assert seeing(region) == list(READERS)
    assert region.fhir("DELETE", "Consent/gone", WRITER).status_code in (200, 204)
    assert seeing(region) == OWN


def test_a_denial_closes_the_glass_too(region: Region) -> None:
    assert written(region, consent({"type": "deny"}, ident="no")) == 201
    region.later()
    assert break_glass(region, EAST_READER).status_code == 404
    assert written(region, consent({"type": "deny"}, ident="no", status="inactive")) == 200
    region.later()
    assert break_glass(region, EAST_READER).status_code == 200
    region.rows("update access_grant set revoked_at = now() where kind = 'break-glass' returning pk")


@pytest.mark.parametrize(
    "provision",
    [
        {"type": "permit", "securityLabel": [{"code": "R"}]}, {"type": "deny", "dataPeriod": {"start": "2001"}},
        {"type": "permit", "class": [{"code": "ImagingStudy"}]},
        {"type": "permit", "class": [IMAGES, {**IMAGES, "code": "DiagnosticReport"}]},
        {"type": "permit", "code": [modality("CT")]}, {"type": "permit", "class": [IMAGES], "code": [{"text": "CT"}]},
        {"type": "deny", "class": [IMAGES], "code": [{"coding": [{"system": "http://loinc.org", "code": "1"}]}]},
        {"type": "permit", "class": [IMAGES], "code": [modality("CT")],
         "provision": [{"type": "deny", "class": [IMAGES], "code": [modality("CT", "MG")]}]},
        {"type": "deny", "provision": [{"type": "permit", "class": [IMAGES], "actor": [organisation("east")]}]},
        {"actor": [organisation("east")]},
        {"type": "permit", "actor": [organisation("nowhere")]}, {"type": "permit", "actor": [role("king")]},
        {"type": "permit", "action": [{"coding": [{"code": "access"}]}]},
        {"type": "permit", "provision": [{"type": "permit"}]},
        {"type": "deny", "provision": [{"type": "permit", "actor": [role("clinician")]}]},
        {"type": "permit", "provision": [{"type": "deny", "provision": [{"type": "permit"}]}]},
    ],
)  # fmt: skip
def test_what_is_not_enforced_is_refused(region: Region, provision: dict[str, Any]) -> None:
    assert written(region, consent(provision, ident="odd")) == 422
    assert region.rows("select from access_grant where revoked_at is null and name like 'consent west odd%%'") == []


def test_one_hospital_says_nothing_of_anothers_patients(region: Region) -> None:
    assert written(region, consent({"type": "permit"}, ident="theft"), "clinician@south") == 201
    assert not sees(region, "clinician@south")
    theirs = {"reference": f"Patient/{region.id_of('Patient', 'west')}"}
    named = consent({"type": "permit"}, ident="theft2", patient=theirs)
    assert written(region, named, "clinician@south") in (201, 409, 422)
    assert not sees(region, "clinician@south", STUDIES["west"].study_instance_uid)


def test_images_alone_are_permitted_and_reports_are_not(region: Region) -> None:
    assert written(region, consent({"type": "permit", "class": [IMAGES]}, ident="pictures")) == 201
    assert sees(region, EAST_READER)
    for type_name in ("DiagnosticReport", "Patient"):
        path = f"{type_name}/{region.id_of(type_name, 'west')}"
        assert region.fhir("GET", path, EAST_READER).status_code == 404
        assert region.fhir("GET", path, "radiologist@west").status_code == 200
    assert written(region, consent(None, ident="pictures", status="inactive")) == 200


def test_images_alone_are_denied_and_reports_are_not(region: Region) -> None:
    denied = consent({"type": "deny", "class": [IMAGES], "actor": [organisation("west")]}, ident="shy")
    assert written(region, denied) == 201
    assert not sees(region, "radiologist@west")
    report = f"DiagnosticReport/{region.id_of('DiagnosticReport', 'west')}"
    assert region.fhir("GET", report, "radiologist@west").status_code == 200
    assert written(region, consent(None, ident="shy", status="inactive")) == 200
    assert sees(region, "radiologist@west")
