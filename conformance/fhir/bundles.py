"""batch and transaction (FHIR R4 http#transaction, #trules, #transaction-response)."""

import uuid

from conformance.fhir import expect, prepared
from conformance.fhir.conditional import count, criteria
from conformance.fhir.reading import fresh
from conformance.fhir.server import Answer, Model
from conformance.fhir.suite import Page, Site

BATCH = Page("batch", "Batch", "http#transaction")
TRANSACTION = Page("transaction", "Transaction", "http#trules")


def entry(method: str, url: str, resource: Model | None = None, **more: object) -> Model:
    """An entry; `full_url` goes beside the request, the rest into it."""
    full_url = more.pop("full_url", None)
    return {
        **({"fullUrl": full_url} if full_url else {}), **({"resource": resource} if resource else {}),
        "request": {"method": method, "url": url, **more},
    }  # fmt: skip


def send(site: Site, kind: str, *entries: Model) -> Answer:
    """A Bundle to the base URL."""
    site.needs_system(kind)
    return site.server.post("/", {"resourceType": "Bundle", "type": kind, "entry": list(entries)})


def responses(answer: Answer, kind: str) -> list[Model]:
    """The entries of the response, in the order of the request."""
    found = expect.json_resource(expect.status(answer, 200), "Bundle")
    expect.same(f"{kind}-response", found.get("type"), "Bundle.type")
    entries: list[Model] = found.get("entry", [])
    for one in entries:
        expect.that(str(one.get("response", {}).get("status", ""))[:3].isdigit(), "response.status", one)
    return entries


def codes(entries: list[Model]) -> list[int]:
    """Status codes."""
    return [int(str(one["response"]["status"])[:3]) for one in entries]


def refused(answer: Answer) -> None:
    """A transaction that failed as a whole (FHIR R4 http#trules)."""
    expect.refused(answer)


def urn() -> str:
    """A new urn:uuid."""
    return f"urn:uuid:{uuid.uuid4()}"


def found_id(one: Model) -> str:
    """The logical id of what an entry's location names."""
    location = str(one["response"].get("location", ""))
    head = location.partition("/_history/")[0]
    expect.that("/" in head, "response.location", location)
    return head.rpartition("/")[2]


@BATCH.must("each", "http#transaction", "Each entry is answered by itself, in order")
def each(site: Site) -> None:
    found = responses(send(
        site, "batch",
        entry("POST", "Patient", prepared.patient(site, "batch-each")),
        entry("GET", f"Patient/{site.id('peter')}"),
        entry("GET", f"Patient/none-{site.tag}"),
    ), "batch")  # fmt: skip
    expect.same([201, 200, 404], codes(found), "status")
    expect.same(site.id("peter"), found[1].get("resource", {}).get("id"), "the resource that was read")
    expect.same(1, count(site, "batch-each"), "patients")


@BATCH.must("independent", "http#brules", "One that fails does not undo the others")
def independent(site: Site) -> None:
    found = responses(send(
        site, "batch",
        entry("POST", "Patient", prepared.patient(site, "batch-kept")),
        entry("PUT", f"Patient/wrong-{site.tag}", {"resourceType": "Patient", "id": "another"}),
        entry("POST", "Nonsense", {"resourceType": "Nonsense"}),
    ), "batch")  # fmt: skip
    expect.same(201, codes(found)[0], "status")
    expect.that(all(400 <= one < 500 for one in codes(found)[1:]), "4xx for the others", codes(found))
    outcome = found[1]["response"].get("outcome") or found[1].get("resource", {})
    expect.same("OperationOutcome", outcome.get("resourceType"), "outcome")
    expect.same(1, count(site, "batch-kept"), "patients")


@BATCH.must("search", "http#transaction", "A search in a batch answers a searchset")
def batch_search(site: Site) -> None:
    site.needs_parameters("Patient", "_id")
    found = responses(send(site, "batch", entry("GET", f"Patient?_id={site.id('peter')}")), "batch")
    expect.same(("Bundle", "searchset"),
                (found[0]["resource"]["resourceType"], found[0]["resource"].get("type")), "resource")  # fmt: skip
    expect.same([site.id("peter")], expect.ids(found[0]["resource"].get("entry", [])), "ids")


@BATCH.must("base", "http#transaction", "[base] is where bundles go, with and without a slash at its end")
def batch_base(site: Site) -> None:
    site.needs_system("batch")
    body = {"resourceType": "Bundle", "type": "batch", "entry": [entry("GET", f"Patient/{site.id('peter')}")]}
    for path in ("", "/"):
        expect.same([200], codes(responses(site.server.post(path, body), "batch")), f"status at [base]{path}:")


@BATCH.should("empty", "http#transaction", "A batch without entries answers one without entries")
def batch_empty(site: Site) -> None:
    site.needs_system("batch")
    answer = site.server.post("/", {"resourceType": "Bundle", "type": "batch"})
    expect.same([], responses(answer, "batch"), "entries")


