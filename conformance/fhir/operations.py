"""Operations (FHIR R4 operations, resource-operation-*): each checked where the CapabilityStatement offers it."""

import json

from conformance.fhir import expect, prepared
from conformance.fhir.reading import fresh
from conformance.fhir.searching import pages
from conformance.fhir.server import Answer, Model
from conformance.fhir.suite import Page, Site
from conformance.judging import NotSupported

OPERATIONS = Page("operations", "Operations", "operations")

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"
GENDER_SYSTEM = "http://hl7.org/fhir/administrative-gender"


def parameters(*given: Model) -> Model:
    """A Parameters resource."""
    return {"resourceType": "Parameters", "parameter": list(given)}


def parameter(found: Model, name: str) -> object:
    """The value of a parameter of an answer."""
    for one in found.get("parameter", []):
        if one.get("name") == name:
            return next((value for key, value in one.items() if key.startswith(("value", "resource"))), None)
    return None


def call(site: Site, path: str, *given: Model) -> Answer:
    """POST of an operation with Parameters."""
    return site.server.post(path, parameters(*given))


@OPERATIONS.must("unknown", "operations#executing", "An operation that is not there is refused")
def unknown(site: Site) -> None:
    expect.refused(site.server.post("/Patient/$no-such-operation", parameters()), 400, 404, 405, 501)
    expect.refused(site.server.get("/$no-such-operation"), 400, 404, 405, 501)


@OPERATIONS.must("validate.valid", "resource-operation-validate", "$validate of what is right: no error")
def validate_valid(site: Site) -> None:
    site.needs_operation("validate", "Patient")
    body = prepared.patient(site, "validate", gender="male", birthDate="1970-01-01")
    expect.outcome(expect.status(site.server.post("/Patient/$validate", body), 200), failed=False)
    expect.outcome(expect.status(call(site, "/Patient/$validate", {"name": "resource", "resource": body}), 200),
                   failed=False)  # fmt: skip


@OPERATIONS.must("validate.invalid", "resource-operation-validate", "$validate of what is wrong: errors that say where")
def validate_invalid(site: Site) -> None:
    site.needs_operation("validate", "Patient")
    wrong: dict[str, Model] = {
        "gender": {"gender": "unheard-of"}, "birthDate": {"birthDate": "1970-02-31x"}, "contact": {"contact": [{}]},
        "link": {"link": [{"other": {"reference": "Patient/1"}}]},
    }  # fmt: skip
    for name, more in wrong.items():
        answer = call(site, "/Patient/$validate", {"name": "resource", "resource": {"resourceType": "Patient", **more}})
        found = expect.outcome(expect.status(answer, 200, 400, 422))
        places = [str(one.get("expression", one.get("location", ""))) + str(one.get("diagnostics", ""))
                  + str(one.get("details", "")) for one in found["issue"]]  # fmt: skip
        expect.that(any(name in one for one in places), f"an issue at {name}", places)


@OPERATIONS.must("validate.invariant", "resource-operation-validate, patient (pat-1)", "$validate minds invariants")
def validate_invariant(site: Site) -> None:
    site.needs_operation("validate", "Patient")
    body = {"resourceType": "Patient", "contact": [{"gender": "male"}]}
    expect.outcome(expect.status(site.server.post("/Patient/$validate", body), 200, 400, 422))


@OPERATIONS.must("validate.stores-not", "resource-operation-validate", "$validate stores nothing")
def validate_stores_not(site: Site) -> None:
    site.needs_operation("validate", "Patient")
    site.needs_parameters("Patient", "identifier")
    answer = site.server.post("/Patient/$validate", prepared.patient(site, "validate-only"))
    expect.outcome(expect.status(answer, 200), failed=False)
    found = site.server.get(f"/Patient?identifier={site.system()}|{site.own('validate-only')}").resource("Bundle")
    expect.same([], found.get("entry", []), "entries")


