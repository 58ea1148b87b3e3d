"""read, vread and history (FHIR R4 http#read, #vread, #history)."""

from datetime import UTC, datetime, timedelta

from conformance.fhir import expect, prepared
from conformance.fhir.server import Model, query
from conformance.fhir.suite import Page, Site
from conformance.judging import NotSupported

READ = Page("read", "Read", "http#read")
VREAD = Page("vread", "Version read", "http#vread")
HISTORY = Page("history", "History", "http#history")


def fresh(site: Site, number: str, **more: object) -> Model:
    """A patient that only one check uses."""
    site.needs("Patient", "create", "read")
    return prepared.created(site, prepared.patient(site, number, **more))


def updated(site: Site, body: Model) -> Model:
    """A resource after an update."""
    path = f"/{body['resourceType']}/{body['id']}"
    expect.status(site.server.put(path, body), 200)
    return expect.status(site.server.get(path), 200).resource()


@READ.must("current", "http#read", "GET [type]/[id] answers the resource with that id")
def current(site: Site) -> None:
    site.needs("Patient", "read")
    answer = expect.status(site.server.get(f"/Patient/{site.id('peter')}"), 200)
    found = expect.stamped(expect.json_resource(answer, "Patient"), site.id("peter"))
    expect.same("Chalmers", found["name"][0].get("family"), "name[0].family")


@READ.should("headers", "http#read", "ETag with the version, Last-Modified")
def headers(site: Site) -> None:
    site.needs("Patient", "read")
    answer = site.server.get(f"/Patient/{site.id('peter')}")
    expect.versioned(answer, answer.resource())


@READ.must("unknown", "http#read", "An unknown id is 404 with an OperationOutcome")
def unknown(site: Site) -> None:
    site.needs("Patient", "read")
    expect.refused(site.server.get(f"/Patient/none-{site.tag}"), 404)


@READ.must("other-type", "http#read", "The id of a resource of another type is unknown")
def other_type(site: Site) -> None:
    site.needs("Observation", "read")
    expect.refused(site.server.get(f"/Observation/{site.id('peter')}"), 404)


@READ.must("deleted", "http#read", "A deleted resource is 410, where deletions are kept")
def deleted(site: Site) -> None:
    site.needs("Patient", "delete")
    one = fresh(site, "read-deleted")
    expect.status(site.server.delete(f"/Patient/{one['id']}"), 200, 202, 204)
    versioning = site.of("Patient").get("versioning")
    expect.refused(site.server.get(f"/Patient/{one['id']}"), *((410,) if versioning != "no-version" else (404, 410)))


@READ.should("conditional.etag", "http#cread", "If-None-Match with the current version is 304 without a body")
def if_none_match(site: Site) -> None:
    site.needs_flag("Patient", "conditionalRead", "not-match", "full-support")
    path = f"/Patient/{site.id('peter')}"
    etag = site.server.get(path).headers.get("etag", "")
    answer = expect.status(site.server.get(path, if_none_match=etag), 304)
    expect.same(b"", answer.body, "body")
    expect.status(site.server.get(path, if_none_match='W/"no-such-version"'), 200)


@READ.should("conditional.time", "http#cread", "If-Modified-Since later than the last change is 304")
def if_modified_since(site: Site) -> None:
    site.needs_flag("Patient", "conditionalRead", "modified-since", "full-support")
    path = f"/Patient/{site.id('peter')}"
    modified = site.server.get(path).headers.get("last-modified", "")
    expect.status(site.server.get(path, if_modified_since=modified), 304)
    expect.status(site.server.get(path, if_modified_since="Sat, 01 Jan 2000 00:00:00 GMT"), 200)


@READ.should("summary", "http#read, search#summary", "_summary=text: text, id, meta and mandatory elements, SUBSETTED")
def summary(site: Site) -> None:
    site.needs("Patient", "read")
    found = expect.offered(site.server.get(f"/Patient/{site.id('peter')}?_summary=text"), 200).resource("Patient")
    whole(found)
    expect.that("text" in found and not {"name", "identifier", "gender"} & set(found), "text alone", sorted(found))
    expect.that(subsetted(found), "meta.tag SUBSETTED", found.get("meta"))


@READ.should("elements", "http#read, search#elements", "_elements: those elements, SUBSETTED")
def elements(site: Site) -> None:
    site.needs("Patient", "read")
    found = expect.offered(site.server.get(f"/Patient/{site.id('peter')}?_elements=gender,birthDate"), 200).resource()
    whole(found)
    expect.that({"gender", "birthDate"} <= set(found) and "name" not in found, "gender, birthDate", sorted(found))
    expect.that(subsetted(found), "meta.tag SUBSETTED", found.get("meta"))


