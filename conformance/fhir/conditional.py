"""Conditional create, update, delete and patch; patch (FHIR R4 http#ccreate, #cond-update, #delete, #patch)."""

from urllib.parse import quote

from conformance.fhir import expect, prepared
from conformance.fhir.reading import fresh
from conformance.fhir.server import Answer, Model
from conformance.fhir.suite import Page, Site
from conformance.judging import NotSupported

CONDITIONAL = Page("conditional", "Conditional interactions", "http#ccreate")
PATCH = Page("patch", "Patch", "http#patch")


def criteria(site: Site, number: str) -> str:
    """A search by one identifier."""
    return f"identifier={quote(f'{site.system()}|{site.own(number)}', safe='')}"


def count(site: Site, number: str) -> int:
    """How many patients carry an identifier."""
    site.needs_parameters("Patient", "identifier")
    return len(site.server.get(f"/Patient?{criteria(site, number)}").resource("Bundle").get("entry", []))


def create(site: Site, number: str) -> Answer:
    """A conditional create by an identifier."""
    site.needs_flag("Patient", "conditionalCreate")
    return site.server.post("/Patient", prepared.patient(site, number), if_none_exist=criteria(site, number))


@CONDITIONAL.must("create.none", "http#ccreate", "Create: no match creates, 201")
def create_none(site: Site) -> None:
    expect.status(create(site, "cc-none"), 201)
    expect.same(1, count(site, "cc-none"), "patients")


@CONDITIONAL.must("create.one", "http#ccreate", "Create: one match is 200, and nothing is created")
def create_one(site: Site) -> None:
    one = fresh(site, "cc-one")
    expect.status(create(site, "cc-one"), 200)
    expect.same(1, count(site, "cc-one"), "patients")
    version = site.server.get(f"/Patient/{one['id']}").resource()["meta"]["versionId"]
    expect.same(one["meta"]["versionId"], version, "versionId")


@CONDITIONAL.must("create.many", "http#ccreate", "Create: several matches are 412")
def create_many(site: Site) -> None:
    fresh(site, "cc-many")
    fresh(site, "cc-many")
    expect.refused(create(site, "cc-many"), 412)
    expect.same(2, count(site, "cc-many"), "patients")


def update(site: Site, number: str, **more: object) -> Answer:
    """A conditional update by an identifier."""
    site.needs_flag("Patient", "conditionalUpdate")
    return site.server.put(f"/Patient?{criteria(site, number)}", prepared.patient(site, number, **more))


@CONDITIONAL.must("update.none", "http#cond-update", "Update: no match and no id creates, 201")
def update_none(site: Site) -> None:
    answer = expect.status(update(site, "cu-none"), 201)
    expect.that("Patient/" in answer.headers.get("location", ""), "Location", answer.headers)
    expect.same(1, count(site, "cu-none"), "patients")


@CONDITIONAL.must("update.one", "http#cond-update", "Update: one match and no id updates it, 200")
def update_one(site: Site) -> None:
    one = fresh(site, "cu-one", gender="male")
    expect.status(update(site, "cu-one", gender="female"), 200)
    found = site.server.get(f"/Patient/{one['id']}").resource("Patient")
    expect.same("female", found.get("gender"), "gender")
    expect.same(1, count(site, "cu-one"), "patients")


@CONDITIONAL.must("update.same-id", "http#cond-update", "Update: one match and its id updates it; another id is 400")
def update_id(site: Site) -> None:
    one = fresh(site, "cu-id", gender="male")
    expect.status(update(site, "cu-id", id=one["id"], gender="female"), 200)
    expect.refused(update(site, "cu-id", id=f"other-{site.tag}", gender="other"), 400)
    expect.same("female", site.server.get(f"/Patient/{one['id']}").resource().get("gender"), "gender")


@CONDITIONAL.must("update.new-id", "http#cond-update", "Update: no match and an id creates it there")
def update_new_id(site: Site) -> None:
    site.needs_flag("Patient", "updateCreate")
    expect.status(update(site, "cu-new-id", id=site.own("cu")), 201)
    expect.stamped(site.server.get(f"/Patient/{site.own('cu')}").resource("Patient"), site.own("cu"))


