"""Search: requests, answers and pages (FHIR R4 search, http#search, http#paging)."""

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, urlsplit

from conformance.fhir import expect, prepared
from conformance.fhir.reading import fresh, subsetted, whole
from conformance.fhir.server import FORM, Answer, Model, query
from conformance.fhir.suite import Page, Site
from conformance.judging import NotSupported

SEARCH = Page("search", "Search", "search")


def bundle(answer: Answer) -> Model:
    """The searchset. Raises NotSupported for a refusal that says so."""
    found = expect.offered(answer, 200).resource("Bundle")
    expect.same("searchset", found.get("type"), "Bundle.type")
    return found


def matches(found: Model) -> list[Model]:
    """Entries that matched (FHIR R4 bundle#search)."""
    return [one for one in found.get("entry", []) if one.get("search", {}).get("mode", "match") == "match"]


def included(found: Model) -> set[str]:
    """Type and id of entries that were included."""
    return {
        f"{one['resource']['resourceType']}/{one['resource']['id']}"
        for one in found.get("entry", []) if one.get("search", {}).get("mode") == "include"
    }  # fmt: skip


def search(site: Site, kind: str, *parameters: tuple[str, str], among: Iterable[str] = ()) -> Model:
    """A searchset; `among`: what is prepared under these names alone."""
    known = (("_id", ",".join(site.id(one) for one in among)),) if among else ()
    needed = {name.split(":")[0].split(".")[0] for name, _ in (*parameters, *known)}
    site.needs_parameters(kind, *(one for one in needed if one not in RESULT and one != "_has"))
    found = bundle(site.server.get(query(f"/{kind}", (*parameters, *known))))
    ignored = {name.split(":")[0] for name, _ in parameters} - applied(found)
    if expect.link(found, "self") and ignored & RESULT:
        raise NotSupported(f"not in the self link, so ignored: {', '.join(sorted(ignored & RESULT))}")
    return found


def applied(found: Model) -> set[str]:
    """Names in the self link: what a server did not apply is not there (FHIR R4 search#conformance)."""
    asked = urlsplit(expect.link(found, "self")).query
    return {name.split(":")[0] for name, _ in parse_qsl(asked, keep_blank_values=True)}


# they say how results are given, and are not listed as searchParam by every server (FHIR R4 search#return)
RESULT = {"_sort", "_count", "_include", "_revinclude", "_summary", "_total", "_elements", "_contained", "_id",
          "_containedType", "_format", "_type", "_list", "_text", "_content", "_lastUpdated", "_tag", "_profile",
          "_security", "_source", "_filter"}  # fmt: skip


def pages(site: Site, found: Model, most: int = 30) -> list[Model]:
    """Entries that matched on all pages."""
    entries = matches(found)
    for _ in range(most):
        following = expect.link(found, "next")
        if not following:
            return entries
        found = bundle(site.server.get(following))
        entries += matches(found)
    return entries


@SEARCH.must("searchset", "http#search, bundle#searchset", "A Bundle of type searchset, each entry with its URL")
def searchset(site: Site) -> None:
    found = search(site, "Patient", among=prepared.PATIENTS)
    expect.same(sorted(site.ids(prepared.PATIENTS)), sorted(expect.ids(matches(found))), "patients")
    for one in found["entry"]:
        expect.that(str(one.get("fullUrl", "")).endswith(f"Patient/{one['resource']['id']}"), "fullUrl", one)
        expect.same("match", one.get("search", {}).get("mode"), "search.mode")


@SEARCH.must("post", "http#search", "POST [type]/_search answers as GET does")
def by_post(site: Site) -> None:
    site.needs("Patient", "search-type")
    body = query("", [("_id", ",".join(sorted(site.ids(("peter", "petra")))))])[1:].encode()
    found = bundle(site.server.post("/Patient/_search", body, content_type=FORM))
    expect.same(sorted(site.ids(("peter", "petra"))), sorted(expect.ids(matches(found))), "patients")


@SEARCH.must("post.both", "http#search", "POST takes parameters of the URL and of the body together")
def by_post_both(site: Site) -> None:
    site.needs_parameters("Patient", "gender")
    body = query("", [("_id", ",".join(sorted(site.ids(prepared.PATIENTS))))])[1:].encode()
    found = bundle(site.server.post("/Patient/_search?gender=female", body, content_type=FORM))
    expect.same(sorted(site.ids(["petra"])), sorted(expect.ids(matches(found))), "patients")