def whole(found: Model) -> None:
    """Raise NotSupported where the whole resource came: a server need not leave out (FHIR R4 search#summary)."""
    if {"text", "identifier", "name", "address"} <= set(found) and not subsetted(found):
        raise NotSupported("the whole resource came")


def subsetted(found: Model) -> bool:
    """Whether it says that it is not whole (FHIR R4 search#summary)."""
    return any(one.get("code") == "SUBSETTED" for one in found.get("meta", {}).get("tag", []))


@READ.should("head", "http#head", "HEAD answers as GET, without a body")
def head(site: Site) -> None:
    answer = expect.offered(site.server.send("HEAD", f"/Patient/{site.id('peter')}"), 200)
    expect.same(b"", answer.body, "body")
    expect.same(site.server.get(f"/Patient/{site.id('peter')}").headers.get("etag"), answer.headers.get("etag"), "ETag")
    expect.same(404, site.server.send("HEAD", f"/Patient/none-{site.tag}").status, "status of an unknown one")


@VREAD.must("current", "http#vread", "The current version by its number")
def version(site: Site) -> None:
    site.needs("Patient", "vread")
    one = site.resource("peter")
    path = f"/Patient/{one['id']}/_history/{one['meta']['versionId']}"
    found = expect.stamped(expect.status(site.server.get(path), 200).resource("Patient"), str(one["id"]))
    expect.same(one["meta"]["versionId"], found["meta"]["versionId"], "meta.versionId")


@VREAD.must("older", "http#vread", "An older version, as it was")
def older(site: Site) -> None:
    site.needs("Patient", "vread", "update")
    first = fresh(site, "vread-older", gender="male")
    second = updated(site, {**first, "gender": "female"})
    expect.that(first["meta"]["versionId"] != second["meta"]["versionId"], "another versionId", second["meta"])
    for one in (first, second):
        path = f"/Patient/{one['id']}/_history/{one['meta']['versionId']}"
        answer = expect.status(site.server.get(path), 200)
        expect.same((one["gender"], one["meta"]["versionId"]), (answer.resource().get("gender"),
                    answer.resource()["meta"].get("versionId")), "gender and versionId")  # fmt: skip


@VREAD.should("headers", "http#vread", "ETag and Last-Modified are those of the version")
def version_headers(site: Site) -> None:
    site.needs("Patient", "vread", "update")
    first = fresh(site, "vread-headers", gender="male")
    updated(site, {**first, "gender": "female"})
    answer = site.server.get(f"/Patient/{first['id']}/_history/{first['meta']['versionId']}")
    expect.versioned(answer, first)


@VREAD.must("unknown", "http#vread", "A version that never was is 404")
def version_unknown(site: Site) -> None:
    site.needs("Patient", "vread")
    expect.refused(site.server.get(f"/Patient/{site.id('peter')}/_history/no-such-version"), 404)
    expect.refused(site.server.get(f"/Patient/none-{site.tag}/_history/1"), 404)


@VREAD.should("deleted", "http#vread", "The version that is a deletion is 410; older ones stay")
def version_deleted(site: Site) -> None:
    site.needs("Patient", "vread", "delete", "history-instance")
    one = fresh(site, "vread-deleted")
    site.server.delete(f"/Patient/{one['id']}")
    first = str(one["meta"]["versionId"])
    expect.status(site.server.get(f"/Patient/{one['id']}/_history/{first}"), 200)
    if first.isdigit():                                         # the next, where versions are counted
        expect.refused(site.server.get(f"/Patient/{one['id']}/_history/{int(first) + 1}"), 410, 404)


def history(site: Site, path: str, *parameters: tuple[str, str]) -> Model:
    """A Bundle of type history."""
    found = expect.json_resource(expect.status(site.server.get(query(path, parameters)), 200), "Bundle")
    expect.same("history", found.get("type"), "Bundle.type")
    for one in found.get("entry", []):
        expect.that(one.get("request", {}).get("method") and one["request"].get("url"), "entry.request", one)
        expect.that(one.get("response", {}).get("status"), "entry.response.status", one)
    return found


def three_versions(site: Site, number: str) -> list[Model]:
    """A patient in three versions and deleted, oldest first."""
    site.needs("Patient", "update", "delete", "history-instance")
    first = fresh(site, number, gender="male")
    second = updated(site, {**first, "gender": "female"})
    third = updated(site, {**second, "gender": "other"})
    expect.status(site.server.delete(f"/Patient/{first['id']}"), 200, 202, 204)
    return [first, second, third]