@CONDITIONAL.must("update.many", "http#cond-update", "Update: several matches are 412")
def update_many(site: Site) -> None:
    both = [fresh(site, "cu-many", gender="male") for _ in range(2)]
    expect.refused(update(site, "cu-many", gender="other"), 412)
    for one in both:
        expect.same("male", site.server.get(f"/Patient/{one['id']}").resource().get("gender"), "gender")


def delete(site: Site, number: str) -> Answer:
    """A conditional delete by an identifier."""
    site.needs_flag("Patient", "conditionalDelete", "single", "multiple")
    return site.server.delete(f"/Patient?{criteria(site, number)}")


@CONDITIONAL.must("delete.one", "http#delete", "Delete: one match is deleted")
def delete_one(site: Site) -> None:
    one = fresh(site, "cd-one")
    expect.status(delete(site, "cd-one"), 200, 202, 204)
    expect.refused(site.server.get(f"/Patient/{one['id']}"), 410, 404)


@CONDITIONAL.must("delete.none", "http#delete", "Delete: no match is no error")
def delete_none(site: Site) -> None:
    fresh(site, "cd-other")
    expect.status(delete(site, "cd-none"), 200, 202, 204, 404)
    expect.same(1, count(site, "cd-other"), "patients of another identifier")


@CONDITIONAL.must("delete.many", "http#delete", "Delete: several matches all go, or 412 and none, as it says")
def delete_many(site: Site) -> None:
    for _ in range(2):
        fresh(site, "cd-many")
    answer = delete(site, "cd-many")
    multiple = site.of("Patient").get("conditionalDelete") == "multiple"
    if multiple:
        expect.status(answer, 200, 202, 204)
    else:
        expect.refused(answer, 412)
    expect.same(0 if multiple else 2, count(site, "cd-many"), "patients")


@CONDITIONAL.must("unknown", "http#cond-update, search#errors", "Criteria that it does not know never match everything")
def unknown(site: Site) -> None:
    site.needs_flag("Patient", "conditionalDelete", "single", "multiple")
    fresh(site, "cd-unknown")
    for wrong in ("no-such-parameter=1", f"identifier:nonsense={site.system()}|cd-unknown"):
        expect.refused(site.server.delete(f"/Patient?{wrong}"))
    expect.same(1, count(site, "cd-unknown"), "patients")


def patched(site: Site, one: Model, operations: object, **headers: str) -> Answer:
    """A JSON Patch (RFC 6902)."""
    site.needs("Patient", "patch")
    _speaks(site, "json")
    return site.server.patch(f"/Patient/{one['id']}", operations, **headers)


def _speaks(site: Site, kind: str) -> None:
    formats = [str(one) for one in site.statement.get("patchFormat", [])]
    if formats and not any(kind in one for one in formats):
        raise NotSupported(f"patchFormat {formats}")


@PATCH.must("json", "http#patch", "JSON Patch: replace, add, remove; 200 and a new version")
def json_patch(site: Site) -> None:
    one = fresh(site, "patch-json", gender="male", birthDate="1970", active=True)
    operations = [
        {"op": "replace", "path": "/gender", "value": "female"},
        {"op": "remove", "path": "/birthDate"},
        {"op": "add", "path": "/name", "value": [{"family": "Patched"}]},
    ]
    expect.status(patched(site, one, operations), 200)
    found = site.server.get(f"/Patient/{one['id']}").resource("Patient")
    got = tuple(found.get(name) for name in ("gender", "birthDate", "name", "active"))
    expect.same(("female", None, [{"family": "Patched"}], True), got, "it")
    expect.that(found["meta"]["versionId"] != one["meta"]["versionId"], "another versionId", found["meta"])


@PATCH.must("test", "http#patch (RFC 6902 4.6)", "A test that fails changes nothing")
def failing_test(site: Site) -> None:
    one = fresh(site, "patch-test", gender="male")
    operations = [
        {"op": "replace", "path": "/gender", "value": "female"},
        {"op": "test", "path": "/gender", "value": "other"},
    ]
    expect.refused(patched(site, one, operations))
    expect.same("male", site.server.get(f"/Patient/{one['id']}").resource().get("gender"), "gender")


