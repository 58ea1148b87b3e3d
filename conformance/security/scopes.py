"""SMART App Launch 2.2, scopes-and-launch-context: what a scope opens, and what it does not."""

from conformance.fhir import expect
from conformance.fhir.server import Answer
from conformance.judging import Failed, NotSupported, NotTested
from conformance.security.prepared import TAG_SYSTEM, category_of, observation, patient
from conformance.security.suite import Page, Site, document

SCOPES = Page("scopes", "SMART App Launch 2.2: scopes")

V2 = "scopes-and-launch-context#scopes-for-requesting-fhir-resources"
V1 = f"{V2}-smart-v1"
CONTEXT = "scopes-and-launch-context#scopes-for-requesting-context-data"
GRANULAR = "scopes-and-launch-context#finer-grained-resource-constraints-using-search-parameters"


def scoped(site: Site, scope: str) -> str:
    """A token of the client's with this scope. Raises NotSupported where none is given."""
    site.needs_client()
    try:
        found = site.token_of(scope)
    except Failed as error:
        raise NotSupported(f"no token with the scope {scope}: {error}") from error
    if set(str(found.get("scope", scope)).split()) != set(scope.split()):
        raise NotSupported(f"{scope} is given as {found.get('scope')}")
    return str(found["access_token"])


def forbidden(answer: Answer) -> None:
    """Raises Failed unless it is refused for its scope (RFC 6750 3.1), or as if there were nothing."""
    expect.status(answer, 401, 403, 404)


@SCOPES.must("type", V2, "A scope opens the type it names alone")
def by_type(site: Site) -> None:
    bearer = site.with_token(scoped(site, "system/Patient.rs"))
    expect.status(bearer.get(f"/Patient/{site.of('patient')['id']}"), 200)
    expect.status(bearer.get(f"/Patient?_id={site.of('patient')['id']}"), 200)
    forbidden(bearer.get(f"/Observation/{site.of('laboratory')['id']}"))
    answer = bearer.get(f"/Observation?_id={site.of('laboratory')['id']}")
    expect.that(answer.status in (401, 403) or not answer.resource("Bundle").get("entry"), "nothing", answer.body[:200])


@SCOPES.must("write", V2, "A scope to read does not let write")
def to_write(site: Site) -> None:
    bearer = site.with_token(scoped(site, "system/Patient.rs"))
    forbidden(bearer.post("/Patient", patient(site.tag)))
    field = f"Bearer {bearer.token}"
    path = f"/Patient/{site.of('patient')['id']}"
    forbidden(site.nobody.put(path, site.of("patient"), authorization=field))
    forbidden(site.nobody.delete(path, authorization=field))
    entry = {"resource": patient(site.tag), "request": {"method": "POST", "url": "Patient"}}
    answer = bearer.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    if answer.status == 200:
        got = str(answer.resource("Bundle")["entry"][0].get("response", {}).get("status", ""))
        expect.that(got[:1] == "4", "a refusal in the batch", got)
    else:
        forbidden(answer)


@SCOPES.must("letters", V2, "Reading and searching are two scopes")
def by_letters(site: Site) -> None:
    path, search = f"/Patient/{site.of('patient')['id']}", f"/Patient?_id={site.of('patient')['id']}"
    reader, searcher = (site.with_token(scoped(site, f"system/Patient.{letter}")) for letter in "rs")
    expect.status(reader.get(path), 200)
    forbidden(reader.get(search))
    expect.status(searcher.get(search), 200)
    forbidden(searcher.get(path))


@SCOPES.must("detour", "scopes-and-launch-context", "Nothing of another type comes by include, chain or reverse chain")
def by_detours(site: Site) -> None:
    bearer = site.with_token(scoped(site, "system/Patient.rs"))
    one = site.of("patient")["id"]
    for query in (f"_id={one}&_revinclude=Observation:subject", f"_id={one}&_revinclude=*"):
        answer = bearer.get(f"/Patient?{query}")
        if answer.status not in (400, 401, 403, 404):
            kinds = {each["resource"]["resourceType"] for each in expect.status(answer, 200).resource()["entry"]}
            expect.that(kinds <= {"Patient", "OperationOutcome"}, "patients alone", kinds)
    answer = bearer.get(f"/Patient/{one}/$everything")
    if answer.status == 200:
        kinds = {each["resource"]["resourceType"] for each in answer.resource("Bundle").get("entry", [])}
        expect.that(kinds <= {"Patient", "OperationOutcome"}, "patients alone", kinds)


@SCOPES.must("v1", V1, "Scopes of version 1 count as told")
def version_1(site: Site) -> None:
    if "permission-v1" not in site.smart.get("capabilities", []):
        raise NotSupported("permission-v1 is not offered")
    bearer = site.with_token(scoped(site, "system/Patient.read"))
    expect.status(bearer.get(f"/Patient/{site.of('patient')['id']}"), 200)
    forbidden(bearer.post("/Patient", patient(site.tag)))


@SCOPES.must("granular", GRANULAR, "A scope with a search opens what fulfils it, and nothing beside")
def granular(site: Site) -> None:
    wanted, other = site.of("laboratory"), site.of("vital")
    bearer = site.with_token(scoped(site, f"system/Observation.rs?category={category_of(wanted)}"))
    answer = bearer.get(f"/Observation?_tag={TAG_SYSTEM}|{site.tag}")
    if answer.status not in (401, 403):
        found = {one["resource"]["id"] for one in expect.status(answer, 200).resource("Bundle").get("entry", [])}
        expect.that(other["id"] not in found, "only what fulfils the search", found)
    forbidden(bearer.get(f"/Observation/{other['id']}"))
    forbidden(bearer.post("/Observation", observation(site.tag, site.of("patient"), "vital-signs")))
    if bearer.get(f"/Observation/{wanted['id']}").status in (401, 403, 404):
        raise NotSupported("a scope with a search is given, and opens nothing")


@SCOPES.must("launch", CONTEXT, "A program for itself is given no scopes of people")
def of_people(site: Site) -> None:
    client = site.needs_client()
    told = {"grant_type": "client_credentials", "scope": "user/*.cruds patient/*.rs launch/patient openid"}
    answer = site.post_form(site.end_point("token_endpoint"), told, authorization=client.basic)
    if answer.status == 200:
        raise Failed(f"expected no such token, got one for {document(answer).get('scope', '')}")
    if answer.status not in (400, 401):
        raise NotTested(f"{answer.status}")
