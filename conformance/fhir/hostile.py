"""What no client should send: refused with an OperationOutcome, in bounded time, and the next one is served."""

import time
from collections.abc import Callable

from conformance.fhir import expect, prepared
from conformance.fhir.server import FORM, XML, Answer, query
from conformance.fhir.suite import Page, Site
from conformance.judging import Failed

HOSTILE = Page("hostile", "Hostile requests", "http#Status-Codes, operationoutcome, security")
PATIENCE_S = 15.0


def within(ask: Callable[[], Answer]) -> Answer:
    """An answer that came in time, and no error of the server's own."""
    started = time.monotonic()
    answer = ask()
    if time.monotonic() - started > PATIENCE_S:
        raise Failed(f"{answer.request}: expected an answer within {PATIENCE_S:g} s")
    if answer.status >= 500 or answer.status < 200:
        why = f"{answer.status}{expect.reason(answer)}"
        raise Failed(f"{answer.request}: expected no error of the server's own, got {why}")
    return answer


def alive(site: Site) -> None:
    """The next client is served."""
    within(lambda: expect.status(site.server.get(f"/Patient/{site.id('peter')}"), 200))


@HOSTILE.must("deep-json", "json, RFC 8259 9", "JSON 10,000 deep is refused")
def deep_json(site: Site) -> None:
    site.needs("Patient", "create")
    inside = b'[{"url":"http://x","extension":' * 10_000 + b"[]" + b"}]" * 10_000
    deep = b'{"resourceType":"Patient","extension":' + inside + b"}"
    expect.refused(within(lambda: site.server.post("/Patient", deep)))
    expect.refused(within(lambda: site.server.post("/Patient", b"[" * 100_000)))
    alive(site)


