"""@medplum/core, unmodified: its client against the server, and its validator over what the server gives out."""

import json
from pathlib import Path

from conformance.fhir import prepared
from conformance.fhir.server import Server
from tests.fhir.clients.conftest import Medplum


def test_its_client_works(medplum: Medplum, base: str, system: str) -> None:
    assert medplum("medplum_client.cjs", base, system) == {
        "created": True, "read": "张", "updated": "female", "patched": "1970-01-02", "ifNoneExist": True,
        "searched": True, "transaction": ["201", "201"], "batch": ["200", "404"], "chained": 1, "pages": [1, 1],
        "history": ["3", "2", "1"], "version": "male",
        "gone": "deleted", "unknown": "not-found", "invalid": "structure",
    }  # fmt: skip


def test_its_validator_objects_to_nothing_we_give_out(medplum: Medplum, base: str, tmp_path: Path) -> None:
    """Resources as they are read, bundles of searches and histories, outcomes of refusals, the CapabilityStatement."""
    server = Server(base)
    site = prepared.site(server)
    prepared.store(site)
    one = site.id("peter")
    given = [site.statement, *site.stored.values()]
    paths = (f"/Patient?_id={one}", f"/Patient/{one}/_history", "/Patient/there-is-none", "/Patient?birthdate=x",
             f"/Patient/{one}?_summary=true", f"/Observation?subject=Patient/{one}&_include=Observation:subject",
             "/Patient?_count=0", "/Nonsense/1")  # fmt: skip
    given += [server.get(path).resource() for path in paths]
    server.close()
    file = tmp_path / "resources.ndjson"
    file.write_text("\n".join(json.dumps(each, default=float) for each in given), encoding="utf-8")
    found = medplum("medplum_validator.cjs", str(file))
    assert found["objections"] == [] and found["count"] == len(given) > 20


def test_its_validator_can_object(medplum: Medplum, tmp_path: Path) -> None:
    file = tmp_path / "resources.ndjson"
    file.write_text('{"resourceType":"Patient","id":"x","gender":["male"],"nonsense":1}\n', encoding="utf-8")
    assert len(medplum("medplum_validator.cjs", str(file))["objections"]) == 1
