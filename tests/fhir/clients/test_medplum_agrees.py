"""@medplum/core's validator and ours say the same of published resources, but where we know why."""

import json as plain
from pathlib import Path

import pytest

from fhir.format import json, xml
from fhir.validation.check import check

clients = pytest.importorskip("tests.fhir.clients.conftest")     # where its package is fetched, and run

STRICTER = {  # where references lead is not looked at by theirs; these lead where 4.0.1 does not let them
    "devicemetric-example.json", "deviceusestatement-example.json", "medicationrequest0301.json",
}  # fmt: skip
LAXER = {"binary-example.json"}          # base64 may have spaces in it (datatypes.html#base64Binary); theirs says no


def test_published_resources(medplum: "clients.Medplum", data_folder: Path, tmp_path: Path) -> None:
    paths = sorted((data_folder / "fhir_r4").rglob("*.*"))
    told = {path.name: (json if path.suffix == ".json" else xml).read(path.read_bytes()) for path in paths}
    for number, resource in enumerate(told.values()):
        resource["id"] = f"n{number}"
    file = tmp_path / "resources.ndjson"
    file.write_bytes(b"\n".join(map(json.write, told.values())))
    found = medplum("medplum_validator.cjs", str(file))
    assert found["count"] == len(told)
    theirs = {name for name, _ in found["objections"]}
    ours = {name for name, one in told.items() if any(issue.severity == "error" for issue in check(one))}
    names = {f"{one['resourceType']}/{one['id']}": name for name, one in told.items()}
    assert ours - {names[one] for one in theirs} == STRICTER, plain.dumps(found["objections"])[:2000]
    assert {names[one] for one in theirs} - ours == LAXER