@BATCH.must("other-type", "http#transaction", "A Bundle of another type, or something else, is refused")
def batch_other_type(site: Site) -> None:
    site.needs_system("batch")
    expect.refused(site.server.post("/", {"resourceType": "Bundle", "type": "searchset"}), 400, 422)
    expect.refused(site.server.post("/", {"resourceType": "Patient"}), 400, 422, 404, 405)


@TRANSACTION.must("all", "http#trules", "Everything is done: create, update, delete, read; each answered in order")
def everything(site: Site) -> None:
    one, other = fresh(site, "tx-update", gender="male"), fresh(site, "tx-delete")
    found = responses(send(
        site, "transaction",
        entry("GET", f"Patient/{one['id']}"),
        entry("POST", "Patient", prepared.patient(site, "tx-create"), full_url=urn()),
        entry("PUT", f"Patient/{one['id']}", {**one, "gender": "female"}),
        entry("DELETE", f"Patient/{other['id']}"),
    ), "transaction")  # fmt: skip
    expect.same([200, 201, 200], codes(found)[:3], "status")
    expect.that(codes(found)[3] in (200, 204), "200 or 204", codes(found))
    expect.that(found[1]["response"].get("location"), "response.location", found[1])
    expect.same("female", found[0].get("resource", {}).get("gender"), "what was read after the update: gender")
    expect.refused(site.server.get(f"/Patient/{other['id']}"), 410, 404)
    expect.same(1, count(site, "tx-create"), "patients")


@TRANSACTION.must("etag", "http#transaction-response", "etag and lastModified of what was written")
def etag(site: Site) -> None:
    one = entry("POST", "Patient", prepared.patient(site, "tx-etag"))
    found = responses(send(site, "transaction", one), "transaction")
    written = site.server.get(f"/Patient/{found_id(found[0])}").resource("Patient")
    said = found[0]["response"]
    expect.same((f'W/"{written["meta"]["versionId"]}"', written["meta"]["lastUpdated"][:19]),
                (said.get("etag"), str(said.get("lastModified"))[:19]), "etag and lastModified")  # fmt: skip


@TRANSACTION.must("atomic", "http#trules", "One that fails undoes all, with an OperationOutcome")
def atomic(site: Site) -> None:
    one = fresh(site, "tx-atomic", gender="male")
    refused(send(
        site, "transaction",
        entry("POST", "Patient", prepared.patient(site, "tx-undone"), full_url=urn()),
        entry("PUT", f"Patient/{one['id']}", {**one, "gender": "female"}),
        entry("PUT", f"Patient/x-{site.tag}", {"resourceType": "Patient", "id": f"y-{site.tag}"}),
    ))  # fmt: skip
    expect.same(0, count(site, "tx-undone"), "patients")
    found = site.server.get(f"/Patient/{one['id']}").resource("Patient")
    expect.same((one["meta"]["versionId"], "male"), (found["meta"]["versionId"], found["gender"]), "it, as it was")


@TRANSACTION.must("references", "http#trules, bundle#references", "urn:uuid references become real ones")
def references(site: Site) -> None:
    site.needs("Observation", "create")
    who, what = urn(), urn()
    found = responses(send(
        site, "transaction",
        entry("POST", "Observation", _observation(site, "tx-ref-o", {"reference": who}), full_url=what),
        entry("POST", "Patient", prepared.patient(site, "tx-ref-p"), full_url=who),
    ), "transaction")  # fmt: skip
    seen = site.server.get(f"/Observation/{found_id(found[0])}").resource("Observation")
    reference = str(seen["subject"].get("reference", ""))
    expect.that(reference.endswith(f"Patient/{found_id(found[1])}"), "subject", reference)


@TRANSACTION.must("references.narrative", "http#trules", "In extensions and narratives too")
def references_deep(site: Site) -> None:
    who = urn()
    url = "http://conformance.example/extension"
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{who}">x</a></div>'
    more: Model = {
        "extension": [{"url": url, "valueReference": {"reference": who}}],
        "text": {"status": "generated", "div": div},
    }
    found = responses(send(
        site, "transaction", entry("POST", "Patient", prepared.patient(site, "tx-deep-1"), full_url=who),
        entry("POST", "Patient", prepared.patient(site, "tx-deep-2", **more), full_url=urn()),
    ), "transaction")  # fmt: skip
    seen = site.server.get(f"/Patient/{found_id(found[1])}").resource("Patient")
    expect.that(str(seen["extension"][0]["valueReference"]["reference"]).endswith(found_id(found[0])), "it", seen)
    expect.that(who not in seen["text"]["div"], "no urn:uuid in the narrative", seen["text"]["div"])


def _observation(site: Site, number: str, subject: Model) -> Model:
    return {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": subject,
        "identifier": [{"system": site.system(), "value": site.own(number)}],
    }  # fmt: skip