@HISTORY.must("instance", "http#history", "Every version of a resource, the newest first, deletion included")
def instance(site: Site) -> None:
    versions = three_versions(site, "history-instance")
    found = history(site, f"/Patient/{versions[0]['id']}/_history")["entry"]
    expect.same(["DELETE", "PUT", "PUT", "POST"], [one["request"]["method"] for one in found], "methods")
    expect.that("resource" not in found[0], "no resource in the entry of a deletion", found[0])
    expect.same([one["meta"]["versionId"] for one in reversed(versions)],
                [one["resource"]["meta"]["versionId"] for one in found[1:]], "versions")  # fmt: skip
    expect.same(["other", "female", "male"], [one["resource"].get("gender") for one in found[1:]], "gender")


@HISTORY.must("full-url", "bundle#history (bdl-8)", "fullUrl says where the resource is, without its version")
def full_url(site: Site) -> None:
    site.needs("Patient", "history-instance")
    for one in history(site, f"/Patient/{site.id('peter')}/_history")["entry"]:
        expect.that(str(one.get("fullUrl", "")).endswith(f"/Patient/{site.id('peter')}"), "fullUrl", one.get("fullUrl"))


@HISTORY.must("unknown", "http#history", "The history of what never was is 404")
def history_unknown(site: Site) -> None:
    site.needs("Patient", "history-instance")
    expect.refused(site.server.get(f"/Patient/none-{site.tag}/_history"), 404)


@HISTORY.must("since", "http#history", "_since: versions from that instant on")
def since(site: Site) -> None:
    versions = three_versions(site, "history-since")
    path, third = f"/Patient/{versions[0]['id']}/_history", versions[2]["meta"]["lastUpdated"]
    found = history(site, path, ("_since", third)).get("entry", [])
    kept = [one["resource"]["meta"]["versionId"] for one in found if "resource" in one]
    expect.that(versions[2]["meta"]["versionId"] in kept, "the version of that instant", kept)
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    expect.same([], history(site, path, ("_since", later)).get("entry", []), "nothing since tomorrow:")


@HISTORY.should("count", "http#history, http#paging", "_count pages; every version is on one page, once")
def count(site: Site) -> None:
    versions = three_versions(site, "history-count")
    page = history(site, f"/Patient/{versions[0]['id']}/_history", ("_count", "3"))
    seen = list(page.get("entry", []))
    expect.that(len(seen) <= 3, "at most 3 entries", len(seen))
    while (following := expect.link(page, "next")) and len(seen) < 20:
        page = history(site, following)
        seen += page.get("entry", [])
    expect.same(["DELETE", "PUT", "PUT", "POST"], [one["request"]["method"] for one in seen], "methods")


@HISTORY.must("type", "http#history", "The history of a type holds its newest changes first")
def of_type(site: Site) -> None:
    site.needs("Patient", "history-type")
    one = fresh(site, "history-type")
    start = str(one["meta"]["lastUpdated"])
    found = history(site, "/Patient/_history", ("_since", start), ("_count", "50")).get("entry", [])
    expect.that(str(one["id"]) in expect.ids(found), "what was just created", expect.ids(found))
    kinds = {each["resource"]["resourceType"] for each in found if "resource" in each}
    expect.same({"Patient"}, kinds, "types")


@HISTORY.must("system", "http#history", "The history of the system holds changes of every type")
def of_system(site: Site) -> None:
    site.needs_system("history-system")
    one = fresh(site, "history-system")
    found = history(site, "/_history", ("_since", str(one["meta"]["lastUpdated"])), ("_count", "50")).get("entry", [])
    expect.that(str(one["id"]) in expect.ids(found), "what was just created", expect.ids(found))


@HISTORY.must("alive", "http#delete", "A resource brought back to life goes on with its history")
def alive(site: Site) -> None:
    versions = three_versions(site, "history-alive")
    body = {name: value for name, value in versions[0].items() if name != "meta"}
    answer = site.server.put(f"/Patient/{versions[0]['id']}", body)
    expect.status(answer, 200, 201)
    found = history(site, f"/Patient/{versions[0]['id']}/_history")["entry"]
    expect.same(5, len(found), "entries")
    numbers = [one["resource"]["meta"]["versionId"] for one in found if "resource" in one]
    expect.that(len(numbers) == len(set(numbers)), "every version a number of its own", numbers)
