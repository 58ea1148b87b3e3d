"""$import: lines kept and refused, once each, whatever happens in between."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from fhir.bulk import importing
from fhir.bulk.importing import PREFIX, Imports
from fhir.store import jobs
from pacsd.faults import Fault, PacsdError
from tests.fhir.bulk.conftest import Plant
from tests.fhir.house import issue

NDJSON = "application/fhir+ndjson"


class Refusing:
    """A check that refuses everything."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, *_: Any) -> None:
        self.asked += 1
        raise PacsdError(Fault.INVALID, "no")


def lines(*resources: dict[str, Any] | bytes) -> bytes:
    return b"".join((one if isinstance(one, bytes) else orjson.dumps(one)) + b"\n" for one in resources)


def patient(name: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": name, **more}


def imported(plant: Plant, body: bytes) -> dict[str, Any]:
    return plant.done(plant.started("$import", body, content_type=NDJSON))


def ids(plant: Plant, query: str = "") -> list[str]:
    told = plant.house.get(f"Patient?_count=1000{query}").json()
    return sorted(one["resource"]["id"] for one in told.get("entry", []))


def test_lines_are_kept_and_found(plant: Plant) -> None:
    many = [patient(f"p{number}", gender="male" if number % 2 else "female") for number in range(600)]
    told = imported(plant, lines(*many, {"resourceType": "Organization", "id": "o", "name": "诊所"}))
    assert told["output"] == [{"type": "Organization", "count": 1}, {"type": "Patient", "count": 600}]
    assert told["error"] == []
    assert len(ids(plant)) == 600 and len(ids(plant, "&gender=male")) == 300
    again = imported(plant, lines(*many))
    assert again["error"] == [] and plant.house.get("Patient/p1").headers["etag"] == 'W/"1"'


def test_wrong_lines_are_told_of_and_the_others_kept(plant: Plant) -> None:
    told = imported(plant, lines(
        patient("a"), b"{not json", patient("b", gender="blue"), {"resourceType": "Nothing"}, patient("c d"), b"[]",
        patient("a", active=True), b"", patient("z"),
    ))  # fmt: skip
    assert told["output"] == [{"type": "Patient", "count": 3}]
    (file,) = told["error"]
    said = [one["issue"][0]["diagnostics"].partition(":")[0] for one in plant.lines(file["url"])]
    assert said == ["line 2", "line 3", "line 4", "line 5", "line 6"] and file["count"] == 5
    assert ids(plant) == ["a", "z"]
    assert plant.house.get("Patient/a").json()["active"] is True
    assert plant.house.get("Patient/a/_history").json()["total"] == 2


def test_anothers_resource_is_refused_alone(plant: Plant) -> None:
    plant.house.act_as(plant.house.member("west"))
    plant.put("Patient", "theirs")
    plant.house.act_as(plant.house.member("east"))
    told = imported(plant, lines(patient("ours"), patient("theirs", active=False)))
    assert told["output"] == [{"type": "Patient", "count": 1}] and told["error"][0]["count"] == 1
    assert ids(plant) == ["ours"]


def test_a_part_taken_in_twice_after_a_crash_comes_once(plant: Plant) -> None:
    body = lines(*({"resourceType": "Patient", "gender": "male"} for _ in range(40)), *map(patient, "abc"))
    where = plant.started("$import", body, content_type=NDJSON)
    imports = Imports(plant.house.server, plant.blobs, step_bytes=300)
    job = jobs.take(plant.house.pool)
    assert job is not None
    assert imports.step(job) and imports.step(job)       # as if the first had not said how far it came
    while True:
        now = jobs.read(plant.house.pool, job.scope, job.id, "import")
        assert now is not None
        if now.status != "waiting":
            break
        imports.step(replace(job, state=now.state))
    told = plant.done(where)
    assert len(ids(plant)) == 43 and told["error"] == []


def test_what_is_no_import_is_refused(plant: Plant) -> None:
    assert issue(plant.house.post("$import", b"", content_type=NDJSON)) == (400, "required")
    assert plant.house.post("$import", {"resourceType": "Parameters"}).status_code == 415
    assert plant.house.post("$import?mode=x", lines(patient("a")), content_type=NDJSON).status_code == 400
    assert plant.house.get("$import").status_code == 405


def test_the_file_goes_with_the_job(plant: Plant) -> None:
    where = plant.started("$import", lines(patient("a")), content_type=NDJSON)
    plant.done(where)
    assert plant.house.delete(where).status_code == 202
    with plant.house.pool.connection() as connection:
        connection.execute("update fhir_job set taken_until = '-infinity'")
    plant.bench.clear_up()
    assert not list(plant.blobs.list(PREFIX)) and ids(plant) == ["a"]


def test_imports_that_wait_keep_no_export_out(plant: Plant) -> None:
    for _ in range(20):
        plant.started("$import", lines(patient("a")), content_type=NDJSON)
    assert plant.house.get("$export").status_code == 202


def test_an_import_of_nothing_but_wrong_lines_is_given_up_within_a_step(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MOST_ERRORS", 20)
    monkeypatch.setattr(importing, "acceptable", refusing := Refusing())
    where = plant.started("$import", lines(*[patient(f"p{number}") for number in range(500)]), content_type=NDJSON)
    plant.work()
    assert issue(plant.house.get(where)) == (500, "processing")
    assert refusing.asked == 21          # what comes after is not looked at, and nothing is kept of it
