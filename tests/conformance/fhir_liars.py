"""FHIR servers that lie: a real one whose answers, or the questions put to it, are changed on the way.

A check that no liar is caught by cannot fail, and says nothing of an honest server.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import httpx

from conformance.fhir.server import written
from tests.conformance.liars import Lie, Reply, breaks, never_304, plain_text, silent

Model = dict[str, Any]
EMPTY = b'{"resourceType":"Bundle","type":"searchset","total":0}'
OUTCOME = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}'


def _models(change: Callable[[Model], object]) -> Lie:
    """A lie about whatever resource comes in JSON."""

    def lie(reply: Reply) -> None:
        if "json" in reply.kind and reply.body.startswith(b"{"):
            found = json.loads(reply.body, parse_float=Decimal)
            change(found)
            reply.body = written(found)

    return lie


def _resources(change: Callable[[Model], object]) -> Lie:
    """A lie about each resource, those of entries too."""

    def every(found: Model) -> None:
        for one in found.get("entry", []):
            if "resource" in one:
                every(one["resource"])
        if found.get("resourceType") not in ("Bundle", "CapabilityStatement", "OperationOutcome"):
            change(found)

    return _models(every)


def _entries(change: Callable[[list[Model]], list[Model]]) -> Lie:
    def lie(found: Model) -> None:
        if found.get("resourceType") == "Bundle" and "entry" in found:
            found["entry"] = change(found["entry"])

    return _models(lie)


def denies_nothing(reply: Reply) -> None:
    """200 for every refusal."""
    if 400 <= reply.status < 500:
        reply.status, reply.body = 200, EMPTY
        reply.headers["content-type"] = "application/fhir+json"


def refuses_by_another_name(reply: Reply) -> None:
    """418 for every refusal."""
    if 400 <= reply.status < 500:
        reply.status = 418


def forgets(found: Model) -> None:
    """Leaves out what a client said."""
    for name in [one for one in found if one not in ("resourceType", "id", "meta")]:
        del found[name]


def another_id(found: Model) -> None:
    """Gives every resource the same id."""
    found["id"] = "somebody-else"


def no_meta(found: Model) -> None:
    """No version, no time, no tags."""
    found.pop("meta", None)


def one_version(found: Model) -> None:
    """Every version is the same."""
    found.setdefault("meta", {})["versionId"] = "the-one"


def rounds(reply: Reply) -> None:
    """5.4 for 5.40, and no more than ASCII."""
    if "json" in reply.kind and reply.body.startswith(b"{"):
        text = json.dumps(json.loads(reply.body), ensure_ascii=True)
        reply.body = re.sub(r"\\u[0-9a-f]{4}", "?", text).encode()


def invents(found: Model) -> None:
    """An entry where there is none."""
    if found.get("resourceType") == "Bundle" and not found.get("entry"):
        patient = {"resourceType": "Patient", "id": "invented", "meta": {"versionId": "1", "lastUpdated": "2026"}}
        found["entry"] = [{"fullUrl": "urn:x", "resource": patient, "search": {"mode": "match"},
                           "request": {"method": "PUT", "url": "x"}, "response": {"status": "200"}}]  # fmt: skip
        found["total"] = 1


def all_match(entries: list[Model]) -> list[Model]:
    """Calls what was included a match, and has no URLs."""
    for one in entries:
        if "search" in one:
            one["search"] = {"mode": "match"}
        one.pop("fullUrl", None)
    return entries


def no_answers(entries: list[Model]) -> list[Model]:
    """Says nothing of what came of an entry, nor of what was asked."""
    for one in entries:
        one.pop("response", None)
        one.pop("request", None)
    return entries


def all_well(entries: list[Model]) -> list[Model]:
    """Says that every entry was a success."""
    for one in entries:
        if "response" in one:
            one["response"] = {"status": "200 OK"}
    return entries


def no_links(found: Model) -> None:
    """Tells neither what was asked nor where the next page is, and counts one too many."""
    if found.get("resourceType") == "Bundle":
        found.pop("link", None)
        found["total"] = int(found.get("total", 0)) + 1


def tells_all(found: Model) -> None:
    """A self link that is there for everything."""
    for one in found.get("link", []):
        if one.get("relation") == "self":
            one["url"] += "&no-such-parameter=1" if "?" in one["url"] else "?no-such-parameter=1"


def misdescribes(found: Model) -> None:
    """Says of itself what is no R4."""
    if found.get("resourceType") != "CapabilityStatement":
        return
    found |= {"fhirVersion": "5.0.0", "status": "final", "format": ["pdf"], "implementation": {}}
    server = found["rest"][0]
    server["interaction"] = [{"code": "fetch"}]
    server["operation"] = [{"name": "$validate"}]
    server["resource"] = [server["resource"][0]] * 2


def not_whole(found: Model) -> None:
    """Leaves out what is beside a primitive, in a contained resource and in a narrative; nulls and empty ones."""
    for name in [one for one in found if one.startswith("_") or one in ("contained", "text", "extension")]:
        del found[name]
    found["photo"] = []


def other_xml(reply: Reply) -> None:
    """XML in no namespace, elements in the order of their names."""
    if "xml" in reply.kind:
        reply.body = reply.body.replace(b"http://hl7.org/fhir", b"http://hl7.org/other")


def poor_xml(reply: Reply) -> None:
    """XML without extensions, contained resources and half of its elements."""
    if "xml" in reply.kind:
        reply.body = re.sub(rb"<(extension|contained|text|family)\b.*?(</\1>|/>)", b"", reply.body, flags=re.S)
        reply.body = re.sub(rb'(<gender value="[^"]*"/>)(.*)(</Patient>)', rb"\2\1\3", reply.body, flags=re.S)


def shouts(reply: Reply) -> None:
    """A body where none belongs."""
    if reply.status in (200, 201, 204) and not reply.body:
        reply.body = OUTCOME


def says_204(reply: Reply) -> None:
    """No content, whatever there is."""
    if reply.status in (200, 201, 202):
        reply.status = 204


def says_200(reply: Reply) -> None:
    """200 for what was created."""
    if reply.status in (201, 202, 204):
        reply.status = 200


def says_201(reply: Reply) -> None:
    """201 for what was done."""
    if reply.status == 200 and reply.request.method != "GET":
        reply.status = 201


def other_values(found: Model) -> None:
    """Other values of operations, and no scores."""
    for one in found.get("parameter", []):
        for name in [each for each in one if each.startswith("value")]:
            one[name] = "something" if isinstance(one[name], str) else {} if isinstance(one[name], dict) else 7
    if "expansion" in found:
        found["expansion"] = {"contains": [{"code": "x"}]}
    for one in found.get("entry", []):
        one["search"] = {}
    if found.get("type") == "document":
        found["entry"].reverse()


def no_location(reply: Reply) -> None:
    """Does not say where, nor which."""
    for name in ("location", "content-location", "etag", "last-modified"):
        reply.headers.pop(name, None)


def wrong_headers(reply: Reply) -> None:
    """The version and time of something else."""
    reply.headers.update({"etag": 'W/"999"', "last-modified": "yesterday"})


ANSWERS: Mapping[str, Lie] = {
    "forgets": _resources(forgets),
    "denies nothing": denies_nothing,
    "refuses by another name": refuses_by_another_name,
    "plain text": plain_text,
    "another id": _resources(another_id),
    "no entries": _entries(lambda entries: []),
    "repeats": _entries(lambda entries: entries * 2),
    "turns around": _entries(lambda entries: entries[::-1]),
    "invents": _models(invents),
    "all match": _entries(all_match),
    "no answers": _entries(no_answers),
    "all well": _entries(all_well),
    "no links": _models(no_links),
    "tells all": _models(tells_all),
    "no meta": _resources(no_meta),
    "one version": _resources(one_version),
    "rounds": rounds,
    "silent": silent,
    "no location": no_location,
    "wrong headers": wrong_headers,
    "never 304": never_304,
    "misdescribes": _models(misdescribes),
    "not whole": _resources(not_whole),
    "other xml": other_xml,
    "poor xml": poor_xml,
    "shouts": shouts,
    "says 204": says_204,
    "says 200": says_200,
    "says 201": says_201,
    "other values": _models(other_values),
    "breaks": breaks,
}


def _asked(request: httpx.Request, **changed: Any) -> httpx.Request:
    """The same question with another URL, other headers or another body."""
    content = changed.get("content", request.read())
    fields = changed.get("headers", request.headers)
    headers = {name: value for name, value in fields.items() if name != "content-length"}
    method = changed.get("method", request.method)
    return httpx.Request(method, changed.get("url", request.url), headers=headers, content=content or None,
                         extensions=request.extensions)  # fmt: skip


def without_query(request: httpx.Request) -> httpx.Request:
    """Asks without any parameter."""
    return _asked(request, url=request.url.copy_with(query=None))


def accepts_json(request: httpx.Request) -> httpx.Request:
    """Asks for JSON, whatever was acceptable."""
    query = [one for one in request.url.query.split(b"&") if one and not one.startswith(b"_format")]
    url = request.url.copy_with(query=b"&".join(query) or None)
    return _asked(request, url=url, headers={**request.headers, "accept": "application/fhir+json"})


def without_conditions(request: httpx.Request) -> httpx.Request:
    """Asks without conditions and preferences."""
    kept = {name: value for name, value in request.headers.items() if not name.startswith(("if-", "prefer"))}
    return _asked(request, headers=kept)


def as_a_batch(request: httpx.Request) -> httpx.Request:
    """Each entry of a transaction for itself."""
    return _asked(request, content=request.read().replace(b'"transaction"', b'"batch"'))


def lazy(request: httpx.Request) -> httpx.Request:
    """Reads where it should write."""
    if request.method in ("PUT", "PATCH", "DELETE"):
        return _asked(request, method="GET", content=b"")
    return request


def without_modifiers(request: httpx.Request) -> httpx.Request:
    """Leaves modifiers and prefixes out."""
    query = re.sub(rb"(%3A|:)[a-z-]+=", b"=", request.url.query)
    query = re.sub(rb"=(gt|lt|ge|le|ne|sa|eb)(?=\d)", b"=", query)
    return _asked(request, url=request.url.copy_with(query=query or None))


def creates_anything(request: httpx.Request) -> httpx.Request:
    """Takes whatever is sent for a patient."""
    if request.method == "POST" and request.url.path.endswith(("/Patient", "/Observation", "/$validate")):
        return _asked(request, content=b'{"resourceType":"Patient","active":true}',
                      headers={**request.headers, "content-type": "application/fhir+json"},
                      url=request.url.copy_with(path=request.url.path.replace("Observation", "Patient")))  # fmt: skip
    return request


def one_page(request: httpx.Request) -> httpx.Request:
    """Everything on one page, unsorted, whole and with nothing added."""
    query = [one for one in request.url.query.split(b"&")
             if one and not one.startswith((b"_count", b"_sort", b"_summary", b"_elements", b"_include", b"_revinclude",
                                            b"_total", b"_since"))]  # fmt: skip
    return _asked(request, url=request.url.copy_with(query=b"&".join(query) or None))


QUESTIONS: Mapping[str, Callable[[httpx.Request], httpx.Request]] = {
    "without query": without_query,
    "without conditions": without_conditions,
    "as a batch": as_a_batch,
    "lazy": lazy,
    "accepts json": accepts_json,
    "without modifiers": without_modifiers,
    "creates anything": creates_anything,
    "one page": one_page,
}