@OPERATIONS.must("everything", "patient-operation-everything", "$everything: a patient and all about them")
def everything(site: Site) -> None:
    site.needs_operation("everything", "Patient")
    found = expect.status(site.server.get(f"/Patient/{site.id('peter')}/$everything"), 200).resource("Bundle")
    expect.same("searchset", found.get("type"), "Bundle.type")
    ids = set(expect.ids(all_of(site, found)))
    wanted = site.ids(["peter", "low", "high", "visit", "report"])
    expect.that(wanted <= ids, f"all of {sorted(wanted)}", sorted(ids))
    expect.that(not site.ids(["petra", "coded"]) & ids, "nothing of others", sorted(ids))


def all_of(site: Site, found: Model) -> list[Model]:
    """Entries of all pages."""
    entries = list(found.get("entry", []))
    while (following := expect.link(found, "next")) and len(entries) < 1000:
        found = expect.status(site.server.get(following), 200).resource("Bundle")
        entries += found.get("entry", [])
    return entries


@OPERATIONS.must("everything.unknown", "patient-operation-everything", "$everything of nobody is 404")
def everything_unknown(site: Site) -> None:
    site.needs_operation("everything", "Patient")
    expect.refused(site.server.get(f"/Patient/none-{site.tag}/$everything"), 404)


@OPERATIONS.should("everything.type", "patient-operation-everything", "_type limits $everything")
def everything_type(site: Site) -> None:
    site.needs_operation("everything", "Patient")
    answer = site.server.get(f"/Patient/{site.id('peter')}/$everything?_type=Observation")
    found = all_of(site, expect.status(answer, 200).resource("Bundle"))
    kinds = {one["resource"]["resourceType"] for one in found if one.get("search", {}).get("mode") != "outcome"}
    expect.that("Observation" in kinds and kinds <= {"Observation", "Patient"}, "observations", kinds)


@OPERATIONS.must("meta", "resource-operation-meta", "$meta: the tags of a resource")
def meta(site: Site) -> None:
    site.needs_operation("meta", "Patient")
    found = expect.status(site.server.get(f"/Patient/{site.id('peter')}/$meta"), 200).resource("Parameters")
    value = parameter(found, "return")
    tags = [one.get("code") for one in value.get("tag", [])] if isinstance(value, dict) else []
    expect.that("gold" in tags, "the tag gold", value)


@OPERATIONS.should("meta.add", "resource-operation-meta-add", "$meta-add adds and $meta-delete takes away, no more")
def meta_add(site: Site) -> None:
    for name in ("meta-add", "meta-delete"):
        site.needs_operation(name, "Patient")
    one = fresh(site, "meta-add")
    tags = [{"system": site.system("tags"), "code": "new"}]
    given = {"name": "meta", "valueMeta": {"tag": tags}}

    def read() -> object:
        return site.server.get(f"/Patient/{one['id']}").resource("Patient")["meta"].get("tag", [])

    expect.status(call(site, f"/Patient/{one['id']}/$meta-add", given), 200)
    expect.same(tags, read(), "tags")
    expect.status(call(site, f"/Patient/{one['id']}/$meta-delete", given), 200)
    expect.same([], read(), "tags")


@OPERATIONS.must("expand", "valueset-operation-expand", "$expand: the codes of a value set")
def expand(site: Site) -> None:
    site.needs_operation("expand", "ValueSet")
    found = expect.status(site.server.get(f"/ValueSet/$expand?url={GENDER}"), 200).resource("ValueSet")
    codes = {one.get("code") for one in found.get("expansion", {}).get("contains", [])}
    expect.same({"male", "female", "other", "unknown"}, codes, "codes")
    expect.that(found["expansion"].get("timestamp"), "expansion.timestamp", found["expansion"])


