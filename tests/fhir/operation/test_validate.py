"""$validate says what would be said of a resource, and keeps nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir.interaction.services import nothing_wrong
from tests.fhir.house import House, issue, opened, patient

URL = "http://x.org/StructureDefinition/named"
PROFILE: dict[str, Any] = {
    "resourceType": "StructureDefinition", "url": URL, "name": "Named", "status": "active", "kind": "resource",
    "abstract": False, "type": "Patient", "derivation": "constraint",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "differential": {"element": [{"id": "Patient", "path": "Patient"},
                                 {"id": "Patient.name", "path": "Patient.name", "min": 1}]},
}  # fmt: skip


@pytest.fixture
def lax(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs", check=nothing_wrong) as made:
        yield made


def told(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(one["severity"], one["code"]) for one in answer.json()["issue"] if one["severity"] != "information"]


def parameters(**named: Any) -> dict[str, Any]:
    rows = [{"name": name, "resource" if isinstance(value,
         dict) else "valueCode" if name == "mode" else "valueUri": value}
            for name, value in named.items()]
    return {"resourceType": "Parameters", "parameter": rows}


def test_a_resource_alone_and_in_parameters(house: House) -> None:
    assert told(house.post("Patient/$validate", patient())) == []
    assert told(house.post("Patient/$validate", patient(gender="m"))) == [("error", "code-invalid")]
    assert told(house.post("Patient/$validate", parameters(resource=patient(gender="m"), mode="create"))) \
        == [("error", "code-invalid")]
    assert told(house.post("Patient/$validate", {"resourceType": "Group", "type": "person", "actual": True})) \
        == [("error", "invalid")]


def test_parameters_are_a_resource_too(house: House) -> None:
    assert told(house.post("Parameters/$validate", {"resourceType": "Parameters", "parameter": [{"name": "a"}]})) \
        == [("error", "invariant")]


def test_a_resource_of_the_server_and_modes(lax: House) -> None:
    lax.put("Patient/p", patient(id="p", gender="m"))
    assert told(lax.get("Patient/p/$validate")) == [("error", "code-invalid")]
    assert lax.get("Patient/q/$validate").status_code == 404
    assert told(lax.post("Patient/p/$validate", parameters(resource=patient(id="q"), mode="update"))) \
        == [("error", "invalid")]
    assert told(lax.post("Patient/p/$validate?mode=delete")) == []
    assert told(lax.post("Patient/q/$validate?mode=delete")) == [("error", "not-found")]
    assert told(lax.post("Patient/p/$validate?mode=profile")) == [("error", "required"), ("error", "code-invalid")]
    assert issue(lax.post("Patient/p/$validate?mode=other", patient())) == (400, "value")
    assert issue(lax.post("Patient/$validate")) == (400, "required")
    lax.delete("Patient/p")
    assert issue(lax.get("Patient/p/$validate")) == (410, "deleted")
    assert issue(lax.get("Patient/p")) == (410, "deleted")


def test_profiles_that_are_kept_are_known_to_who_may_see_them(house: House) -> None:
    assert told(house.post(f"Patient/$validate?profile={URL}", patient())) == [("error", "not-found")]
    assert house.put("StructureDefinition/named", {**PROFILE, "id": "named"}).status_code == 201
    assert told(house.post(f"Patient/$validate?profile={URL}", patient())) == [("error", "required")]
    assert told(house.post(f"Patient/$validate?profile={URL}", patient(name=[{"text": "a"}]))) == []
    assert told(house.post("Patient/$validate", parameters(resource=patient(), profile=URL))) == [("error", "required")]
    house.act_as(house.member("west"))
    assert told(house.post(f"Patient/$validate?profile={URL}", patient())) == [("error", "not-found")]


def test_what_breaks_rules_is_refused_on_writing(house: House) -> None:
    answer = house.post("Patient", patient(gender="m"))
    assert issue(answer) == (422, "code-invalid")
    assert answer.json()["issue"][0]["expression"] == ["Patient.gender"]
    assert house.post("Patient", patient(gender="male")).status_code == 201
    assert issue(house.post("Patient", patient(name="A"))) == (422, "structure")


def test_a_parameter_that_is_not_known_is_refused(house: House) -> None:
    assert issue(house.post("Patient/$validate?foo=1", patient())) == (400, "not-supported")
    body = parameters(resource=patient())
    body["parameter"].append({"name": "foo", "valueString": "x"})
    assert issue(house.post("Patient/$validate", body)) == (400, "not-supported")


def test_a_profile_of_what_is_no_type_is_told_and_breaks_nothing(lax: House) -> None:
    rule = {"key": "foo-1", "severity": "error", "human": "x", "expression": "true"}
    profile = {"resourceType": "StructureDefinition", "url": "http://x/foo", "name": "Foo", "status": "draft",
               "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint",
               "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": [
                   {"id": "Patient", "path": "Patient"},
                   {"id": "Foo.x", "path": "Foo.x", "constraint": [rule]}]}}  # fmt: skip
    kept = lax.post("StructureDefinition", profile)
    assert kept.status_code == 201, kept.text
    assert lax.post("Patient/$validate?profile=http://x/foo", patient()).status_code == 200