@HOSTILE.must("entities", "security#xml (XXE), xml", "XML with a DOCTYPE or entities is refused, and none is expanded")
def entities(site: Site) -> None:
    site.needs("Patient", "create")
    bombs = [f'<!ENTITY a{one} "{f"&a{one - 1};" * 10}">' for one in range(1, 9)]
    for declared, used in (('<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;"),
                           ('<!ENTITY a0 "ha">' + "".join(bombs), "&a8;")):  # fmt: skip
        body = (f'<?xml version="1.0"?><!DOCTYPE p [{declared}]><Patient xmlns="http://hl7.org/fhir">'
                f'<name><family value="{used}"/><text value="x"/></name></Patient>').encode()  # fmt: skip
        answer = expect.refused(within(lambda body=body: site.server.post("/Patient", body, content_type=XML)))  # type: ignore[misc]
        expect.that(b"root:" not in answer.body, "no file of the server's", answer.body)
    alive(site)


@HOSTILE.must("numbers", "datatypes#decimal", "Numbers of absurd size are refused or kept, never a failure")
def numbers(site: Site) -> None:
    site.needs("Observation", "create")
    for digits in (b"1e999999999", b"9" * 5000, b"NaN", b"Infinity", b"-0.0e-99999"):
        body = (b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":'
                + digits + b"}}")  # fmt: skip
        answer = within(lambda body=body: site.server.post("/Observation", body))  # type: ignore[misc]
        if answer.status >= 400:
            expect.refused(answer)
    expect.refused(within(lambda: site.server.post("/Observation", body.replace(digits, b"NaN"))))


@HOSTILE.must("contains", "search#string", ":contains of patterns and a thousand characters finds nothing")
def contains(site: Site) -> None:
    site.needs_parameters("Patient", "name")
    for value in ("a" * 1000, "%" * 200 + "_" * 200, "(a+)+$" * 50, "\\" * 100, "[" * 500):
        answer = within(lambda value=value: site.server.get(  # type: ignore[misc]
            query("/Patient", [("name:contains", value), ("_id", site.id("peter"))])))  # fmt: skip
        if answer.status == 200:
            expect.same([], answer.resource("Bundle").get("entry", []), "entries")
        else:
            expect.refused(answer)
    alive(site)


@HOSTILE.must("long-url", "RFC 9110 15.5.15", "A URL of 60,000 characters is refused or answered")
def long_url(site: Site) -> None:
    site.needs("Patient", "search-type")
    ids = ",".join(["x" * 60] * 1000)
    answer = within(lambda: site.server.get(query("/Patient", [("_id", ids)])))
    expect.that(answer.status in (200, 400, 413, 414, 431), "200, 400, 413, 414 or 431", answer.status)
    alive(site)


@HOSTILE.must("many-parameters", "search", "A thousand parameters, a thousand values: bounded time")
def many_parameters(site: Site) -> None:
    site.needs_parameters("Patient", "gender")
    for parameters in ([("gender", "male")] * 500, [("gender", ",".join(["male"] * 2000)), ("_id", site.id("peter"))]):
        body = query("", parameters)[1:].encode()
        answer = within(lambda body=body: site.server.post("/Patient/_search", body, FORM))  # type: ignore[misc]
        if answer.status >= 400:
            expect.refused(answer)
    alive(site)


@HOSTILE.must("include-cycle", "search#include", "_include:iterate in a circle comes to an end")
def include_cycle(site: Site) -> None:
    site.needs_parameters("Organization", "partof")
    site.needs("Organization", "update")
    one, two = (prepared.created(site, {"resourceType": "Organization", "name": f"{site.tag} {n}"}) for n in "AB")
    for first, second in ((one, two), (two, one)):
        body = {**first, "partOf": {"reference": f"Organization/{second['id']}"}}
        answer = site.server.put(f"/Organization/{first['id']}", body)
        if answer.status != 200:
            expect.refused(answer)
            return
    path = f"/Organization?_id={one['id']}&_include:iterate=Organization:partof&_revinclude:iterate=Organization:partof"
    answer = within(lambda: site.server.get(path))
    if answer.status != 200:
        expect.refused(answer)
        return
    found = [each["resource"]["id"] for each in answer.resource("Bundle")["entry"]]
    expect.same(sorted([one["id"], two["id"]]), sorted(found), "each once")


@HOSTILE.must("deep-chain", "search#chaining", "A chain of a hundred steps is refused")
def deep_chain(site: Site) -> None:
    site.needs_parameters("Organization", "partof")
    path = f"/Organization?{'partof.' * 100}name=x"
    expect.refused(within(lambda: site.server.get(path)))
    alive(site)


@HOSTILE.must("path", "RFC 3986 6", "Paths that climb, and NUL in them, find nothing")
def path(site: Site) -> None:
    for wrong in ("/Patient/..%2f..%2fetc%2fpasswd", "/Patient/%00", "/Patient/a%0d%0ab", "/Patient/;id",
                  "/%2e%2e/metadata", f"/Patient/{site.id('peter')}%00", "/Patient/" + "x" * 5000):  # fmt: skip
        answer = within(lambda wrong=wrong: site.server.get(wrong))  # type: ignore[misc]
        expect.that(400 <= answer.status < 500, "4xx", answer.status)
    alive(site)


@HOSTILE.must("methods", "http", "Methods that mean nothing here are 4xx")
def methods(site: Site) -> None:
    for method, wrong in (("PUT", "/metadata"), ("DELETE", "/"), ("PATCH", "/Patient"), ("TRACE", "/Patient"),
                          ("POST", f"/Patient/{site.id('peter')}")):  # fmt: skip
        answer = within(lambda method=method, wrong=wrong: site.server.send(method, wrong))  # type: ignore[misc]
        expect.that(400 <= answer.status < 500, f"4xx for {method} {wrong}", answer.status)


@HOSTILE.must("headers", "http, RFC 9110 5.5", "Header fields that make no sense are refused or ignored")
def headers(site: Site) -> None:
    where = f"/Patient/{site.id('peter')}"
    for fields in ({"accept": "application/fhir+json;q=x;;,,"}, {"if_none_match": '"' * 500}, {"prefer": "return=;;=,"},
                   {"if_modified_since": "yesterday"}, {"x_forwarded_host": "evil.example"}):  # fmt: skip
        answer = within(lambda fields=fields: site.server.get(where, **fields))  # type: ignore[misc]
        expect.that(answer.status in (200, 304, 400, 406), "200, 304, 400 or 406", answer.status)
    site.needs("Patient", "create")
    for criteria in ("", "identifier", "&&&", "identifier=" + "x" * 10_000, "_id=a|b|c&_sort=x"):
        answer = within(lambda criteria=criteria: site.server.post(  # type: ignore[misc]
            "/Patient", prepared.patient(site, "hostile"), if_none_exist=criteria))  # fmt: skip
        if answer.status >= 400 and answer.body:
            expect.refused(answer)


@HOSTILE.must("no-trace", "security", "A refusal never shows where it broke")
def no_trace(site: Site) -> None:
    for answer in (site.server.post("/Patient", b'{"resourceType":"Patient","name":7}'),
                   site.server.get("/Patient?birthdate=x"), site.server.get("/Patient?_count=x")):  # fmt: skip
        within(lambda answer=answer: answer)  # type: ignore[misc]
        for mark in (b"Traceback", b"SELECT ", b".py\"", b"psycopg", b"java."):
            expect.that(mark not in answer.body, "no trace", answer.body[:300])
