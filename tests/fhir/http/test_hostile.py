"""Requests that mean no good: a clear OperationOutcome, in bounded time, and never a failure of ours."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fhir.house import JSON, House, patient
from tests.fhir.interaction.test_transaction import bundle, entry, observation

NESTED = b'{"resourceType":"Patient","extension":' + b'[{"extension":' * 5_000 + b"[]" + b"}]" * 5_000 + b"}"
BODIES: dict[str, bytes] = {
    "deep": NESTED,
    "brackets": b"[" * 1_000_000,
    "open string": b'{"resourceType":"Patient","name":"' + b"\\" * 100_001,
    "half a surrogate": b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}',
    "NUL": b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}',
    "not UTF-8": b'{"resourceType":"Patient","name":[{"family":"\xff\xfe"}]}',
    "NaN": b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":NaN}}',
    "large exponent": b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":'
    b'{"value":1e999999999}}',
    "long number": b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 100_000 + b"}",
    "twice": b'{"resourceType":"Patient","id":"a","id":"b"}',
    "type is a list": b'{"resourceType":["Patient"]}',
    "type is null": b'{"resourceType":null}',
    "null members": b'{"resourceType":"Patient","name":[null],"identifier":null,"meta":null}',
    "identifier is text": b'{"resourceType":"Patient","identifier":"x"}',
    "bytes after it": b'{"resourceType":"Patient"} {"resourceType":"Patient"}',
    "byte order mark": b'\xef\xbb\xbf{"resourceType":"Patient"}',
    "a text": b'"Patient"',
    "UTF-16": '{"resourceType":"Patient"}'.encode("utf-16"),
    "many keys": b'{"resourceType":"Patient",' + b",".join(b'"k%d":1' % n for n in range(50_000)) + b"}",
}


def refused(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:300])
    assert answer.json()["resourceType"] == "OperationOutcome" and len(answer.content) < 200_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_mean_no_good(house: House, name: str) -> None:
    for method, path in (("POST", "Patient"), ("PUT", "Patient/p"), ("POST", ""), ("POST", "Patient?x=y")):
        answer = house.request(method, path, BODIES[name], content_type=JSON)
        if answer.status_code >= 300:
            refused(answer)
        else:
            assert house.get(answer.headers["location"]).status_code == 200
    answer = house.request("PATCH", "Patient/p", BODIES[name], content_type="application/json-patch+json")
    refused(answer)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", [
    "Patient/%00", "Patient/..%2f..%2fetc", "Patient/p/_history/%00", "Patient/p/_history/1e9", "Patient/'; drop table",
    "Patient?_since=%00", "_history?_cursor=" + "A" * 5000, "%F0%9F%98%80", "Patient//x//y", "$" * 3000, "_history/1",
    "Patient/_history/1", "Patient/p/Patient/q/r", "Patient/$", "metadata/x", "Patient/metadata", "Patient/p/_tags",
    "_history?_count=99999999999999999999", "Patient/p/_history?_at=9999-12-31T23:59:59%2B00:00",
    "_history?_since=0001-01-01T00:00:00%2B14:00", "Patient/p/_history?_since=2026-01-01T24:61", "_history?_at=0000",
])  # fmt: skip
def test_paths_that_mean_no_good(house: House, path: str) -> None:
    for method in ("GET", "DELETE", "PUT", "POST", "PATCH"):
        answer = house.request(method, path, patient() if method != "GET" else None)
        assert answer.status_code < 500, (method, answer.text)
        if answer.status_code >= 400:
            refused(answer)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("criteria", [
    "identifier=%00", "identifier=" + "|" * 2000, "identifier=" + ",".join(["x"] * 5000), "name=%25%27%22%5C",
    "identifier=\\", "_lastUpdated=ge", "_id='; drop table fhir_resource; --", "identifier=" + "x" * 60_000,
    "&".join(["identifier=x"] * 60),
])  # fmt: skip
def test_criteria_that_mean_no_good(house: House, criteria: str) -> None:
    answers = [
        house.request("PUT", f"Patient?{criteria}", patient()), house.delete(f"Patient?{criteria}"),
        house.post("", bundle(entry("POST", "Patient", patient(), ifNoneExist=criteria))),
        house.post("", bundle(entry("POST", "Basic", {"resourceType": "Basic", "code": {"text": "x"}}),
                              entry("POST", "Observation", observation(f"Patient?{criteria}")))),
    ]  # fmt: skip
    for answer in answers:
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            refused(answer)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("change", [
    {"entry": {}}, {"entry": [[]]}, {"entry": [{"request": []}]}, {"entry": [{"request": {"method": 1, "url": 2}}]},
    {"entry": [{"request": {"method": "GET", "url": "Patient", "ifMatch": 7}}]}, {"type": ["batch"]}, {"type": {}},
    {"entry": [{"request": {"method": "POST", "url": "http://[::1"}, "resource": {}}]},
    {"entry": [{"fullUrl": 5, "request": {"method": "POST", "url": "Patient"}, "resource": {}}]},
    {"entry": [entry("POST", "Patient", {"resourceType": "Patient", "contained": 7})]},
    {"entry": [entry("PATCH", "Patient/p", {"resourceType": "Binary", "data": 5})]},
    {"entry": [{"request": {"method": "GET", "url": "?" + "a=b&" * 3000}}]},
])  # fmt: skip
@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_bundles_that_mean_no_good(house: House, kind: str, change: Any) -> None:
    answer = house.post("", {"resourceType": "Bundle", "type": kind, **change})
    if answer.status_code == 200:
        assert kind == "batch" and all(one["response"]["status"][0] == "4" for one in answer.json()["entry"])
    else:
        refused(answer)