@SEARCH.must("empty", "http#search", "Nothing found is 200 with an empty searchset")
def empty(site: Site) -> None:
    found = search(site, "Patient", ("identifier", f"{site.system()}|never"))
    expect.same(([], 0), (found.get("entry", []), found.get("total", 0)), "entry and total")


@SEARCH.must("self", "search#conformance", "The self link tells the parameters that were applied")
def self_link(site: Site) -> None:
    found = search(site, "Patient", ("gender", "male"), among=prepared.PATIENTS)
    url = expect.link(found, "self")
    expect.that("gender=male" in url and "_id=" in url, "gender and _id in self", url)
    again = bundle(site.server.get(url))
    expect.same(expect.ids(matches(found)), expect.ids(matches(again)), "the same when asked for")


@SEARCH.must("unknown.lenient", "search#errors", "An unknown parameter is ignored, and not in self, or refused")
def unknown(site: Site) -> None:
    site.needs("Patient", "search-type")
    answer = site.server.get(f"/Patient?_id={site.id('peter')}&no-such-parameter=1", prefer="handling=lenient")
    if answer.status >= 400:
        expect.refused(answer, 400)
        return
    found = bundle(answer)
    expect.same([site.id("peter")], expect.ids(matches(found)), "ids")
    url = expect.link(found, "self")
    expect.that("no-such-parameter" not in url, "a self link without it", url)


@SEARCH.should("unknown.strict", "search#errors", "Prefer: handling=strict refuses an unknown parameter with 400")
def strict(site: Site) -> None:
    site.needs("Patient", "search-type")
    expect.refused(site.server.get("/Patient?no-such-parameter=1", prefer="handling=strict"), 400)


@SEARCH.must("modifier.unknown", "search#modifiers", "A modifier that is none for the parameter is refused")
def modifier(site: Site) -> None:
    site.needs_parameters("Patient", "gender", "birthdate", "family")
    for wrong in ("gender:nonsense=male", "birthdate:exact=1974", "family:above=x"):
        expect.refused(site.server.get(f"/Patient?{wrong}"), 400, 422)


@SEARCH.must("value.invalid", "search#errors", "A value that is none for its type is refused, or matches nothing")
def invalid_value(site: Site) -> None:
    site.needs_parameters("Patient", "birthdate")
    for wrong in ("birthdate=yesterday", "birthdate=1974-13-45", "birthdate=ge"):
        answer = site.server.get(f"/Patient?_id={site.id('peter')}&{wrong}")
        if answer.status == 200:
            expect.same([], expect.ids(matches(bundle(answer))), f"nothing for {wrong}:")
        else:
            expect.refused(answer, 400, 422)


@SEARCH.must("and", "search#combining", "Different parameters, and one repeated, mean and")
def both(site: Site) -> None:
    found = search(site, "Patient", ("gender", "male"), ("family", "chalmers"), among=prepared.PATIENTS)
    expect.same(sorted(site.ids(["peter"])), sorted(expect.ids(matches(found))), "patients")
    found = search(site, "Patient", ("given", "péter"), ("given", "james"), among=prepared.PATIENTS)
    expect.same(sorted(site.ids(["peter"])), sorted(expect.ids(matches(found))), "patients")
    found = search(site, "Patient", ("given", "péter"), ("given", "petra"), among=prepared.PATIENTS)
    expect.same([], expect.ids(matches(found)), "nobody of both names:")


@SEARCH.must("or", "search#combining", "Values with a comma between them mean or")
def either(site: Site) -> None:
    found = search(site, "Patient", ("given", "james,petra"), among=prepared.PATIENTS)
    expect.same(sorted(site.ids(["peter", "petra"])), sorted(expect.ids(matches(found))), "patients")


@SEARCH.must("escape", r"search#escaping", r"\, \| and \$ are the characters themselves")
def escape(site: Site) -> None:
    value = rf"{site.system()}|B\,1\|\$x"
    expect.same([site.id("zhang")], expect.ids(matches(search(site, "Patient", ("identifier", value)))), "patients")


