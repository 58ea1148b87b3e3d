"""fhirclient (SMART on FHIR), unmodified: its models, which refuse what is no R4, read and write here."""

import uuid
from collections.abc import Iterator

import pytest

fhirclient = pytest.importorskip("fhirclient.client", reason="needs the Python package fhirclient")

from fhirclient.models.bundle import Bundle  # noqa: E402
from fhirclient.models.observation import Observation  # noqa: E402
from fhirclient.models.patient import Patient  # noqa: E402
from fhirclient.server import FHIRNotFoundException, FHIRServer  # noqa: E402


@pytest.fixture
def server(base: str) -> Iterator[FHIRServer]:
    """Its server, once it has read the CapabilityStatement with its own model."""
    client = fhirclient.FHIRClient(settings={"app_id": "tests", "api_base": base})
    assert client.prepare()
    yield client.server
    client.server.session.close()


def patient(system: str, number: str, **more: object) -> Patient:
    identifier = [{"system": system, "value": number}]
    return Patient({"resourceType": "Patient", "identifier": identifier, "name": [{"family": "Müller"}], **more})


def test_the_capability_statement_is_one_to_its_model(server: FHIRServer) -> None:
    statement = server.capabilityStatement
    assert statement.fhirVersion == "4.0.1" and statement.rest[0].mode == "server"
    assert "Patient" in {one.type for one in statement.rest[0].resource}


def test_create_read_update_delete(server: FHIRServer, system: str) -> None:
    made = patient(system, "1", gender="male").create(server)
    one = Patient.read(made["id"], server)
    assert one.name[0].family == "Müller" and one.meta.versionId == "1"
    one.gender = "female"
    one.update(server)
    assert Patient.read(made["id"], server).gender == "female"
    one.delete(server)
    with pytest.raises(Exception, match="410"):
        Patient.read(made["id"], server)
    with pytest.raises(FHIRNotFoundException):
        Patient.read(f"none-{uuid.uuid4()}", server)


def test_search_pages_and_includes(server: FHIRServer, system: str) -> None:
    ids = {patient(system, str(number)).create(server)["id"] for number in range(5)}
    search = Patient.where({"identifier": f"{system}|", "_count": "2"})
    assert {one.id for one in search.perform_resources_iter(server)} == ids
    one = sorted(ids)[0]
    body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    Observation({**body, "subject": {"reference": f"Patient/{one}"}}).create(server)
    search = Observation.where({"subject": f"Patient/{one}"}).include("subject")
    found = [entry.resource.resource_type for bundle in search.perform_iter(server) for entry in bundle.entry]
    assert found == ["Observation", "Patient"]


def test_transaction_and_history(server: FHIRServer, system: str) -> None:
    who = f"urn:uuid:{uuid.uuid4()}"
    bundle = Bundle({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": who, "resource": patient(system, "1").as_json(), "request": {"method": "POST", "url": "Patient"}},
    ]})  # fmt: skip
    answer = Bundle(server.post_json("", bundle.as_json()).json())
    assert answer.type == "transaction-response" and answer.entry[0].response.status.startswith("201")
    [one] = Patient.where({"identifier": f"{system}|1"}).perform_resources_iter(server)
    one.active = True
    one.update(server)
    history = Bundle(server.request_json(f"Patient/{one.id}/_history"))
    assert [entry.resource.meta.versionId for entry in history.entry] == ["2", "1"]
