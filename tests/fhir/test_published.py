"""All published resources are taken over HTTP in both formats and read back equal in meaning, or refused with a reason.

What may be refused is listed here with what 4.0.1 says of it. That each is found by its search parameters is shown in
tests.fhir.search.test_examples.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir.format import json, xml
from tests.fhir.format.test_xml import told_alike
from tests.fhir.house import JSON, House, opened

XML = "application/fhir+xml"
OF_SERVER = ("versionId", "lastUpdated")
# file -> (status, code of the issue, where): what breaks a rule of 4.0.1
INVALID: dict[str, tuple[int, str, str]] = {
    "bundle-questionnaire.json": (422, "required", "Questionnaire.item[0].item[0]"),
    "codesystem-example.json": (422, "invariant", "CodeSystem"),
    "devicemetric-example.json": (422, "invalid", "DeviceMetric.parent.reference"),
    "deviceusestatement-example.json": (422, "invalid", "DeviceUseStatement.reasonReference[0].reference"),
    "medicationrequest0301.json": (422, "invalid", "MedicationRequest.dispenseRequest.performer.reference"),
    "InvalidCompartmentDefinition.json": (422, "invariant", "Bundle"),
}


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as made:
        yield made


def published(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every file with its resource, and every resource of its bundles, under ids that may be here."""
    for path in sorted((folder / "fhir_r4").rglob("*.*")):
        told = (json if path.suffix == ".json" else xml).read(path.read_bytes())
        yield path.name, told
        if told["resourceType"] == "Bundle":
            for number, entry in enumerate(told.get("entry", ())):
                if "resource" in entry:
                    yield f"{path.name}#{number}", entry["resource"]


def meaning(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource but for what the server says of it."""
    meta = {name: one for name, one in resource.get("meta", {}).items() if name not in OF_SERVER}
    return {**{name: one for name, one in resource.items() if name != "meta"}, **({"meta": meta} if meta else {})}


def test_all_that_is_published_is_taken_and_read_back_in_both_formats(house: House, data_folder: Path) -> None:
    refused: dict[str, tuple[int, str, str]] = {}
    taken = 0
    for number, (name, told) in enumerate(published(data_folder)):
        one = {**told, "id": f"n{number}"}
        path = f"{one['resourceType']}/{one['id']}"
        answer = house.put(path, json.write(one), content_type=JSON)
        if answer.status_code >= 400:
            first = next(each for each in answer.json()["issue"] if each["severity"] == "error")
            refused[name] = (answer.status_code, first["code"], first.get("expression", [""])[0])
            continue
        assert answer.status_code == 201, (name, answer.text)
        taken += 1
        read = house.get(path, accept=JSON)
        assert meaning(json.read(read.content)) == meaning(one), name
        of_xml = house.get(path, accept=XML)
        as_xml = xml.read(of_xml.content)
        assert told_alike(meaning(as_xml)) == told_alike(meaning(one)), name
        again = house.put(path, of_xml.content, content_type=XML)        # nothing new, but how narratives are written
        said = 1 if meaning(as_xml) == meaning(one) else 2
        assert (again.status_code, again.headers["etag"]) == (200, f'W/"{said}"'), (name, again.text[:300])
    assert refused == INVALID
    assert taken > 150
