"""IHE PIXm (ITI-83, ITI-104) and PDQm (ITI-78, ITI-119), of the editions that build on FHIR R4."""

from urllib.parse import quote

from conformance.fhir import expect, prepared
from conformance.fhir.conditional import criteria
from conformance.fhir.reading import fresh
from conformance.fhir.searching import matches, search
from conformance.fhir.server import Answer, Model
from conformance.fhir.suite import Page, Site

PIXM = Page("pixm", "PIXm (ITI-83, ITI-104)", "ITI TF PIXm 2:3.83, 2:3.104")
PDQM = Page("pdqm", "PDQm (ITI-78, ITI-119)", "ITI TF PDQm 2:3.78, 2:3.119")


def pix(site: Site, value: str, *more: tuple[str, str]) -> Answer:
    """ITI-83: a query for the identifiers of whom this one names."""
    site.needs_operation("ihe-pix", "Patient")
    rest = "".join(f"&{name}={quote(text, safe='')}" for name, text in more)
    return site.server.get(f"/Patient/$ihe-pix?sourceIdentifier={quote(value, safe='')}{rest}")


def targets(answer: Answer) -> list[tuple[str, str]]:
    """System and value of the identifiers that came."""
    found = expect.status(answer, 200).resource("Parameters").get("parameter", [])
    return [(str(one["valueIdentifier"].get("system")), str(one["valueIdentifier"].get("value")))
            for one in found if one.get("name") == "targetIdentifier"]  # fmt: skip


def crossed(site: Site, number: str) -> Model:
    """A patient known in two domains, by a feed of one record."""
    other = {"system": site.system("other"), "value": site.own(f"other-{number}")}
    first = {"system": site.system(), "value": site.own(number)}
    body = prepared.patient(site, number, identifier=[first, other], name=[{"family": "Crossed"}], gender="male")
    return prepared.created(site, body)


@PIXM.must("83.found", "3.83.4.2.2.1", "The identifiers of the patient in other domains")
def pix_found(site: Site) -> None:
    site.needs_operation("ihe-pix", "Patient")
    crossed(site, "pix-1")
    found = targets(pix(site, f"{site.system()}|{site.own('pix-1')}"))
    expect.that((site.system("other"), site.own("other-pix-1")) in found, "the other identifier", found)


@PIXM.must("83.patient", "3.83.4.2.2.1", "targetId: a reference to the Patient")
def pix_patient(site: Site) -> None:
    site.needs_operation("ihe-pix", "Patient")
    one = crossed(site, "pix-2")
    found = expect.status(pix(site, f"{site.system()}|{site.own('pix-2')}"), 200).resource("Parameters")
    ids = [str(each.get("valueReference", {}).get("reference")) for each in found.get("parameter", [])
           if each.get("name") == "targetId"]  # fmt: skip
    expect.that(any(each.endswith(f"Patient/{one['id']}") for each in ids), "targetId", ids)


@PIXM.must("83.domain", "3.83.4.1.2.2", "targetSystem: identifiers of that domain alone")
def pix_domain(site: Site) -> None:
    site.needs_operation("ihe-pix", "Patient")
    crossed(site, "pix-3")
    found = targets(pix(site, f"{site.system()}|{site.own('pix-3')}", ("targetSystem", site.system("other"))))
    expect.same([(site.system("other"), site.own("other-pix-3"))], found, "identifiers")


@PIXM.must("83.unknown", "3.83.4.2.2.2", "An unknown patient is 404 with an OperationOutcome of not-found")
def pix_unknown(site: Site) -> None:
    site.needs_operation("ihe-pix", "Patient")
    crossed(site, "pix-4")
    answer = expect.refused(pix(site, f"{site.system()}|never"), 404)
    expect.that("not-found" in expect.said(answer), "the code not-found", answer.body)


@PIXM.must("83.unknown-domain", "3.83.4.2.2.3", "An unknown domain of the source is 400 with code-invalid")
def pix_unknown_domain(site: Site) -> None:
    answer = expect.refused(pix(site, "urn:oid:1.2.3.4.5.6.7.8.9|1"), 400)
    expect.that("code-invalid" in expect.said(answer), "the code code-invalid", answer.body)


@PIXM.must("83.unknown-target", "3.83.4.2.2.4", "An unknown targetSystem is 403 with code-invalid")
def pix_unknown_target(site: Site) -> None:
    site.needs_operation("ihe-pix", "Patient")
    crossed(site, "pix-5")
    answer = pix(site, f"{site.system()}|{site.own('pix-5')}", ("targetSystem", "urn:oid:1.2.3.4.5.6.7.8.9"))
    expect.refused(answer, 403)
    expect.that("code-invalid" in expect.said(answer), "the code code-invalid", answer.body)