@OPERATIONS.should("expand.instance", "valueset-operation-expand", "$expand with filter, count, offset")
def expand_instance(site: Site) -> None:
    site.needs_operation("expand", "ValueSet")
    found = expect.status(site.server.get(f"/ValueSet/{site.id('codes')}/$expand"), 200).resource("ValueSet")
    expect.same(["15074-8"], [one.get("code") for one in found["expansion"].get("contains", [])], "codes")
    one = expect.status(site.server.get(f"/ValueSet/$expand?url={GENDER}&count=1&offset=1"), 200).resource("ValueSet")
    expect.same((4, 1), (one["expansion"].get("total"), len(one["expansion"]["contains"])), "total and codes")
    some = expect.status(site.server.get(f"/ValueSet/$expand?url={GENDER}&filter=unk"), 200).resource("ValueSet")
    expect.same(["unknown"], [each.get("code") for each in some["expansion"]["contains"]], "codes")


@OPERATIONS.must("expand.unknown", "valueset-operation-expand", "$expand of a value set that is not there is refused")
def expand_unknown(site: Site) -> None:
    site.needs_operation("expand", "ValueSet")
    expect.refused(site.server.get(f"/ValueSet/$expand?url={site.system('none')}"))


@OPERATIONS.must("lookup", "codesystem-operation-lookup", "$lookup: display and name; an unknown one is refused")
def lookup(site: Site) -> None:
    site.needs_operation("lookup", "CodeSystem")
    answer = site.server.get(f"/CodeSystem/$lookup?system={GENDER_SYSTEM}&code=male")
    found = expect.status(answer, 200).resource("Parameters")
    expect.same("Male", parameter(found, "display"), "display")
    expect.that(parameter(found, "name"), "name", found)
    expect.refused(site.server.get(f"/CodeSystem/$lookup?system={GENDER_SYSTEM}&code=nonsense"))


@OPERATIONS.must("validate-code", "valueset-operation-validate-code", "$validate-code: true, or false and a message")
def validate_code(site: Site) -> None:
    site.needs_operation("validate-code", "ValueSet")
    path = f"/ValueSet/$validate-code?url={GENDER}&system={GENDER_SYSTEM}&code="
    found = expect.status(site.server.get(f"{path}female"), 200).resource("Parameters")
    expect.same(True, parameter(found, "result"), "result")
    found = expect.status(site.server.get(f"{path}nonsense"), 200).resource("Parameters")
    expect.same(False, parameter(found, "result"), "result")
    expect.that(parameter(found, "message"), "message", found)


@OPERATIONS.must("subsumes", "codesystem-operation-subsumes", "$subsumes: its four outcomes")
def subsumes(site: Site) -> None:
    site.needs_operation("subsumes", "CodeSystem")
    site.needs("CodeSystem", "create")
    url = site.system(site.own("cs"))
    concept = [{"code": "a", "concept": [{"code": "b"}]}, {"code": "c"}]
    body = {"resourceType": "CodeSystem", "url": url, "status": "active", "content": "complete", "name": "C",
            "hierarchyMeaning": "is-a", "concept": concept}  # fmt: skip
    expect.status(site.server.post("/CodeSystem", body), 201)
    for first, second, wanted in (("a", "a", "equivalent"), ("a", "b", "subsumes"), ("b", "a", "subsumed-by"),
                                  ("b", "c", "not-subsumed")):  # fmt: skip
        answer = site.server.get(f"/CodeSystem/$subsumes?system={url}&codeA={first}&codeB={second}")
        found = expect.status(answer, 200).resource("Parameters")
        expect.same(wanted, parameter(found, "outcome"), f"{first} and {second}:")


