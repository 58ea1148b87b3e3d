"""create, update and delete (FHIR R4 http#create, #update, #delete, #ops)."""

from decimal import Decimal

from conformance.fhir import expect, prepared
from conformance.fhir.reading import fresh
from conformance.fhir.server import JSON, Answer, Model
from conformance.fhir.suite import Page, Site
from conformance.judging import NotSupported

CREATE = Page("create", "Create", "http#create")
UPDATE = Page("update", "Update", "http#update")
DELETE = Page("delete", "Delete", "http#delete")


def post(site: Site, body: Model, **headers: str) -> Answer:
    """A create."""
    site.needs(str(body["resourceType"]), "create")
    return site.server.post(f"/{body['resourceType']}", body, **headers)


@CREATE.must("created", "http#create", "201 with a Location of id and version, and what was sent is read back")
def created(site: Site) -> None:
    body = prepared.patient(site, "create-created", gender="female", birthDate="1970-01-02")
    answer = expect.status(post(site, body), 201)
    location = answer.headers.get("location", "")
    head, _, version = location.partition("/_history/")
    expect.that("/Patient/" in f"/{head}" and version, "Location [base]/Patient/[id]/_history/[vid]", location)
    found = expect.status(site.server.get(head if "://" in head else f"/{head}"), 200).resource("Patient")
    expect.stamped(found, head.rpartition("/")[2])
    expect.same(version, found["meta"]["versionId"], "meta.versionId")
    expect.same(expect.without_meta(body), expect.without_meta(found), "what was sent")


@CREATE.should("headers", "http#create", "ETag and Last-Modified")
def create_headers(site: Site) -> None:
    answer = post(site, prepared.patient(site, "create-headers"), prefer="return=representation")
    expect.versioned(expect.status(answer, 201), answer.resource("Patient"))


@CREATE.must("ignores-id", "http#create", "An id that a client sends is ignored, as are its versionId and lastUpdated")
def ignores_id(site: Site) -> None:
    meta = {"versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z"}
    body = {**prepared.patient(site, "create-id"), "id": f"mine-{site.tag}", "meta": meta}
    answer = expect.status(post(site, body), 201)
    head = answer.headers.get("location", "").partition("/_history/")[0]
    expect.that(not head.endswith(f"mine-{site.tag}"), "an id of the server's", head)
    found = site.server.get(head if "://" in head else f"/{head}").resource("Patient")
    expect.that(found["meta"]["lastUpdated"][:4] != "2001", "lastUpdated of the server's", found["meta"])


@CREATE.must("not-json", "http#create", "What cannot be parsed is 400")
def not_json(site: Site) -> None:
    site.needs("Patient", "create")
    for body in (b'{"resourceType":"Patient",', b"", b"[]", b"null", b"\xff\xfe"):
        expect.refused(site.server.post("/Patient", body), 400)


@CREATE.must("other-type", "http#create", "A resource of another type than the URL's is refused")
def other_type(site: Site) -> None:
    site.needs("Patient", "create")
    expect.refused(site.server.post("/Patient", {"resourceType": "Observation"}), 400, 422)
    expect.refused(site.server.post("/Patient", {"id": "x"}), 400, 422)


@CREATE.should("invalid", "http#create", "What breaks the rules of its type is refused: elements, types, codes")
def invalid(site: Site) -> None:
    bodies: list[Model] = [
        {"resourceType": "Patient", "nonsense": True},
        {"resourceType": "Patient", "birthDate": "yesterday"},
        {"resourceType": "Patient", "name": {"family": "not a list"}},
        {"resourceType": "Patient", "gender": "unheard-of"},
    ]
    for body in bodies:
        expect.refused(post(site, body), 400, 422)


@CREATE.should("media-type", "http#mime-type", "A body that is said to be something else is 415")
def media_type(site: Site) -> None:
    site.needs("Patient", "create")
    body = prepared.patient(site, "create-media-type")
    expect.refused(site.server.post("/Patient", body, content_type="application/pdf"), 415)


@CREATE.must("meta", "resource#meta", "Tags, profiles and security labels of a client are kept")
def meta(site: Site) -> None:
    found = site.resource("peter").get("meta", {})
    expect.that({"system": site.system("tags"), "code": "gold"} in found.get("tag", []), "the tag", found)
    expect.that(prepared.PROFILE in found.get("profile", []), "the profile", found)
    labels = [one.get("code") for one in found.get("security", [])]
    expect.that("N" in labels, "the security label", found)


@CREATE.must("decimal", "datatypes#decimal, json#decimal", "Decimals keep their precision: 5.40 stays 5.40")
def decimal(site: Site) -> None:
    value = site.resource("low").get("valueQuantity", {}).get("value")
    expect.same("5.40", str(value), "valueQuantity.value")
    expect.that(isinstance(value, Decimal), "a number", value)


