"""$export: what is in it, how it is asked for, and what a crash leaves of it."""

from dataclasses import replace
from typing import Any

from fhir.bulk.export import PREFIX, Exports
from fhir.store import jobs
from fhir.store.search import Page, Searches
from pacsd.access.scope import Scope
from tests.fhir.bulk.conftest import Plant
from tests.fhir.house import issue


def filled(plant: Plant) -> None:
    for name in "ab":
        plant.put("Patient", name)
        code = {"text": name}
        plant.put("Observation", f"o{name}", status="final", code=code, subject={"reference": f"Patient/{name}"})
    plant.put("Observation", "g", status="final", code={"text": "g"}, subject={"reference": "Group/g"})
    plant.put("Organization", "clinic", name="诊所")
    plant.put("Group", "g", type="person", actual=True, member=[{"entity": {"reference": "Patient/a"}}])


def test_all_is_exported_by_type(plant: Plant) -> None:
    filled(plant)
    plant.put("Patient", "gone")
    plant.house.delete("Patient/gone")
    assert plant.exported("$export") == {
        "Group": ["g"], "Observation": ["g", "oa", "ob"], "Organization": ["clinic"], "Patient": ["a", "b"]}


def test_patients_and_groups_are_exported_with_what_is_theirs(plant: Plant) -> None:
    filled(plant)
    assert plant.exported("Patient/$export?_type=Patient,Observation,Group") == {
        "Group": ["g"], "Observation": ["oa", "ob"], "Patient": ["a", "b"]}
    assert plant.exported("Group/g/$export?_type=Patient,Observation") == {"Observation": ["oa"], "Patient": ["a"]}


def test_an_export_is_narrowed_by_time_and_searches(plant: Plant) -> None:
    filled(plant)
    since = plant.house.get("Group/g").json()["meta"]["lastUpdated"]
    assert plant.exported(f"$export?_since={since}") == {"Group": ["g"]}
    query = "$export?_type=Observation&_typeFilter=Observation%3Fsubject%3DPatient%2Fa"
    assert plant.exported(query) == {"Observation": ["oa"]}


def test_another_organisations_resources_and_jobs_are_not_there(plant: Plant) -> None:
    filled(plant)
    where = plant.started("$export")
    plant.work()
    plant.house.act_as(plant.house.member("west"))
    assert issue(plant.house.get(where)) == (404, "not-found")
    assert issue(plant.house.get(f"{where}/_file?number=0")) == (404, "not-found")
    assert issue(plant.house.delete(where)) == (404, "not-found")
    assert plant.exported("$export") == {}
    assert issue(plant.house.get("Group/g/$export")) == (404, "not-found")


def test_a_job_tells_how_it_stands_and_goes_when_it_is_cancelled(plant: Plant) -> None:
    filled(plant)
    where = plant.started("$export?_type=Patient,Organization")
    plant.bench.work()
    told = plant.house.get(where)
    assert told.status_code == 202 and told.headers["x-progress"] == "1 of 2 types"
    assert plant.house.delete(where).status_code == 202
    assert issue(plant.house.get(where)) == (404, "not-found")
    plant.work()
    other = plant.started("$export")
    plant.done(other)
    assert list(plant.blobs.list(PREFIX))
    plant.house.delete(other)
    with plant.house.pool.connection() as connection:
        connection.execute("update fhir_job set taken_until = '-infinity'")
    plant.bench.clear_up()
    assert not list(plant.blobs.list(PREFIX)) and not jobs.expired(plant.house.pool)