@PIXM.must("83.missing", "3.83.4.1.2", "Without a sourceIdentifier it is refused")
def pix_missing(site: Site) -> None:
    site.needs_operation("ihe-pix", "Patient")
    expect.refused(site.server.get("/Patient/$ihe-pix"), 400, 422)


def feed(site: Site, number: str, **more: object) -> Answer:
    """ITI-104: a conditional update by the patient's identifier (3.104.4.1)."""
    site.needs_flag("Patient", "conditionalUpdate")
    body = prepared.patient(site, number, name=[{"family": "Fed", "given": ["A"]}], **more)
    return site.server.put(f"/Patient?{criteria(site, number)}", body)


def fed(site: Site, number: str) -> Model:
    """The one patient of an identifier."""
    found = matches(search(site, "Patient", ("identifier", f"{site.system()}|{site.own(number)}")))
    expect.same(1, len(found), "patients")
    resource: Model = found[0]["resource"]
    return resource


@PIXM.must("104.add", "3.104.4.1.3", "A feed of a new patient adds it")
def feed_add(site: Site) -> None:
    expect.status(feed(site, "feed-1", gender="male"), 201)
    expect.same("male", fed(site, "feed-1").get("gender"), "gender")


@PIXM.must("104.revise", "3.104.4.1.3", "A feed of a known patient revises it")
def feed_revise(site: Site) -> None:
    expect.status(feed(site, "feed-2", gender="male"), 201)
    expect.status(feed(site, "feed-2", gender="female"), 200)
    expect.same("female", fed(site, "feed-2").get("gender"), "gender")


@PIXM.must("104.merge", "3.104.4.2.2", "A merge: active false and a link replaced-by an identifier, both kept")
def feed_merge(site: Site) -> None:
    for number in ("feed-3", "feed-4"):
        expect.status(feed(site, number), 201)
    link = [{"other": {"identifier": {"system": site.system(), "value": site.own("feed-4")}}, "type": "replaced-by"}]
    expect.status(feed(site, "feed-3", active=False, link=link), 200)
    found = fed(site, "feed-3")
    expect.same((False, "replaced-by"), (found.get("active"), found.get("link", [{}])[0].get("type")), "it")


@PIXM.must("104.delete", "3.104.4.3", "A removal: a conditional delete by identifier")
def feed_delete(site: Site) -> None:
    site.needs_flag("Patient", "conditionalDelete", "single", "multiple")
    expect.status(feed(site, "feed-5"), 201)
    expect.status(site.server.delete(f"/Patient?{criteria(site, 'feed-5')}"), 200, 202, 204)
    found = search(site, "Patient", ("identifier", f"{site.system()}|{site.own('feed-5')}"))
    expect.same([], matches(found), "patients")


# PDQm 3.78.4.1.2.1: the parameters a supplier shall support
DEMOGRAPHICS = (
    ("_id", "{id}"), ("active", "true"), ("family", "Chalmers"), ("family:exact", "Chalmers"), ("given", "james"),
    ("identifier", "{system}|A1"), ("telecom", "p.heuvel@example.org"), ("birthdate", "1974-12-25"),
    ("address", "Pleasant"), ("address-city", "PleasantVille"), ("address-postalcode", "3999"), ("gender", "male"),
    ("mothersMaidenName", "Vanderzee"),
)  # fmt: skip


def _demographic(name: str, value: str) -> None:
    @PDQM.must(f"78.{name.replace(':', '.')}", "3.78.4.1.2.1", f"By {name}")
    def by(site: Site) -> None:
        text = value.format(id=site.id("peter"), system=site.system())
        found = search(site, "Patient", (name, text), among=["peter", "late"])
        expect.same([site.id("peter")], expect.ids(matches(found)), "patients")


for _one in DEMOGRAPHICS:
    _demographic(*_one)


@PDQM.must("78.system", "3.78.4.1.2.3", "identifier=[system]|: patients with an identifier of that domain")
def demographics_domain(site: Site) -> None:
    found = search(site, "Patient", ("identifier", f"{site.system('other')}|"), among=prepared.PATIENTS)
    expect.same([site.id("peter")], expect.ids(matches(found)), "patients")