@PATCH.must("invalid", "http#patch", "A patch that is none, or leads to no resource of that type, is refused")
def invalid(site: Site) -> None:
    one = fresh(site, "patch-invalid", gender="male")
    for wrong in ({"op": "x"}, [{"op": "nonsense", "path": "/x"}], [{"op": "remove", "path": "/name/7"}],
                  [{"op": "replace", "path": "/resourceType", "value": "Observation"}]):  # fmt: skip
        expect.refused(patched(site, one, wrong))
    found = site.server.get(f"/Patient/{one['id']}").resource("Patient")
    expect.same(one["meta"]["versionId"], found["meta"]["versionId"], "versionId")


@PATCH.must("if-match", "http#patch, #concurrency", "If-Match holds for patches too")
def if_match(site: Site) -> None:
    one = fresh(site, "patch-if-match", gender="male")
    etag = f'W/"{one["meta"]["versionId"]}"'
    replace = [{"op": "replace", "path": "/gender", "value": "female"}]
    expect.status(patched(site, one, replace, if_match=etag), 200)
    expect.refused(patched(site, one, replace, if_match=etag), 412)


@PATCH.must("unknown", "http#patch", "A patch of what is not there is 404")
def patch_unknown(site: Site) -> None:
    expect.refused(patched(site, {"id": f"none-{site.tag}"}, [{"op": "remove", "path": "/gender"}]), 404)


@PATCH.should("conditional", "http#patch", "Conditional patch: one match is patched, none is 404, several are 412")
def conditional(site: Site) -> None:
    site.needs("Patient", "patch")
    _speaks(site, "json")
    one = fresh(site, "cp-one", gender="male")
    fresh(site, "cp-many"), fresh(site, "cp-many")
    replace = [{"op": "add", "path": "/gender", "value": "female"}]

    def ask(number: str) -> Answer:
        return site.server.patch(f"/Patient?{criteria(site, number)}", replace)

    expect.offered(ask("cp-one"), 200)
    expect.same("female", site.server.get(f"/Patient/{one['id']}").resource().get("gender"), "gender")
    expect.refused(ask("cp-none"), 404)
    expect.refused(ask("cp-many"), 412)


@PATCH.should("fhirpath", "fhirpatch", "FHIRPath Patch: add, insert, delete, replace, move")
def fhirpath(site: Site) -> None:
    site.needs("Patient", "patch")
    one = fresh(site, "patch-path", gender="male", birthDate="1970", name=[{"given": ["A", "B"]}])
    body = {"resourceType": "Parameters", "parameter": [
        _operation("replace", "Patient.gender", valueCode="female"),
        _operation("delete", "Patient.birthDate"),
        _operation("add", "Patient", name="active", valueBoolean=True),
        _operation("insert", "Patient.name[0].given", index=1, valueString="C"),
        _operation("move", "Patient.name[0].given", source=0, destination=2),
    ]}  # fmt: skip
    expect.offered(site.server.patch(f"/Patient/{one['id']}", body, content_type="application/fhir+json"), 200)
    found = site.server.get(f"/Patient/{one['id']}").resource("Patient")
    expect.same(("female", None, True, ["C", "B", "A"]),
                (found.get("gender"), found.get("birthDate"), found.get("active"), found["name"][0]["given"]),
                "it")  # fmt: skip


def _operation(kind: str, path: str, **more: object) -> Model:
    parts: list[Model] = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, value in more.items():
        if name.startswith("value"):
            parts.append({"name": "value", name: value})
        else:
            parts.append({"name": name, "valueString" if isinstance(value, str) else "valueInteger": value})
    return {"name": "operation", "part": parts}


@PATCH.should("xml", "http#patch (RFC 5261)", "XML Patch: add, replace, remove")
def xml_patch(site: Site) -> None:
    site.needs("Patient", "patch")
    _speaks(site, "xml")
    one = fresh(site, "patch-xml", gender="male", birthDate="1970")
    body = (
        b'<diff xmlns:f="http://hl7.org/fhir"><replace sel="/f:Patient/f:gender/@value">female</replace>'
        b'<remove sel="f:Patient/f:birthDate"/></diff>'
    )
    answer = site.server.patch(f"/Patient/{one['id']}", body, content_type="application/xml-patch+xml")
    expect.offered(answer, 200)
    found = site.server.get(f"/Patient/{one['id']}").resource("Patient")
    expect.same(("female", None), (found.get("gender"), found.get("birthDate")), "gender and birthDate")
