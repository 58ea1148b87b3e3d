"""Where the server could be made to ask somebody else (SSRF): it asks nobody on this machine or inside the network."""

import json
import secrets
import time
from typing import Any

import httpx
import pytest
from pydicom.uid import generate_uid

from conformance.dicomweb import multipart, prepared, synthetic, workitems
from conformance.dicomweb.multipart import Part
from tests.security.house import Guarded

FHIR, DICOM = {"content-type": "application/fhir+json"}, {"content-type": "application/dicom+json"}
PATIENCE_S = 20.0

# how an address of this machine, or of a cloud's own services, is written so that a filter does not see it
DISGUISES = (
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://127.1:{port}/", "http://0.0.0.0:{port}/",
    "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0177.0.0.1:{port}/", "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/", "http://[::]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/", "http://[2002:7f00:1::]:{port}/", "https://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/?x=.example.com", "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/",
    "http://LOCALHOST:{port}/", "http://127.0.0.1%2f@example.com:{port}/",
    "http://example.com@127.0.0.1:{port}/", "http://127.0.0.1:{port}#@example.com/", "http://127。0。0。1:{port}/",
    "http://①②⑦.0.0.1:{port}/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/x", "ftp://127.0.0.1:{port}/x",
    "http:127.0.0.1:{port}", "//127.0.0.1:{port}/", "http://\t127.0.0.1:{port}/",
    "http://127.0.0.1\\@example.com:{port}/",
)  # fmt: skip


def urls(house: Guarded) -> list[str]:
    return [one.format(port=house.trap.port) for one in DISGUISES]


def until(holds: Any, what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def subscribed(http: httpx.Client, **channel: Any) -> httpx.Response:
    body = {"resourceType": "Subscription", "status": "requested", "reason": "x", "criteria": "Patient?active=true",
            "channel": {"type": "rest-hook", **channel}}  # fmt: skip
    return http.post("/fhir/Subscription", content=json.dumps(body), headers=FHIR)


def test_a_subscription_asks_nobody_inside(guarded: Guarded) -> None:
    came, made = guarded.trap.came, []
    with guarded.client(guarded.own_token()) as http:
        for url in urls(guarded):
            answer = subscribed(http, endpoint=url, payload="application/fhir+json", header=["Authorization: x"])
            assert answer.status_code in (201, 400, 422), (url, answer.text)
            if answer.status_code == 201:
                made.append(f"/fhir/Subscription/{answer.json()['id']}")
        assert http.post("/fhir/Patient", content=json.dumps({"resourceType": "Patient", "active": True}),
                         headers=FHIR).status_code == 201  # fmt: skip
        for path in made:
            until(lambda path=path: http.get(path).json()["status"] in ("error", "off"), f"{path} is given up")
            http.delete(path)
    assert guarded.trap.came == came


def test_a_header_of_a_subscription_makes_no_other_request(guarded: Guarded) -> None:
    came = guarded.trap.came
    with guarded.client(guarded.own_token()) as http:
        for header in ("X: a\r\nX-Made: 1", "Host: evil.example", "Content-Length: 0", "Transfer-Encoding: chunked",
                       "X-A\r\nX-Made: b", "Connection: upgrade", "X: a\nb", ": x", "x"):  # fmt: skip
            answer = subscribed(http, endpoint=f"http://127.0.0.1:{guarded.trap.port}/", header=[header])
            refused = answer.status_code in (400, 422)
            if not refused:
                path = f"/fhir/Subscription/{answer.json()['id']}"
                until(lambda path=path: http.get(path).json()["status"] == "error", header)
                assert "header" in http.get(path).json()["error"], header        # and not for its end point
                http.delete(path)
    assert guarded.trap.came == came


def test_an_import_asks_nobody_inside(guarded: Guarded) -> None:
    came = guarded.trap.came
    with guarded.client(guarded.own_token()) as http:
        jobs = []
        for url in (*urls(guarded)[:8], *urls(guarded)[-12:]):
            source = [{"name": "type", "valueCode": "Patient"}, {"name": "url", "valueUrl": url}]
            body = {"resourceType": "Parameters", "parameter": [{"name": "input", "part": source}]}
            answer = http.post("/fhir/$import", content=json.dumps(body), headers={**FHIR, "prefer": "respond-async"})
            assert answer.status_code in (202, 400, 422, 429), (url, answer.text)
            if answer.status_code == 202:
                jobs.append(answer.headers["content-location"])
        assert jobs
        for job in jobs:
            until(lambda job=job: http.get(job).status_code != 202, job)
            http.delete(job)
    assert guarded.trap.came == came


def resources(url: str) -> list[dict[str, Any]]:
    """Resources that name a URL wherever one may stand that a server could be tempted to follow."""
    return [
        {"resourceType": "Patient", "photo": [{"url": url, "contentType": "image/png"}]},
        {"resourceType": "Patient", "meta": {"profile": [url]}, "implicitRules": url},
        {"resourceType": "Patient", "managingOrganization": {"reference": f"{url}Organization/1"}},
        {"resourceType": "Patient", "extension": [{"url": url, "valueString": "x"}]},
        {"resourceType": "Endpoint", "status": "active", "address": url, "payloadType": [{"text": "x"}],
         "connectionType": {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
                            "code": "dicom-wado-rs"}},
        {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {"url": url}}]},
        {"resourceType": "ValueSet", "status": "active", "url": f"{url}vs",
         "compose": {"include": [{"valueSet": [f"{url}other"]}, {"system": f"{url}system"}]}},
        {"resourceType": "CodeSystem", "status": "active", "content": "not-present", "url": f"{url}cs",
         "supplements": f"{url}cs2"},
        {"resourceType": "Binary", "contentType": "text/plain", "securityContext": {"reference": f"{url}Patient/1"}},
        {"resourceType": "StructureDefinition", "url": f"{url}sd", "name": "X", "status": "draft", "kind": "resource",
         "abstract": False, "type": "Patient", "baseDefinition": f"{url}base", "derivation": "constraint"},
    ]  # fmt: skip