@SEARCH.must("fresh", "search", "What was just written is found at once, as it is now, and not as it was")
def consistency(site: Site) -> None:
    one = fresh(site, "search-fresh", gender="male")
    who = f"{site.system()}|{site.own('search-fresh')}"
    found = matches(search(site, "Patient", ("identifier", who), ("gender", "male")))
    expect.same([one["id"]], expect.ids(found), "ids")
    site.needs("Patient", "update")
    expect.status(site.server.put(f"/Patient/{one['id']}", {**one, "gender": "other"}), 200)
    expect.same([], expect.ids(matches(search(site, "Patient", ("identifier", who), ("gender", "male")))), "ids")
    found = matches(search(site, "Patient", ("identifier", who), ("gender", "other")))
    expect.same("other", found[0]["resource"]["gender"] if found else None, "gender")


def count(site: Site, kind: str, *parameters: tuple[str, str], among: Sequence[str]) -> list[str]:
    """Ids in the order of the answer."""
    return expect.ids(matches(search(site, kind, *parameters, among=among)))


@SEARCH.must("count", "search#count", "_count is the most of a page; next leads through all of them, each once")
def paging(site: Site) -> None:
    found = search(site, "Patient", ("_count", "1"), among=prepared.PATIENTS)
    expect.same(1, len(matches(found)), "entries")
    all_of_them = expect.ids(pages(site, found))
    expect.same(sorted(site.ids(prepared.PATIENTS)), sorted(all_of_them), "patients of all pages")


@SEARCH.must("count.zero", "search#count", "_count=0 is as _summary=count")
def count_zero(site: Site) -> None:
    found = search(site, "Patient", ("_count", "0"), among=prepared.PATIENTS)
    expect.same((4, []), (found.get("total"), found.get("entry", [])), "total and entry")


@SEARCH.must("count.invalid", "search#count", "A _count that is none is refused; a huge one is cut down")
def count_invalid(site: Site) -> None:
    site.needs("Patient", "search-type")
    answer = site.server.get(f"/Patient?_id={site.id('peter')}&_count=1000000000")
    expect.same([site.id("peter")], expect.ids(matches(bundle(answer))), "ids")
    for wrong in ("x", "-1"):
        answer = site.server.get(f"/Patient?_id={site.id('peter')}&_count={wrong}")
        if answer.status != 200:
            expect.refused(answer, 400, 422)


@SEARCH.should("paging.stable", "http#paging", "A page asked for twice is the same, whatever is written in between")
def stable(site: Site) -> None:
    family = site.own(f"Stable{site.tag}")
    site.needs_parameters("Patient", "family")
    for number in range(5):
        fresh(site, f"stable-{number}", name=[{"family": family, "given": [f"N{number}"]}])
    first = search(site, "Patient", ("family", family), ("_count", "2"), ("_sort", "given"))
    following = expect.link(first, "next")
    expect.that(following, "a next link", first.get("link"))
    before = expect.ids(matches(bundle(site.server.get(following))))
    fresh(site, "stable-new", name=[{"family": family, "given": ["A"]}])
    expect.same(before, expect.ids(matches(bundle(site.server.get(following)))), "ids")


@SEARCH.should("total", "search#total", "_total=accurate counts all pages; none need not")
def total(site: Site) -> None:
    found = search(site, "Patient", ("_total", "accurate"), ("_count", "1"), among=prepared.PATIENTS)
    expect.same(4, found.get("total"), "total")


@SEARCH.must("total.truth", "search#total, bundle#total", "A total counts matches, not what is included")
def total_truth(site: Site) -> None:
    site.needs_parameters("Observation", "subject")
    found = search(site, "Observation", ("_include", "Observation:subject"), among=prepared.OBSERVATIONS)
    if "total" not in found:
        raise NotSupported("no total")
    expect.same(5, found["total"], "total")


@SEARCH.must("summary.count", "search#summary", "_summary=count: a total and no entries")
def summary_count(site: Site) -> None:
    found = search(site, "Patient", ("_summary", "count"), among=prepared.PATIENTS)
    expect.same((4, []), (found.get("total"), found.get("entry", [])), "total and entry")