@CREATE.must("unicode", "json, datatypes#string", "Chinese, emoji and combining marks come back as they were")
def unicode(site: Site) -> None:
    name = [{"text": "𠮷野家 张三 é é 👩‍⚕️"}]
    expect.same(name, fresh(site, "create-unicode", name=name)["name"], "name")


@CREATE.must("primitive-extension", "json#primitive", "Extensions of primitive values are kept beside their values")
def primitive_extension(site: Site) -> None:
    url = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
    extension = {"extension": [{"url": url, "valueDateTime": "1974-12-25T14:35:45-05:00"}]}
    one = fresh(site, "create-extension", birthDate="1974-12-25", _birthDate=extension)
    expect.same(extension, one.get("_birthDate"), "_birthDate")
    name = [{"given": ["A", None, "C"], "_given": [None, {"extension": [{"url": url, "valueString": "x"}]}, None]}]
    kept = fresh(site, "create-nulls", name=name)["name"][0]
    expect.same(["A", None, "C"], kept.get("given"), "given")
    expect.same("x", kept["_given"][1]["extension"][0].get("valueString"), "_given[1]")


@CREATE.must("contained", "references#contained", "Contained resources stay inside")
def contained(site: Site) -> None:
    inside = [{"resourceType": "Organization", "id": "org", "name": "Inside"}]
    one = fresh(site, "create-contained", contained=inside, managingOrganization={"reference": "#org"})
    expect.same((inside, "#org"), (one.get("contained"), one["managingOrganization"]["reference"]), "contained")


@CREATE.should("prefer.minimal", "http#ops", "Prefer: return=minimal has no body")
def minimal(site: Site) -> None:
    answer = expect.status(post(site, prepared.patient(site, "prefer-1"), prefer="return=minimal"), 201)
    expect.same(b"", answer.body, "body")


@CREATE.should("prefer.representation", "http#ops", "Prefer: return=representation has the resource")
def representation(site: Site) -> None:
    body = prepared.patient(site, "prefer-2")
    answer = expect.status(post(site, body, prefer="return=representation"), 201)
    found = expect.stamped(expect.json_resource(answer, "Patient"))
    expect.that(found["id"] in answer.headers.get("location", ""), "the id of Location", found["id"])


@CREATE.should("prefer.outcome", "http#ops", "Prefer: return=OperationOutcome has one, without an error")
def operation_outcome(site: Site) -> None:
    answer = expect.status(post(site, prepared.patient(site, "prefer-3"), prefer="return=OperationOutcome"), 201)
    expect.outcome(answer, failed=False)


def put(site: Site, body: Model, **headers: str) -> Answer:
    """An update at its own id."""
    site.needs(str(body["resourceType"]), "update")
    return site.server.put(f"/{body['resourceType']}/{body['id']}", body, **headers)


@UPDATE.must("updated", "http#update", "200, a new version, and the new content is read back")
def updated(site: Site) -> None:
    one = fresh(site, "update-updated", gender="male")
    answer = expect.status(put(site, {**one, "gender": "female"}), 200)
    found = site.server.get(f"/Patient/{one['id']}").resource("Patient")
    expect.same("female", found.get("gender"), "gender")
    expect.that(found["meta"]["versionId"] != one["meta"]["versionId"], "another versionId", found["meta"])
    expect.versioned(answer, found)


@UPDATE.must("whole", "http#update", "An element that is left out is gone")
def whole(site: Site) -> None:
    one = fresh(site, "update-whole", gender="male", birthDate="1970")
    expect.status(put(site, {name: value for name, value in one.items() if name != "gender"}), 200)
    found = site.server.get(f"/Patient/{one['id']}").resource("Patient")
    expect.same((None, "1970"), (found.get("gender"), found.get("birthDate")), "gender and birthDate")


@UPDATE.must("id", "http#update", "A body without id, or with another, is 400")
def own_id(site: Site) -> None:
    one = fresh(site, "update-id")
    site.needs("Patient", "update")
    path = f"/Patient/{one['id']}"
    expect.refused(site.server.put(path, {name: value for name, value in one.items() if name != "id"}), 400)
    expect.refused(site.server.put(path, {**one, "id": f"other-{site.tag}"}), 400)


@UPDATE.must("stamps", "http#update", "versionId and lastUpdated of a client are ignored")
def stamps(site: Site) -> None:
    one = fresh(site, "update-stamps")
    meta = {**one["meta"], "versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z"}
    expect.status(put(site, {**one, "meta": meta, "active": True}), 200)
    found = site.server.get(f"/Patient/{one['id']}").resource("Patient")
    expect.that(found["meta"]["lastUpdated"][:4] != "2001", "lastUpdated of the server's", found["meta"])