def test_no_url_of_a_resource_is_followed(guarded: Guarded) -> None:
    came, url = guarded.trap.came, f"http://127.0.0.1:{guarded.trap.port}/"
    with guarded.client(guarded.own_token()) as http:
        for body in resources(url):
            kind = body["resourceType"]
            for path in (f"/fhir/{kind}", f"/fhir/{kind}/$validate"):
                answer = http.post(path, content=json.dumps(body), headers=FHIR)
                assert answer.status_code < 500 or answer.status_code == 501, (path, answer.text)
            entry = {"fullUrl": f"{url}{kind}/1", "resource": body, "request": {"method": "POST", "url": kind}}
            for bundle in ("batch", "transaction"):
                sent = {"resourceType": "Bundle", "type": bundle, "entry": [entry]}
                assert http.post("/fhir", content=json.dumps(sent), headers=FHIR).status_code < 500
        for path in (
            f"ValueSet/$expand?url={url}vs", f"ValueSet/$validate-code?url={url}vs&code=x&system={url}s",
            f"CodeSystem/$lookup?system={url}cs&code=x", f"ConceptMap/$translate?url={url}cm&code=x&system={url}s",
            f"Patient?organization={url}Organization/1", f"Patient?_profile={url}",
            f"Patient?organization.name=x&_id={url}",
            f"Patient/$validate?profile={url}sd", f"Measure/$evaluate-measure?measure={url}m", f"?_cursor={url}",
        ):  # fmt: skip
            assert http.get(f"/fhir/{path}").status_code in (200, 400, 404, 405, 422, 501), path
    assert guarded.trap.came == came


def test_bulk_data_elsewhere_is_not_fetched(guarded: Guarded) -> None:
    came = guarded.trap.came
    subject = synthetic.Subject(patient_id="SSRF", name="S^S", accession="S")
    one = synthetic.ct(subject, series="1.2.3.4", number=1)
    model = json.loads(one.dataset.to_json(bulk_data_element_handler=lambda _: "here"))
    with guarded.client(guarded.own_token()) as http:
        for url in urls(guarded):
            model["7FE00010"] = {"vr": "OW", "BulkDataURI": url}
            part = Part(json.dumps([model]).encode(), "application/dicom+json")
            content_type, body = multipart.encoded([part], root="application/dicom+json")
            answer = http.post("/dicom-web/studies", content=body, headers={"content-type": content_type})
            assert answer.status_code in (400, 409), (url, answer.status_code)
    assert guarded.trap.came == came


@pytest.mark.parametrize("name", ["jku", "x5u", "kid", "iss"])
def test_no_key_is_fetched_from_where_a_token_says(guarded: Guarded, name: str) -> None:
    came = guarded.trap.came
    for url in urls(guarded)[:6]:
        mint, header = guarded.mint, {} if name == "iss" else {name: url}
        token = mint.signed(mint.claims("east", "system", **({"iss": url} if name == "iss" else {})), **header)
        with guarded.client(token) as http:
            assert http.get("/fhir/Patient?_count=1").status_code == (401 if name in ("kid", "iss") else 200)
        claims = {"iss": url if name == "iss" else "backend", "sub": "backend", "aud": f"{guarded.base}/oauth/token",
                  "exp": int(time.time()) + 200, "jti": secrets.token_hex(8)}  # fmt: skip
        asked = {"grant_type": "client_credentials", "scope": "system/*.rs",
                 "client_assertion": mint.signed(claims, **{"typ": "JWT", **header}),
                 "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}  # fmt: skip
        with guarded.client() as http:
            assert http.post("/oauth/token", data=asked).status_code == (401 if name in ("kid", "iss") else 200)
    assert guarded.trap.came == came


def test_a_workitem_or_a_commitment_names_nobody_who_is_asked(guarded: Guarded) -> None:
    came = guarded.trap.came
    named = [workitems.model(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID="1.2.3.4.5")]
    with guarded.client(guarded.own_token()) as http:
        for url in urls(guarded)[:4]:
            where = [workitems.model(RetrieveURL=url)]
            source = workitems.model(
                TypeOfInstances="DICOM", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4",
                ReferencedSOPSequence=named, WADORSRetrievalSequence=where)  # fmt: skip
            made = http.post("/dicom-web/workitems", content=json.dumps([workitems.scheduled(
                prepared.made(), InputInformationSequence=[source])]), headers=DICOM)  # fmt: skip
            assert made.status_code == 201, made.text
            watched = f"{made.headers['location']}/subscribers/{httpx.URL(url).host}"
            assert http.post(watched).status_code < 500
            asked = workitems.model(ReferencedSOPSequence=named, RetrieveURL=url)
            path = f"/dicom-web/commitment-requests/{generate_uid()}"
            assert http.post(path, content=json.dumps(asked), headers=DICOM).status_code in (200, 202)
    assert guarded.trap.came == came
