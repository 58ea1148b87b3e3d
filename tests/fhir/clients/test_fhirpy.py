"""fhirpy, unmodified: create, read, search, pages, conditional update, transaction, history, delete."""

import uuid

import pytest

fhirpy = pytest.importorskip("fhirpy", reason="needs the Python package fhirpy")

from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound  # noqa: E402


@pytest.fixture
def client(base: str) -> "fhirpy.SyncFHIRClient":
    return fhirpy.SyncFHIRClient(base)


def patient(client: "fhirpy.SyncFHIRClient", system: str, number: str, **more: object) -> "fhirpy.lib.SyncFHIRResource":
    name = [{"family": "张", "given": ["三"]}]
    return client.resource("Patient", identifier=[{"system": system, "value": number}], name=name, **more)


def test_create_read_update_delete(client: "fhirpy.SyncFHIRClient", system: str) -> None:
    one = patient(client, system, "1", gender="male")
    one.save()
    assert one.id and one["meta"]["versionId"] == "1"
    one["gender"] = "female"
    one.save()
    assert client.reference("Patient", one.id).to_resource()["gender"] == "female"
    assert client.resources("Patient").search(identifier=f"{system}|1").first()["meta"]["versionId"] == "2"
    one.delete()
    with pytest.raises(ResourceNotFound):
        client.reference("Patient", one.id).to_resource()


def test_its_patch_which_is_no_r4_is_refused_with_an_outcome(client: "fhirpy.SyncFHIRClient", system: str) -> None:
    """It sends a part of the resource as JSON (FHIR R4 http#patch: JSON Patch, XML Patch or FHIRPath Patch)."""
    one = patient(client, system, "1", gender="male", birthDate="1970")
    one.save()
    with pytest.raises(OperationOutcome):
        one.patch(gender="female")
    assert client.reference("Patient", one.id).to_resource()["gender"] == "male"


def test_search_with_modifiers_prefixes_chains_and_includes(client: "fhirpy.SyncFHIRClient", system: str) -> None:
    one, other = (patient(client, system, number, gender=gender, birthDate=born)
                  for number, gender, born in (("1", "male", "1970-01-02"), ("2", "female", "1990-01-02")))  # fmt: skip
    one.save()
    other.save()
    observation = client.resource("Observation", status="final", code={"text": "x"}, subject=one.to_reference())
    observation.save()
    mine = client.resources("Patient").search(identifier=f"{system}|")
    assert {found.id for found in mine.fetch_all()} == {one.id, other.id}
    assert [found.id for found in mine.search(birthdate__lt="1980").fetch()] == [one.id]
    assert [found.id for found in mine.search(gender__not="male").fetch()] == [other.id]
    assert [found.id for found in mine.sort("-birthdate").fetch()] == [other.id, one.id]
    assert [found.id for found in mine.has("Observation", "patient", status="final").fetch()] == [one.id]
    assert mine.count() == 2
    seen = client.resources("Observation").search(subject__Patient__identifier=f"{system}|1")
    assert [found.id for found in seen.fetch()] == [observation.id]
    both = seen.include("Observation", "subject").fetch_raw()
    assert {entry.resource.id for entry in both.entry} == {observation.id, one.id}


def test_pages_are_followed_to_the_end(client: "fhirpy.SyncFHIRClient", system: str) -> None:
    made = [patient(client, system, str(number)) for number in range(7)]
    for one in made:
        one.save()
    found = client.resources("Patient").search(identifier=f"{system}|").limit(3)
    assert sorted(one.id for one in found.fetch_all()) == sorted(one.id for one in made)


def test_conditional_update(client: "fhirpy.SyncFHIRClient", system: str) -> None:
    mine = client.resources("Patient").search(identifier=f"{system}|1")
    first, created = mine.update(patient(client, system, "1"))
    assert created
    updated, created = mine.update(patient(client, system, "1", gender="other"))
    assert (updated.id, created, updated["gender"]) == (first.id, False, "other")
    patient(client, system, "1").save()
    with pytest.raises(MultipleResourcesFound):
        mine.update(patient(client, system, "1"))


def test_transaction_and_history(client: "fhirpy.SyncFHIRClient", system: str) -> None:
    who = f"urn:uuid:{uuid.uuid4()}"
    seen = client.resource("Observation", status="final", code={"text": "x"}, subject={"reference": who})
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": who, "request": {"method": "POST", "url": "Patient"},
         "resource": patient(client, system, "1").serialize()},
        {"request": {"method": "POST", "url": "Observation"}, "resource": seen.serialize()},
    ]}  # fmt: skip
    answer = client.execute("", data=bundle)
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201", "201"]
    one = client.resources("Patient").search(identifier=f"{system}|1").get()
    linked = client.resources("Observation").search(subject=f"Patient/{one.id}").fetch()
    assert len(linked) == 1
    one["active"] = True
    one.save()
    history = client.execute(f"Patient/{one.id}/_history", method="get")
    assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["2", "1"]


def test_what_is_refused_is_an_operation_outcome(client: "fhirpy.SyncFHIRClient") -> None:
    with pytest.raises(OperationOutcome):
        client.resource("Patient", nonsense=True).save()
    with pytest.raises(OperationOutcome):
        client.resources("Patient").search(birthdate="yesterday").fetch()