@UPDATE.must("creates", "http#upsert", "Where updateCreate is offered: 201 at the id of the client")
def creates(site: Site) -> None:
    site.needs_flag("Patient", "updateCreate")
    body = {**prepared.patient(site, "upsert"), "id": site.own("new")}
    answer = expect.status(put(site, body), 201)
    expect.that(f"Patient/{site.own('new')}" in answer.headers.get("location", ""), "Location", answer.headers)
    expect.stamped(site.server.get(f"/Patient/{site.own('new')}").resource("Patient"), site.own("new"))


@UPDATE.must("creates-not", "http#upsert", "Where updateCreate is not offered, an unknown id is 405")
def creates_not(site: Site) -> None:
    if site.of("Patient").get("updateCreate"):
        raise NotSupported("updateCreate is offered")
    expect.refused(put(site, {**prepared.patient(site, "no-upsert"), "id": site.own("new")}), 405, 404)


@UPDATE.must("invalid-id", "datatypes#id", "An id that is none is refused")
def invalid_id(site: Site) -> None:
    site.needs("Patient", "update")
    for wrong in ("under_score", "x" * 65, "blank%20in"):
        body = {**prepared.patient(site, "bad-id"), "id": wrong.replace("%20", " ")}
        expect.refused(site.server.put(f"/Patient/{wrong}", body), 400, 404, 422)


@UPDATE.must("if-match", "http#concurrency", "If-Match with the current version updates, with another is 412")
def if_match(site: Site) -> None:
    one = fresh(site, "update-if-match", gender="male")
    etag = f'W/"{one["meta"]["versionId"]}"'
    expect.status(put(site, {**one, "gender": "female"}, if_match=etag), 200)
    expect.refused(put(site, {**one, "gender": "other"}, if_match=etag), 412)
    expect.same("female", site.server.get(f"/Patient/{one['id']}").resource().get("gender"), "gender")


@UPDATE.must("other-type", "http#update", "A body of another type is refused")
def update_other_type(site: Site) -> None:
    site.needs("Patient", "update")
    body = {"resourceType": "Observation", "id": site.id("late"), "status": "final", "code": {"text": "x"}}
    expect.refused(site.server.put(f"/Patient/{site.id('late')}", body), 400, 422)


@DELETE.must("deleted", "http#delete", "200 or 204, and it is no longer found")
def deleted(site: Site) -> None:
    site.needs("Patient", "delete")
    one = fresh(site, "delete-deleted")
    answer = expect.status(site.server.delete(f"/Patient/{one['id']}"), 200, 202, 204)
    expect.that(answer.status != 204 or not answer.body, "204 without a body", answer.body)
    expect.refused(site.server.get(f"/Patient/{one['id']}"), 410, 404)
    site.needs_parameters("Patient", "identifier")
    found = site.server.get(f"/Patient?identifier={site.system()}|{site.own('delete-deleted')}").resource("Bundle")
    expect.same([], found.get("entry", []), "entries")


@DELETE.must("again", "http#delete", "Deleting again, or what never was, has no effect: 200 or 204")
def again(site: Site) -> None:
    site.needs("Patient", "delete")
    one = fresh(site, "delete-again")
    for _ in range(2):
        expect.status(site.server.delete(f"/Patient/{one['id']}"), 200, 202, 204)
    site.needs("Patient", "history-instance")
    entries = site.server.get(f"/Patient/{one['id']}/_history").resource("Bundle")["entry"]
    expect.same(["DELETE", "POST"], [each["request"]["method"] for each in entries], "methods")


@DELETE.should("unknown", "http#delete", "Deleting what never was is 200 or 204")
def unknown(site: Site) -> None:
    site.needs("Patient", "delete")
    expect.status(site.server.delete(f"/Patient/none-{site.tag}"), 200, 202, 204)
    expect.refused(site.server.get(f"/Patient/none-{site.tag}"), 404, 410)


@DELETE.must("alive", "http#delete", "An update brings it back to life")
def alive(site: Site) -> None:
    site.needs("Patient", "delete", "update")
    one = fresh(site, "delete-alive")
    expect.status(site.server.delete(f"/Patient/{one['id']}"), 200, 202, 204)
    expect.status(put(site, {name: value for name, value in one.items() if name != "meta"}), 200, 201)
    expect.stamped(expect.status(site.server.get(f"/Patient/{one['id']}"), 200).resource("Patient"))


@DELETE.must("whole-type", "http#delete", "A DELETE of a whole type without criteria deletes nothing")
def whole_type(site: Site) -> None:
    expect.refused(site.server.delete("/Patient"))
    expect.status(site.server.get(f"/Patient/{site.id('peter')}"), 200)


@CREATE.must("outcome", "http#Status-Codes, operationoutcome", "A refusal is application/fhir+json as asked for")
def outcome_type(site: Site) -> None:
    answer = site.server.get(f"/Patient/none-{site.tag}", accept=JSON)
    expect.json_resource(expect.status(answer, 404), "OperationOutcome")