@TRANSACTION.must("references.conditional", "http#trules", "A reference that is a search becomes what it finds")
def conditional_reference(site: Site) -> None:
    site.needs("Observation", "create")
    site.needs_parameters("Patient", "identifier")
    one = fresh(site, "tx-cr")
    subject = {"reference": f"Patient?{criteria(site, 'tx-cr')}"}
    found = responses(send(
        site, "transaction", entry("POST", "Observation", _observation(site, "tx-cr-o", subject), full_url=urn())
    ), "transaction")  # fmt: skip
    seen = site.server.get(f"/Observation/{found_id(found[0])}").resource("Observation")
    expect.that(str(seen["subject"]["reference"]).endswith(f"Patient/{one['id']}"), "subject", seen["subject"])


@TRANSACTION.must("references.none", "http#trules", "A reference that is a search and finds nothing, or several, fails")
def conditional_reference_none(site: Site) -> None:
    site.needs("Observation", "create")
    site.needs_parameters("Patient", "identifier")
    fresh(site, "tx-cr-2"), fresh(site, "tx-cr-2")
    for number in ("tx-cr-none", "tx-cr-2"):
        subject = {"reference": f"Patient?{criteria(site, number)}"}
        refused(send(site, "transaction", entry("POST", "Observation", _observation(site, "tx-cr-o2", subject))))


@TRANSACTION.must("if-none-exist", "http#trules, #ccreate", "ifNoneExist, and references to what was there already")
def if_none_exist(site: Site) -> None:
    site.needs_flag("Patient", "conditionalCreate")
    one, who = fresh(site, "tx-ine"), urn()
    found = responses(send(
        site, "transaction",
        entry("POST", "Patient", prepared.patient(site, "tx-ine"), full_url=who, ifNoneExist=criteria(site, "tx-ine")),
        entry("POST", "Observation", _observation(site, "tx-ine-o", {"reference": who}), full_url=urn()),
    ), "transaction")  # fmt: skip
    expect.same([200, 201], codes(found), "status")
    expect.same(1, count(site, "tx-ine"), "patients")
    seen = site.server.get(f"/Observation/{found_id(found[1])}").resource("Observation")
    expect.that(str(seen["subject"]["reference"]).endswith(f"Patient/{one['id']}"), "subject", seen["subject"])


@TRANSACTION.must("if-match", "http#trules, #concurrency", "ifMatch with another version fails the whole")
def if_match(site: Site) -> None:
    one = fresh(site, "tx-if-match", gender="male")
    refused(send(
        site, "transaction", entry("POST", "Patient", prepared.patient(site, "tx-if-match-2")),
        entry("PUT", f"Patient/{one['id']}", {**one, "gender": "female"}, ifMatch='W/"no-such-version"'),
    ))  # fmt: skip
    expect.same(0, count(site, "tx-if-match-2"), "patients")


@TRANSACTION.must("order", "http#trules", "DELETE goes before POST, POST before PUT, GET comes last")
def order(site: Site) -> None:
    site.needs_flag("Patient", "conditionalCreate")
    one, asked = fresh(site, "tx-order"), criteria(site, "tx-order")
    found = responses(send(
        site, "transaction",
        entry("GET", f"Patient?{asked}"),
        entry("POST", "Patient", prepared.patient(site, "tx-order"), full_url=urn(), ifNoneExist=asked),
        entry("DELETE", f"Patient/{one['id']}"),
    ), "transaction")  # fmt: skip
    expect.same(201, codes(found)[1], "status: deleted before it was looked for")
    expect.same([found_id(found[1])], expect.ids(found[0]["resource"].get("entry", [])), "what GET found")


@TRANSACTION.must("twice", "http#trules", "The same resource twice fails")
def twice(site: Site) -> None:
    one = fresh(site, "tx-twice", gender="male")
    refused(send(
        site, "transaction",
        entry("PUT", f"Patient/{one['id']}", {**one, "gender": "female"}),
        entry("DELETE", f"Patient/{one['id']}"),
    ))  # fmt: skip
    expect.same("male", site.server.get(f"/Patient/{one['id']}").resource().get("gender"), "gender")


@TRANSACTION.should("conditional-update", "http#trules, #cond-update", "A conditional update in a transaction")
def conditional_update(site: Site) -> None:
    site.needs_flag("Patient", "conditionalUpdate")
    one = fresh(site, "tx-cu", gender="male")
    body = prepared.patient(site, "tx-cu", gender="female")
    put = entry("PUT", f"Patient?{criteria(site, 'tx-cu')}", body)
    found = responses(send(site, "transaction", put), "transaction")
    expect.same([200], codes(found), "status")
    expect.same("female", site.server.get(f"/Patient/{one['id']}").resource().get("gender"), "gender")


@TRANSACTION.must("no-request", "bundle (bdl-3)", "An entry without a request is refused")
def no_request(site: Site) -> None:
    refused(send(site, "transaction", {"resource": prepared.patient(site, "tx-no-request")}))
    refused(send(site, "transaction", entry("POST", "Patient")))
    expect.same(0, count(site, "tx-no-request"), "patients")