@OPERATIONS.must("translate", "conceptmap-operation-translate", "$translate: a match with its target, or result false")
def translate(site: Site) -> None:
    site.needs_operation("translate", "ConceptMap")
    site.needs("ConceptMap", "create")
    source, target = site.system("from"), site.system("to")
    element = [{"code": "x", "target": [{"code": "y", "equivalence": "equivalent"}]}]
    body = {"resourceType": "ConceptMap", "url": site.system(site.own("map")), "status": "active",
            "group": [{"source": source, "target": target, "element": element}]}  # fmt: skip
    expect.status(site.server.post("/ConceptMap", body), 201)
    path = f"/ConceptMap/$translate?url={site.system(site.own('map'))}&system={source}&code="
    found = expect.status(site.server.get(f"{path}x"), 200).resource("Parameters")
    expect.same(True, parameter(found, "result"), "result")
    expect.that(f'"{target}"' in json.dumps(found, default=str) and '"y"' in json.dumps(found, default=str), "y", found)
    found = expect.status(site.server.get(f"{path}nonsense"), 200).resource("Parameters")
    expect.same(False, parameter(found, "result"), "result")


@OPERATIONS.must("document", "composition-operation-document", "$document: a document, its Composition first")
def document(site: Site) -> None:
    site.needs_operation("document", "Composition")
    site.needs("Composition", "create")
    body = {
        "resourceType": "Composition", "status": "final", "type": {"text": "Report"}, "date": "2026-01-01",
        "subject": {"reference": site.reference("peter")}, "author": [{"reference": site.reference("doctor")}],
        "title": "Report", "section": [{"title": "S", "entry": [{"reference": site.reference("low")}]}],
    }  # fmt: skip
    one = prepared.created(site, body)
    found = expect.status(site.server.get(f"/Composition/{one['id']}/$document"), 200).resource("Bundle")
    expect.same(("document", one["id"]), (found.get("type"), expect.ids(found["entry"])[0]), "type and first entry")
    expect.that(site.ids(["peter", "doctor", "low"]) <= set(expect.ids(found["entry"])), "what it refers to", found)
    expect.that(found.get("identifier") and found.get("timestamp"), "identifier and timestamp (bdl-9, bdl-10)", found)


@OPERATIONS.must("export", "HL7 Bulk Data 1.0 (kick-off)", "$export: 202 with Content-Location, needs respond-async")
def export(site: Site) -> None:
    site.needs_operation("export")
    answer = site.server.get("/$export?_type=Patient", prefer="respond-async")
    if answer.status in (401, 403):
        raise NotSupported(f"{answer.status} for this client")
    where = expect.status(answer, 202).headers.get("content-location", "")
    expect.that(where.startswith("http"), "Content-Location", where)
    expect.status(site.server.get(where), 200, 202)
    expect.status(site.server.delete(where), 202)


@OPERATIONS.must("export.sync", "HL7 Bulk Data 1.0 (kick-off)", "$export with an unknown _outputFormat is refused")
def export_format(site: Site) -> None:
    site.needs_operation("export")
    expect.refused(site.server.get("/$export?_outputFormat=application/pdf", prefer="respond-async"))


@OPERATIONS.should("summary", "IPS 1.0 (Patient/$summary)", "$summary: a document of the patient")
def summary(site: Site) -> None:
    site.needs_operation("summary", "Patient")
    found = expect.status(site.server.get(f"/Patient/{site.id('peter')}/$summary"), 200).resource("Bundle")
    first = found["entry"][0]["resource"]
    expect.same(("document", "Composition"), (found.get("type"), first["resourceType"]), "type and first entry")
    codes = [one.get("code") for one in first.get("type", {}).get("coding", [])]
    expect.that("60591-5" in codes, "LOINC 60591-5", codes)
    expect.that(site.id("peter") in expect.ids(found["entry"]), "the patient", expect.ids(found["entry"]))


@OPERATIONS.should("everything.pages", "http#paging", "Pages of $everything hold each resource once")
def everything_once(site: Site) -> None:
    site.needs_operation("everything", "Patient")
    answer = site.server.get(f"/Patient/{site.id('peter')}/$everything?_count=2")
    found = pages(site, expect.status(answer, 200).resource("Bundle"))
    ids = expect.ids(found)
    expect.that(len(ids) == len(set(ids)) and site.ids(["low", "visit"]) <= set(ids), "each once", ids)