@SEARCH.should("summary.true", "search#summary", "_summary=true: summary elements, SUBSETTED")
def summary_true(site: Site) -> None:
    found = matches(search(site, "Patient", ("_summary", "true"), among=["peter"]))[0]["resource"]
    whole(found)
    expect.that({"identifier", "name", "gender"} <= set(found) and "text" not in found, "a summary", sorted(found))
    expect.that(subsetted(found), "meta.tag SUBSETTED", found.get("meta"))


@SEARCH.should("summary.data", "search#summary", "_summary=data: everything but the narrative")
def summary_data(site: Site) -> None:
    found = matches(search(site, "Patient", ("_summary", "data"), among=["peter"]))[0]["resource"]
    whole(found)
    expect.that({"address", "name"} <= set(found) and "text" not in found, "all but text", sorted(found))


@SEARCH.should("elements", "search#elements", "_elements: those and mandatory ones, SUBSETTED")
def elements(site: Site) -> None:
    found = matches(search(site, "Observation", ("_elements", "valueQuantity,value"), among=["low"]))[0]["resource"]
    expect.that({"status", "code"} <= set(found) and "category" not in found, "mandatory ones too", sorted(found))
    expect.that(subsetted(found), "meta.tag SUBSETTED", found.get("meta"))


@SEARCH.must("sort.up", "search#sort", "_sort, ascending")
def sort_up(site: Site) -> None:
    order = ["low", "high"]
    found = count(site, "Observation", ("_sort", "date"), among=order)
    expect.same([site.id(one) for one in order], found, "ids")


@SEARCH.must("sort.down", "search#sort", "_sort with a minus, descending")
def sort_down(site: Site) -> None:
    found = count(site, "Observation", ("_sort", "-date"), among=["low", "high"])
    expect.same([site.id("high"), site.id("low")], found, "ids")


@SEARCH.should("sort.several", "search#sort", "Several keys, one after the other")
def sort_several(site: Site) -> None:
    found = count(site, "Observation", ("_sort", "status,-date"), among=["low", "high"])
    expect.same([site.id("high"), site.id("low")], found, "ids")


@SEARCH.should("sort.string", "search#sort", "Sorting by text does not mind case and accents")
def sort_string(site: Site) -> None:
    order = ["peter", "petra", "late"]
    found = count(site, "Patient", ("_sort", "family"), among=order)
    expect.same([site.id(one) for one in order], found, "ids")


@SEARCH.must("sort.missing", "search#sort", "What has no value to sort by is in the answer all the same")
def sort_missing(site: Site) -> None:
    for way in ("birthdate", "-birthdate"):
        found = count(site, "Patient", ("_sort", way), among=prepared.PATIENTS)
        expect.same(sorted(site.ids(prepared.PATIENTS)), sorted(found), "ids")


@SEARCH.must("sort.unknown", "search#sort, search#errors", "A key that is none is refused or ignored, and not in self")
def sort_unknown(site: Site) -> None:
    site.needs("Patient", "search-type")
    answer = site.server.get(f"/Patient?_id={site.id('peter')}&_sort=no-such-parameter")
    if answer.status == 200:
        url = expect.link(bundle(answer), "self")
        expect.that(url and "no-such-parameter" not in url, "a self link without it", url)
    else:
        expect.refused(answer, 400)


@SEARCH.must("include", "search#include", "_include adds what a match refers to, as include")
def include(site: Site) -> None:
    site.needs_parameters("Observation", "subject", "encounter")
    found = search(site, "Observation", ("_include", "Observation:subject"), among=["low", "coded"])
    expect.same({site.reference("peter"), site.reference("petra")}, included(found), "included")
    expect.same(sorted(site.ids(["low", "coded"])), sorted(expect.ids(matches(found))), "matches")


@SEARCH.must("include.type", "search#include", "_include with a target type takes that type alone")
def include_type(site: Site) -> None:
    site.needs_parameters("Observation", "subject")
    found = search(site, "Observation", ("_include", "Observation:subject:Group"), among=["low"])
    expect.same(set(), included(found), "included")
    found = search(site, "Observation", ("_include", "Observation:subject:Patient"), among=["low"])
    expect.same({site.reference("peter")}, included(found), "included")


@SEARCH.must("include.once", "search#include", "What several matches refer to is included once")
def include_once(site: Site) -> None:
    site.needs_parameters("Observation", "subject")
    found = search(site, "Observation", ("_include", "Observation:subject"), among=["low", "high"])
    references = [one for one in found["entry"] if one.get("search", {}).get("mode") == "include"]
    expect.same(1, len(references), "included")


