"""FHIR over HTTP: formats, parts, codings, bounds and failures (http://hl7.org/fhir/R4/http.html)."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from fhir.http.app import FhirApp
from fhir.interaction.services import nothing_wrong
from pacsd.faults import Fault, PacsdError
from tests.fhir.house import BASE, JSON, House, issue, patient

XML = "application/fhir+xml"


def test_the_client_says_how_it_is_answered(house: House) -> None:
    house.put("Patient/p", patient(id="p", gender="male"))
    for told in ({"accept": XML}, {"accept": "text/xml"}, {"accept": f"{JSON};q=0.5, {XML};q=0.9"}):
        answer = house.get("Patient/p", **told)
        assert answer.headers["content-type"] == f"{XML};charset=utf-8" and answer.text.startswith("<"), told
    for query in ("_format=xml", "_format=application/fhir%2Bxml", "_format=application/fhir+xml"):
        assert house.get(f"Patient/p?{query}", accept=JSON).headers["content-type"].startswith(XML), query
    for accept in ("*/*", "application/json", "application/*;q=0.1", f"text/html, {JSON}"):
        assert house.get("Patient/p", accept=accept).headers["content-type"] == f"{JSON};charset=utf-8", accept
    assert house.get("Patient/p?_pretty=true").text.startswith('{\n  "resourceType"')
    for refused in (house.get("Patient/p", accept="image/png"), house.get("Patient/p?_format=turtle")):
        assert issue(refused) == (406, "not-supported")


def test_xml_is_kept_as_json_is(house: House) -> None:
    house.put("Patient/p", patient(id="p", name=[{"family": "王"}]))
    text = house.get("Patient/p", accept=XML).content
    made = house.request("PUT", "Patient/p", text.replace("王".encode(), "李".encode()), content_type=XML, accept=XML)
    assert made.status_code == 200 and made.headers["content-type"].startswith(XML)
    assert house.get("Patient/p").json()["name"] == [{"family": "李"}]
    assert issue(house.request("PUT", "Patient/p", b"<Patient", content_type=XML)) == (400, "structure")
    entity = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir">&e;</Patient>'
    assert house.request("POST", "Patient", entity, content_type=XML).status_code == 400


def test_bundles_are_written_in_every_way(house: House) -> None:
    house.put("Patient/p", patient(id="p", gender="male", contact=[{"name": {"text": "x"}}]))
    for path in ("Patient?_id=p", "Patient/p/_history", "_history"):
        assert b"<entry>" in house.get(path, accept=XML).content, path
        pretty = house.get(f"{path}{'&' if '?' in path else '?'}_pretty=true")
        assert pretty.json()["entry"][0]["resource"]["id"] == "p"
        assert '\n        "resourceType": "Patient"' in pretty.text, path
    [found] = house.get("Patient?_id=p&_elements=gender").json()["entry"]
    assert found["resource"]["gender"] == "male" and "contact" not in found["resource"]
    assert found["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    read = house.get("Patient/p?_summary=true").json()
    assert "contact" not in read and read["gender"] == "male"
    assert issue(house.get("Patient/p?_summary=some")) == (400, "value")


def test_a_head_is_a_get_without_its_body(house: House) -> None:
    got = house.put("Patient/p", patient(id="p"))
    head = house.request("HEAD", "Patient/p")
    assert head.status_code == 200 and not head.content and head.headers["etag"] == 'W/"1"'
    assert head.headers["content-length"] == str(len(got.content))
    assert house.request("HEAD", "Patient/q").status_code == 404


def test_answers_are_compressed_for_who_takes_it(house: House) -> None:
    made = house.post("Patient", patient(name=[{"family": "x" * 5000}]), prefer="return=minimal")
    path = made.headers["location"]
    coded = house.get(path, accept_encoding="gzip")
    assert coded.headers["content-encoding"] == "gzip" and int(coded.headers["content-length"]) < 1000
    assert coded.json()["name"][0]["family"] == "x" * 5000
    for accept in ("identity", "gzip;q=0", "br"):
        assert "content-encoding" not in house.get(path, accept_encoding=accept).headers


def test_bodies_may_be_compressed_and_are_bounded(house: House) -> None:
    body = json.dumps(patient()).encode()
    told = {"content_type": JSON, "content_encoding": "gzip"}
    assert house.request("POST", "Patient", gzip.compress(body), **told).status_code == 201
    assert house.request("POST", "Patient", gzip.compress(body)[:-9], **told).status_code == 400
    members = gzip.compress(body[:20]) + gzip.compress(b"") + gzip.compress(body[20:])
    assert house.request("POST", "Patient", members, **told).json()["resourceType"] == "Patient"
    assert house.request("POST", "Patient", members[:-9], **told).status_code == 400
    assert house.request("POST", "Patient", gzip.compress(body) + b"rest", **told).status_code == 400
    assert house.request("POST", "Patient", body, **told).status_code == 400
    assert house.request("POST", "Patient", body, content_type=JSON, content_encoding="br").status_code == 415
    small = House(house.pool, house.journal, house.keys,
                  replace(house.server, limits=replace(house.server.limits, max_body_bytes=1000)))  # fmt: skip
    large = json.dumps(patient(name=[{"family": "x" * 1_000_000}])).encode()
    assert issue(small.request("POST", "Patient", large, content_type=JSON)) == (413, "too-long")
    assert issue(small.request("POST", "Patient", gzip.compress(large), **told)) == (413, "too-long")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000

    async def sent() -> Any:
        async with small.client() as client:
            return await client.post(f"{BASE}/Patient", content=endless(), headers={"content-type": JSON})

    assert issue(asyncio.run(sent())) == (413, "too-long")


def test_a_body_of_another_kind_is_refused(house: House) -> None:
    for kind in ("text/plain", "application/dicom", ""):
        assert issue(house.request("POST", "Patient", b"{}", content_type=kind)) == (415, "not-supported")
    assert issue(house.request("POST", "Patient", b"[" * 10_000, content_type=JSON)) == (400, "structure")


def test_a_binary_comes_and_goes_as_it_is(house: House) -> None:
    made = house.request("POST", "Binary", b"\x89PNG\x00", content_type="image/png", prefer="return=minimal")
    assert made.status_code == 201
    name = made.headers["location"].removeprefix(BASE + "/").removesuffix("/_history/1")
    got = house.get(name, accept="image/png")
    assert got.content == b"\x89PNG\x00" and got.headers["content-type"] == "image/png"
    assert got.headers["content-security-policy"] == "sandbox" and got.headers["x-content-type-options"] == "nosniff"
    assert house.get(name, accept="*/*").content == got.content
    told = house.get(name, accept=JSON).json()
    assert told["contentType"] == "image/png" and told["data"] == "iVBORwA="
    assert house.get(f"{name}?_format=xml").headers["content-type"].startswith(XML)
    again = house.request("PUT", name, b"text", content_type="text/plain", x_security_context="Patient/p")
    assert again.status_code == 200 and again.json()["securityContext"] == {"reference": "Patient/p"}
    as_resource = {"resourceType": "Binary", "contentType": "text/plain", "data": "eA=="}
    assert house.get(house.post("Binary", as_resource).headers["location"], accept="text/plain").content == b"x"
    assert house.get("Binary/none", accept="image/png").status_code == 404


def test_a_request_keeps_its_name(house: House) -> None:
    assert house.get("metadata", x_request_id="abc-1").headers["x-request-id"] == "abc-1"
    own = [house.get("Patient/q", **told).headers["x-request-id"] for told in ({}, {"x_request_id": "a\tb" * 200})]
    assert len(set(own)) == 2 and all(len(one) == 32 for one in own)


def test_our_own_fault_tells_nothing_of_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a patient's name")

    object.__setattr__(house.server, "perform", broken)
    answer = house.get("Patient/p")
    assert issue(answer) == (500, "exception") and "name" not in answer.text

    def away(*_: object) -> None:
        raise PacsdError(Fault.UNAVAILABLE, "the index does not answer")

    object.__setattr__(house.server, "perform", away)
    answer = house.get("Patient/p", accept=XML)
    assert answer.status_code == 503 and answer.headers["retry-after"] and answer.text.startswith("<")


def test_every_path_says_what_may_be_asked(house: House) -> None:
    assert house.request("OPTIONS", "Patient").status_code == 204
    refused = house.request("PUT", "metadata")
    assert refused.status_code == 405 and refused.headers["allow"] == "GET, HEAD, OPTIONS"
    assert house.get("Patient?" + "&".join(["a=b"] * 2000)).status_code == 400


def test_the_capability_statement_is_one(house: House) -> None:
    told = house.get("metadata").json()
    assert told["fhirVersion"] == "4.0.1" and told["implementation"]["url"] == BASE
    assert not [one for one in house.server.check(told) if one.severity in ("error", "fatal")]
    rest = told["rest"][0]
    [resource] = [one for one in rest["resource"] if one["type"] == "ImagingStudy"]
    codes = [one["code"] for one in resource["interaction"]]
    assert {"read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create",
            "search-type"} == set(codes) and len(codes) == len(set(codes))  # fmt: skip
    assert {one["code"] for one in rest["interaction"]} == {"transaction", "batch", "search-system", "history-system"}
    assert "started" in [one["name"] for one in resource["searchParam"]]


def test_searches_that_are_refused_or_ignored_are_not_claimed(house: House) -> None:
    def claimed(kind: str) -> set[str]:
        [resource] = [one for one in house.get("metadata").json()["rest"][0]["resource"] if one["type"] == kind]
        return {one["name"] for one in resource["searchParam"]}

    assert {"_id", "_lastUpdated", "_text", "_content", "address"} <= claimed("Location")
    assert not {"near", "_query", "_filter"} & claimed("Location")
    object.__setattr__(house.server, "full_text", False)
    assert not {"_text", "_content"} & claimed("Patient")


def test_what_a_binary_says_it_is_adds_no_header(house: House) -> None:
    house.app = FhirApp(replace(house.server, check=nothing_wrong), house.app._edge)
    for number, kind in enumerate(("text/plain\nX-Other: 1", "text/plain\rX-Other: 1", "text/普通", "words")):
        told = {"resourceType": "Binary", "id": f"b{number}", "contentType": kind, "data": "aGk="}
        assert house.put(f"Binary/b{number}", told).status_code == 201
        shown = house.get(f"Binary/b{number}", accept="*/*")
        assert shown.status_code == 200 and shown.headers["content-type"] == "application/octet-stream"
        assert shown.content == b"hi" and "x-other" not in shown.headers


def test_a_date_that_no_calendar_has_is_as_if_it_were_not_there(house: House) -> None:
    house.put("Patient/p", {"resourceType": "Patient", "id": "p"})
    shown = house.get("Patient/p", if_modified_since="Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
    assert shown.status_code == 200


def test_what_a_form_says_counts_as_what_a_url_says(house: House) -> None:
    house.put("Patient/p", {"resourceType": "Patient", "id": "p", "gender": "male", "name": [{"family": "A"}]})
    form = house.request("POST", "Patient/_search", b"_elements=gender&_id=p",
                         content_type="application/x-www-form-urlencoded")  # fmt: skip
    [entry] = form.json()["entry"]
    assert entry["resource"]["gender"] == "male" and "name" not in entry["resource"]
    assert form.json()["entry"] == house.get("Patient?_elements=gender&_id=p").json()["entry"]