def test_what_a_crash_leaves_is_gone_on_with_and_nothing_comes_twice(plant: Plant) -> None:
    for number in range(30):
        plant.put("Patient", f"p{number}")
    where = plant.started("$export?_type=Patient,Organization")
    exports = Exports(plant.house.pool, plant.house.server.searches, plant.blobs, file_bytes=1)
    job = jobs.take(plant.house.pool)
    assert job is not None and jobs.take(plant.house.pool) is None
    exports._file(job, exports._query(job, "Patient"), None, "Patient")      # and killed before it said so
    with plant.house.pool.connection() as connection:                         # its time runs out
        connection.execute("update fhir_job set taken_until = '-infinity'")
    again = jobs.take(plant.house.pool)
    assert again == job
    while exports.step(again):
        again = replace(again, state=_state(plant, again))
    told = plant.done(where)
    assert sum(one["count"] for one in told["output"]) == 30


def test_what_its_organisation_sees_no_more_is_not_in_an_export_that_was_asked_for_before(plant: Plant) -> None:
    plant.put("Patient", "p1")
    plant.started("$export?_type=Patient")
    job = jobs.take(plant.house.pool)
    assert job is not None
    for seen, files in ((job.scope, 1), (Scope((), job.organisation), 0)):
        exports = Exports(
            plant.house.pool, plant.house.server.searches, plant.blobs, standing=lambda _key, seen=seen: seen
        )
        while exports.step(job):
            pass
        found = jobs.read(plant.house.pool, job.scope, job.id, "export")
        assert found is not None and sum(one["count"] for one in found.output) == files
        with plant.house.pool.connection() as connection:
            connection.execute("update fhir_job set status = 'waiting', output = '[]', state = '{}'")


def _state(plant: Plant, job: jobs.Job) -> dict[str, object]:
    found = jobs.read(plant.house.pool, job.scope, job.id, "export")
    assert found is not None
    return dict(found.state)


NOT_DONE = (
    "_type=Nothing", "_since=yesterday", "_outputFormat=text/csv", "_elements=id", "_typeFilter=Patient",
    "_typeFilter=Patient%3Fnonsense%3D1", "_type=Patient&_typeFilter=Observation%3Fstatus%3Dfinal", "nonsense=1",
    "&".join(["_typeFilter=Patient%3F_id%3Da"] * 65), "_typeFilter=Patient%3Fname%3Da%2500b", "_outputFormat=ndjson%00",
)  # fmt: skip


def test_what_is_not_done_is_refused_at_once(plant: Plant) -> None:
    for query in NOT_DONE:
        assert plant.house.get(f"$export?{query}").status_code == 400, query


def test_nonsense_leads_nowhere(plant: Plant) -> None:
    for path in ("_export/x", "_export/00000000-0000-0000-0000-000000000000"):
        assert issue(plant.house.get(path)) == (404, "not-found")
    plant.put("Patient", "a")
    where = plant.started("$export?_type=Patient")
    plant.work()
    for number in ("1", "-1", "x", "99999999999999", "0" * 5_000):
        assert issue(plant.house.get(f"{where}/_file?number={number}")) == (404, "not-found")
    plant.put("Patient", "a")
    full = plant.started("$export?_type=Patient")
    plant.work()
    assert issue(plant.house.get(f"{full}/_file?number=0000000001")) == (404, "not-found")


def test_too_many_jobs_are_refused(plant: Plant) -> None:
    for _ in range(20):
        plant.started("$export")
    assert issue(plant.house.get("$export")) == (429, "throttled")


def test_large_resources_are_read_a_few_at_a_time(plant: Plant) -> None:
    for number in range(6):
        plant.put("Patient", f"p{number}", name=[{"family": "x" * 5_000}])
    read: list[int] = []

    class Watching(Searches):
        def page(self, *args: Any, **more: Any) -> Page:
            page = super().page(*args, **more)
            read.append(len(page.hits))
            return page

    exports = Exports(plant.house.pool, Watching(), plant.blobs, file_bytes=8_000)
    plant.bench = replace(plant.bench, steps={**plant.bench.steps, "export": exports.step})
    told = plant.done(plant.started("$export?_type=Patient"))
    assert [one["count"] for one in told["output"]] == [2, 2, 2] and max(read) == 2