@SEARCH.must("revinclude", "search#revinclude", "_revinclude adds what refers to a match")
def revinclude(site: Site) -> None:
    site.needs_parameters("Encounter", "subject")
    found = search(site, "Patient", ("_revinclude", "Encounter:subject"), among=["peter", "petra"])
    expect.same({site.reference("visit")}, included(found), "included")


@SEARCH.should("include.iterate", "search#include", "_include:iterate goes on from what was included")
def iterate(site: Site) -> None:
    site.needs_parameters("Patient", "organization")
    site.needs_parameters("Organization", "partof")
    parameters = [("_include", "Observation:subject"), ("_include:iterate", "Patient:organization"),
                  ("_include:iterate", "Organization:partof")]  # fmt: skip
    found = search(site, "Observation", *parameters, among=["low"])
    wanted = {site.reference(one) for one in ("peter", "clinic", "hospital")}
    expect.same(wanted, included(found), "included")


@SEARCH.must("include.no-iterate", "search#include", "_include without :iterate does not go on")
def no_iterate(site: Site) -> None:
    site.needs_parameters("Observation", "subject")
    site.needs_parameters("Patient", "organization")
    parameters = [("_include", "Observation:subject"), ("_include", "Patient:organization")]
    found = search(site, "Observation", *parameters, among=["low"])
    expect.same({site.reference("peter")}, included(found), "included")


@SEARCH.should("system", "http#vsearch", "GET [base]?_type= searches several types")
def system(site: Site) -> None:
    site.needs_system("search-system")
    ids = ",".join(sorted(site.ids(["peter", "low"])))
    found = bundle(site.server.get(f"?_type=Patient,Observation&_id={ids}"))
    expect.same(sorted(site.ids(["peter", "low"])), sorted(expect.ids(matches(found))), "ids")


@SEARCH.should("compartment", "http#vsearch, compartmentdefinition", "A compartment holds what is about its patient")
def compartment(site: Site) -> None:
    site.needs("Observation", "search-type")
    answer = site.server.get(query(f"/Patient/{site.id('peter')}/Observation", [("_count", "50")]))
    expect.offered(answer, 200)
    expect.same(sorted(site.ids(["low", "high"])), sorted(expect.ids(pages(site, bundle(answer)))), "ids")


@SEARCH.should("compartment.all", "http#vsearch", "A compartment of every type")
def compartment_all(site: Site) -> None:
    answer = site.server.get(query(f"/Patient/{site.id('peter')}/*", [("_count", "50")]))
    found = set(expect.ids(pages(site, bundle(expect.offered(answer, 200)))))
    expect.that(site.ids(["low", "high", "visit", "report"]) <= found, "what is about them", found)
    expect.that(not site.ids(["coded", "petra"]) & found, "nothing about others", found)


@SEARCH.should("last-updated", "search#lastUpdated", "_lastUpdated with prefixes")
def last_updated(site: Site) -> None:
    when = str(site.resource("peter")["meta"]["lastUpdated"])

    def ask(value: str) -> list[str]:
        return count(site, "Patient", ("_lastUpdated", value), among=prepared.PATIENTS)

    expect.that(site.id("peter") in ask(f"ge{when}"), "ge", "not found")
    expect.same([], ask("lt2001-01-01"), "nothing before 2001:")
    expect.same(4, len(ask("gt2001-01-01")), "patients since 2001")


@SEARCH.should("list", "search#list", "_list: what a List names")
def in_list(site: Site) -> None:
    found = search(site, "Patient", ("_list", site.id("list")), among=prepared.PATIENTS)
    expect.same(sorted(site.ids(["peter", "zhang"])), sorted(expect.ids(matches(found))), "ids")


@SEARCH.must("injection", "security#http", "Quotes, wildcards and SQL are characters like others")
def injection(site: Site) -> None:
    site.needs_parameters("Patient", "family", "identifier")
    for value in ("' OR '1'='1", "%", "_", "Chal%", "'); --", "\x01", ".*"):
        found = search(site, "Patient", ("family", value), among=prepared.PATIENTS)
        expect.same([], expect.ids(matches(found)), f"nobody for {value!r}:")
