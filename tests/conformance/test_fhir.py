"""Our server against the FHIR suite; and every check of it can fail: servers that misbehave are caught."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache

import httpx
import pytest

from conformance.fhir import prepared
from conformance.fhir.checks import CHECKS, PAGES
from conformance.fhir.matching import ROWS
from conformance.fhir.run import Result, run
from conformance.fhir.searching import RESULT
from conformance.fhir.server import Server
from conformance.fhir.suite import Check, Site
from conformance.judging import Failed, Outcome
from tests.conformance import fhir_liars, liars
from tests.server import Server as Ours

# README, "FHIR": what is left out, and what this server does the other way that the standard allows
NOT_THERE = (
    "capabilities.terminology", "update.creates-not", "formats.gzip",
    "search.sort.several",
)  # fmt: skip

# a should (search#token): identifiers compare as they are written, lest patients be mixed up
OTHERWISE = ("matching.token.doubt",)

NOWHERE = "http://liar.example/fhir"


def boastful() -> Site:
    """A site that claims all that the suite asks for, with something stored under every name."""
    kinds = ("Patient", "Observation", "Encounter", "Organization", "Practitioner", "List", "DiagnosticReport",
             "RiskAssessment", "ValueSet", "CodeSystem", "ConceptMap", "Composition")  # fmt: skip
    interactions = [{"code": one} for one in ("read", "vread", "update", "patch", "delete", "create", "search-type",
                                              "history-instance", "history-type")]  # fmt: skip
    system = [{"code": one} for one in ("transaction", "batch", "search-system", "history-system")]
    parameters = [{"name": one} for one in sorted(_parameters())]
    operations = [{"name": one} for one in (
        "validate", "everything", "meta", "meta-add", "meta-delete", "expand", "lookup", "validate-code", "subsumes",
        "translate", "document", "export", "summary", "match", "ihe-pix")]  # fmt: skip
    flags = {"conditionalCreate": True, "conditionalUpdate": True, "conditionalDelete": "single", "updateCreate": True,
             "conditionalRead": "full-support", "versioning": "versioned"}  # fmt: skip
    resources = [{"type": one, "interaction": interactions, "searchParam": parameters, **flags} for one in kinds]
    rest = {"mode": "server", "interaction": system, "resource": resources, "operation": operations}
    statement = {"resourceType": "CapabilityStatement", "format": ["json", "xml"], "rest": [rest], "kind": "instance"}
    meta = {"versionId": "1", "lastUpdated": "2026-11-29T00:00:00Z"}
    stored = {key: {"resourceType": "Patient", "id": key, "meta": meta} for key in prepared.MAKERS}
    return Site(Server(NOWHERE), statement, "liar", stored)


def _parameters() -> set[str]:
    names = {row[4].split(":")[0].split(".")[0] for row in ROWS}
    return names | set(RESULT) | {"identifier", "family", "given", "gender", "birthdate", "subject", "organization",
                                  "partof", "encounter", "name", "date", "status"}  # fmt: skip


@cache
def against(status: int, content_type: str, body: bytes) -> Mapping[str, Outcome]:
    """All checks against a server that answers everything alike."""
    server = Server(NOWHERE, transport=liars.same_answer(status, content_type, body))
    site = replace(boastful(), server=server)
    return {check.id: run(check, site).outcome for check in CHECKS}


def test_ids_are_unique_and_say_their_page_and_clause() -> None:
    ids = [check.id for check in CHECKS]
    assert len(ids) == len(set(ids)) > 300
    assert all(check.clause and check.title for check in CHECKS)
    assert {one.partition(".")[0] for one in ids} == {page.name for page in PAGES}


# these look at what is stored, or at the statement, and ask nothing
ASKS_NOTHING = ("capabilities.", "create.meta", "create.decimal", "formats.json.narrative", "update.creates-not")


def test_a_server_that_only_breaks_passes_nothing() -> None:
    found = against(500, "text/plain", b"Traceback (most recent call last):\n")
    passed = [one for one, outcome in found.items() if outcome is Outcome.PASS]
    assert [one for one in passed if not one.startswith(ASKS_NOTHING)] == []


def test_a_server_that_has_nothing_and_refuses_nothing_passes_only_where_nothing_is_right() -> None:
    found = against(200, "application/fhir+json", fhir_liars.EMPTY)
    nothing = {"search.empty", "search.injection", "search.value.invalid", "pdqm.78.none", "pdqm.119.nobody"}
    matching = {f"matching.{row[0]}" for row in ROWS if not row[6]}
    passed = {one for one, outcome in found.items() if outcome is Outcome.PASS}
    assert {one for one in passed if not one.startswith((*ASKS_NOTHING, "hostile."))} <= nothing | matching


def test_no_check_but_of_hostile_requests_takes_both_nothing_and_a_refusal() -> None:
    empty = against(200, "application/fhir+json", fhir_liars.EMPTY)
    refused = against(404, "application/fhir+json", fhir_liars.OUTCOME)
    both = {one for one in empty if empty[one] is Outcome.PASS and refused[one] is Outcome.PASS}
    assert {one for one in both if not one.startswith((*ASKS_NOTHING, "hostile."))} <= {"search.value.invalid"}


@pytest.fixture(scope="module")
def site(running_server: Ours) -> Iterator[Site]:
    """Our server, through the transport that lies use, and what is stored there."""
    server = Server(f"http://127.0.0.1:{running_server.http_port}/fhir", transport=liars.Lying(liars.nothing))
    found = prepared.site(server)
    prepared.store(found)
    yield found
    server.close()


@pytest.fixture(scope="module")
def results(site: Site) -> list[Result]:
    """What comes of all checks against our server."""
    return [run(check, site) for check in CHECKS]


def test_our_server_fails_nothing(results: list[Result]) -> None:
    failures = {one.check.id: one.message for one in results if one.outcome is Outcome.FAIL}
    assert {one: why for one, why in failures.items() if one not in OTHERWISE} == {}


def test_what_is_not_supported_is_what_the_readme_says_is_not_there(results: list[Result]) -> None:
    missing = {one.check.id: one.message for one in results if one.outcome is Outcome.NOT_SUPPORTED}
    assert {one: why for one, why in missing.items() if not any(fnmatchcase(one, it) for it in NOT_THERE)} == {}


def test_nothing_is_left_untested(results: list[Result]) -> None:
    assert [one.check.id for one in results if one.outcome is Outcome.NOT_TESTED] == []


LOOKED_AT = ("peter", "low")             # by checks that ask nothing but what is stored


def caught(honest: Site, transport: httpx.BaseTransport, checks: Iterable[Check]) -> set[str]:
    """Ids of the checks that fail where answers go through this; what is stored and stated is read through it too."""
    server = Server(str(honest.server.base), transport=transport)
    seen = {key: _seen(server, honest.stored[key]) for key in LOOKED_AT}
    site = replace(honest, server=server, stored={**honest.stored, **seen})
    try:
        described = replace(site, statement=prepared.site(server).statement)
    except Failed:
        described = replace(site, statement={})
    subjects = {"capabilities": described}
    failed = {
        check.id for check in checks
        if run(check, subjects.get(check.id.partition(".")[0], site)).outcome is Outcome.FAIL
    }  # fmt: skip
    server.close()
    return failed


def _seen(server: Server, one: dict[str, object]) -> dict[str, object]:
    try:
        seen = server.get(f"/{one['resourceType']}/{one['id']}").resource()
    except Failed:
        return one
    return {**seen, "resourceType": one["resourceType"], "id": one["id"]}


# the lie, and some of the checks that must see through it
SEEN_THROUGH: Mapping[str, tuple[str, ...]] = {
    "forgets": ("read.current", "create.created", "update.updated", "formats.json.narrative"),
    "denies nothing": ("read.unknown", "create.not-json", "update.if-match", "conditional.create.many"),
    "another id": ("read.current", "search.searchset"),
    "no entries": ("history.instance", "search.searchset", "search.include"),
    "repeats": ("history.instance", "search.searchset", "search.include.once"),
    "turns around": ("history.instance", "search.sort.up"),
    "invents": ("search.empty", "matching.token.other-system"),
    "no links": ("search.self", "search.count"),
    "tells all": ("search.unknown.lenient",),
    "no meta": ("create.meta", "vread.current"),
    "one version": ("vread.older", "update.updated"),
    "rounds": ("create.decimal", "create.unicode"),
    "no location": ("create.created",),
    "wrong headers": ("read.headers", "create.headers"),
    "never 304": ("read.conditional.etag",),
    "misdescribes": ("capabilities.metadata", "capabilities.codes", "capabilities.resources"),
    "not whole": ("create.primitive-extension", "create.contained", "formats.json.narrative"),
    "other xml": ("formats.xml",),
    "shouts": ("create.prefer.minimal", "delete.deleted"),
    "breaks": ("hostile.no-trace", "read.unknown"),
    "without query": ("search.and", "matching.token.code", "history.since"),
    "without conditions": ("update.if-match", "conditional.create.one", "read.conditional.etag"),
    "as a batch": ("transaction.atomic", "transaction.references"),
    "lazy": ("update.updated", "delete.deleted"),
    "accepts json": ("formats.xml",),
    "without modifiers": ("matching.string.exact", "matching.date.gt"),
}


@pytest.mark.slow
def test_each_lie_is_seen_through_and_each_check_sees_through_one(site: Site, results: list[Result]) -> None:
    checks = [one.check for one in results if one.outcome is Outcome.PASS]
    transports = {name: liars.Lying(lie) for name, lie in fhir_liars.ANSWERS.items()}
    transports |= {name: liars.Lying(liars.nothing, ask) for name, ask in fhir_liars.QUESTIONS.items()}
    blind = {check.id for check in checks}
    for name, transport in transports.items():
        named = set(SEEN_THROUGH.get(name, ()))
        asked = [check for check in checks if check.id in blind | named]
        found = caught(site, transport, asked)
        assert named & {check.id for check in asked} <= found, name
        blind -= found
    assert blind - ONLY_A_BROKEN_SERVER_FAILS == set()


# these let a server answer or refuse, and only ask that it does not break, hang or tell where it broke
ONLY_A_BROKEN_SERVER_FAILS = {f"hostile.{one}" for one in (
    "numbers", "contains", "long-url", "many-parameters", "include-cycle", "path", "methods", "headers",
)}  # fmt: skip