@PDQM.must("78.none", "3.78.4.1.3 case 3", "Nobody found is 200 with an empty Bundle")
def demographics_none(site: Site) -> None:
    found = search(site, "Patient", ("identifier", f"{site.system()}|nobody"))
    expect.same([], found.get("entry", []), "entries")


@PDQM.must("78.retrieve", "3.78.4.3", "A read by the id that was found")
def demographics_read(site: Site) -> None:
    found = matches(search(site, "Patient", ("identifier", f"{site.system()}|A1")))
    one = expect.status(site.server.get(f"/Patient/{found[0]['resource']['id']}"), 200).resource("Patient")
    values = [each.get("value") for each in one["identifier"] if each.get("system") == site.system()]
    expect.same(["A1"], values, "identifiers")


def match(site: Site, resource: Model, **more: object) -> list[Model]:
    """ITI-119: candidates of $match."""
    site.needs_operation("match", "Patient")
    given: list[Model] = [{"name": "resource", "resource": resource}]
    for name, value in more.items():
        given.append({"name": name, "valueBoolean" if isinstance(value, bool) else "valueInteger": value})
    answer = site.server.post("/Patient/$match", {"resourceType": "Parameters", "parameter": given})
    found = expect.status(answer, 200).resource("Bundle")
    expect.same("searchset", found.get("type"), "Bundle.type")
    entries: list[Model] = [one for one in found.get("entry", []) if one["resource"]["resourceType"] == "Patient"]
    return entries


def _rare(site: Site, number: str) -> Model:
    """A patient that nobody else is like."""
    return fresh(
        site, number, gender="male", birthDate="1931-07-13",
        name=[{"family": site.own(f"Quux{site.tag}"), "given": [site.own(f"Zebulon{site.tag}")]}],
    )  # fmt: skip


@PDQM.must("119.match", "3.119.4.2.2, patient-operation-match", "$match: candidates with a score, the best first")
def matched(site: Site) -> None:
    site.needs_operation("match", "Patient")
    one = _rare(site, "match-1")
    asked = {name: value for name, value in one.items() if name in ("resourceType", "name", "birthDate", "gender")}
    found = match(site, asked)
    expect.that(str(one["id"]) in expect.ids(found), "the patient", expect.ids(found))
    scores = [each.get("search", {}).get("score") for each in found]
    expect.that(all(each is not None for each in scores), "a score each", scores)
    numbers = [float(each) for each in scores]
    expect.that(all(0 <= each <= 1 for each in numbers), "scores from 0 to 1", scores)
    expect.that(numbers == sorted(numbers, reverse=True), "the best first", numbers)


@PDQM.must("119.grade", "3.119.4.2.2.2", "match-grade of each: certain, probable, possible or certainly-not")
def graded(site: Site) -> None:
    site.needs_operation("match", "Patient")
    one = _rare(site, "match-2")
    asked = {name: one[name] for name in ("resourceType", "name", "birthDate", "gender", "identifier")}
    found = match(site, asked)
    expect.that(bool(found), "a candidate", found)
    for each in found:
        grades = [it.get("valueCode") for it in each.get("search", {}).get("extension", [])
                  if it.get("url") == "http://hl7.org/fhir/StructureDefinition/match-grade"]  # fmt: skip
        expect.that(grades and set(grades) <= {"certain", "probable", "possible", "certainly-not"}, "a grade", each)


@PDQM.must("119.count", "patient-operation-match", "count is the most that come")
def match_count(site: Site) -> None:
    site.needs_operation("match", "Patient")
    first = _rare(site, "match-3")
    _rare(site, "match-4")
    asked = {name: first[name] for name in ("resourceType", "name", "birthDate", "gender")}
    expect.same(1, len(match(site, asked, count=1)), "candidates")


@PDQM.must("119.nobody", "patient-operation-match", "Somebody whom nobody is like has no certain match")
def match_nobody(site: Site) -> None:
    site.needs_operation("match", "Patient")
    name = [{"family": f"Xyzzy{site.tag}", "given": [f"Plugh{site.tag}"]}]
    asked: Model = {"resourceType": "Patient", "name": name, "birthDate": "1899-01-01", "gender": "other"}
    expect.same([], match(site, asked, onlyCertainMatches=True), "candidates")


@PDQM.must("119.nothing", "patient-operation-match", "$match without a resource is refused")
def match_nothing(site: Site) -> None:
    site.needs_operation("match", "Patient")
    expect.refused(site.server.post("/Patient/$match", {"resourceType": "Parameters"}), 400, 422)
