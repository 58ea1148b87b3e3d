"""transaction and batch (http://hl7.org/fhir/R4/http.html#transaction)."""

from dataclasses import replace
from typing import Any

import pytest

from fhir.http.app import FhirApp
from fhir.interaction.services import Limits
from tests.fhir.house import BASE, House, issue, patient

XHTML = "http://www.w3.org/1999/xhtml"
URN = "urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9"


def bundle(*entries: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method: str, url: str, resource: Any = None, full_url: str = "", **more: str) -> dict[str, Any]:
    told: dict[str, Any] = {"fullUrl": full_url} if full_url else {}
    if resource is not None:
        told["resource"] = resource
    return {**told, "request": {"method": method, "url": url, **more}}


def observation(subject: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "subject": {"reference": subject}, **more}  # fmt: skip


def statuses(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["response"]["status"][:3] for one in answer.json()["entry"]]


def test_references_to_entries_name_the_resources_in_the_end(house: House) -> None:
    told = observation(
        URN,
        identifier=[{"system": "urn:ietf:rfc:3986", "value": URN}],
        text={"status": "generated", "div": f'<div xmlns="{XHTML}"><a href="{URN}">p</a> {URN}</div>'},
        extension=[{"url": "http://x", "valueUri": URN}, {"url": "http://x", "valueString": URN}],
        _status={"extension": [{"url": "http://x", "valueReference": {"reference": URN}}]},
        contained=[{"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "subject": {"reference": URN}}],
        focus=[{"reference": "#b"}],
    )
    answer = house.post("", bundle(entry("POST", "Observation", told), entry("POST", "Patient", patient(), URN)))
    assert statuses(answer) == ["201", "201"]
    assert answer.json()["type"] == "transaction-response"
    made = answer.json()["entry"]
    assert made[1]["response"]["etag"] == 'W/"1"' and made[1]["response"]["location"].startswith(f"{BASE}/Patient/")
    name = made[1]["response"]["location"].removeprefix(BASE + "/").removesuffix("/_history/1")
    kept = house.get(made[0]["response"]["location"]).json()
    assert kept["subject"]["reference"] == name and kept["contained"][0]["subject"]["reference"] == name
    assert [one.get("valueUri", one.get("valueString")) for one in kept["extension"]] == [name, URN]
    assert kept["_status"]["extension"][0]["valueReference"]["reference"] == name
    assert kept["identifier"][0]["value"] == URN
    assert f'href="{name}"' in kept["text"]["div"] and f" {URN}<" in kept["text"]["div"]


def test_relative_references_are_looked_for_beside_the_entry(house: House) -> None:
    answer = house.post("", bundle(
        entry("POST", "Patient", patient(id="1"), "http://other.example/fhir/Patient/1"),
        entry("POST", "Observation", observation("Patient/1"), "http://other.example/fhir/Observation/2"),
        entry("POST", "Observation", observation("Patient/1"), "urn:uuid:0"),
    ), prefer="return=representation")  # fmt: skip
    made = [one["resource"] for one in answer.json()["entry"]]
    assert made[1]["subject"]["reference"] == f"Patient/{made[0]['id']}"
    assert made[2]["subject"]["reference"] == "Patient/1"


def test_all_or_nothing(house: House) -> None:
    house.put("Patient/p", patient(id="p"))
    refused = house.post("", bundle(
        entry("DELETE", "Patient/p"), entry("POST", "Patient", patient()),
        entry("PUT", "Patient/q", patient(id="q"), ifMatch='W/"7"'),
    ))  # fmt: skip
    assert issue(refused) == (412, "conflict")
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[2]"]
    assert house.get("Patient/p").status_code == 200 and house.get("_history").json()["entry"][1:] == []


def test_what_is_read_sees_what_was_written(house: House) -> None:
    house.put("Patient/old", patient(id="old"))
    answer = house.post("", bundle(
        entry("GET", "Patient/p"), entry("GET", "Patient/p/_history/1"), entry("GET", "Patient/p/_history"),
        entry("PUT", "Patient/p", patient(id="p")), entry("DELETE", "Patient/old"), entry("DELETE", "Patient/never"),
    ))  # fmt: skip
    assert statuses(answer) == ["200", "200", "200", "201", "204", "204"]
    first, _, third, *_ = answer.json()["entry"]
    assert first["resource"]["id"] == "p" and third["resource"]["total"] == 1
    gone = house.post("", bundle(entry("PUT", "Patient/z", patient(id="z")), entry("GET", "Patient/old")))
    assert issue(gone) == (410, "deleted") and house.get("Patient/z").status_code == 404


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([entry("PUT", "Patient/p", patient(id="p")), entry("DELETE", "Patient/p")], (400, "duplicate")),
        ([entry("POST", "Patient", patient(), URN), entry("POST", "Patient", patient(), URN)], (400, "duplicate")),
        ([entry("POST", "Patient/p", patient())], (405, "not-supported")),
        ([entry("POST", "Nothing", {"resourceType": "Nothing"})], (404, "not-supported")),
        ([entry("POST", "Patient", {"resourceType": "Basic"})], (400, "invalid")),
        ([entry("PUT", "http://other.example/Patient/p", patient(id="p"))], (400, "value")),
        ([{"resource": patient()}], (400, "required")),
        ([entry("TRACE", "Patient")], (400, "value")),
        (["x"], (400, "structure")),
        ([entry("POST", "Patient/p/$meta-add", {"resourceType": "Parameters"})], (400, "not-supported")),
        ([entry("POST", "$export", {"resourceType": "Parameters"})], (400, "not-supported")),
        ([entry("POST", "Patient/$nothing", {"resourceType": "Parameters"})], (404, "not-supported")),
        ([entry("POST", "Patient/$match", {"resourceType": "Parameters"})], (400, "required")),
        ([entry("GET", "Patient/nobody")], (404, "not-found")),
        ([entry("POST", "Patient", [])], (400, "structure")),
    ],
)
def test_a_transaction_that_cannot_be_is_refused(house: House, entries: Any, expected: tuple[int, str]) -> None:
    sent = [entry("POST", "Basic", {"resourceType": "Basic", "code": {"text": "x"}}), *entries]
    assert issue(house.post("", bundle(*sent))) == expected
    assert "entry" not in house.get("_history").json()


def test_a_bundle_of_another_type_is_refused(house: House) -> None:
    for told in (bundle(kind="collection"), patient(), {"resourceType": "Bundle"}):
        assert issue(house.post("", told)) == (400, "invalid")
    assert house.post("", bundle(kind="batch")).json() == {"resourceType": "Bundle", "type": "batch-response"}


def test_entries_of_a_batch_are_refused_alone(house: House) -> None:
    answer = house.post("", bundle(
        entry("POST", "Patient", patient()), entry("GET", "Patient/nobody"), {"x": 1},
        entry("PUT", "Patient/p", patient(id="p")),
        entry("POST", "", bundle(kind="batch")), entry("DELETE", "Patient/p"), kind="batch",
    ))  # fmt: skip
    assert statuses(answer) == ["201", "404", "400", "201", "400", "204"]
    assert answer.json()["type"] == "batch-response"
    assert answer.json()["entry"][1]["response"]["outcome"]["issue"][0]["code"] == "not-found"
    assert house.get("Patient/p").status_code == 410


def test_many_entries_are_bounded(house: House) -> None:
    many = bundle(*[entry("GET", "metadata")] * (house.server.limits.max_entries + 1))
    assert issue(house.post("", many)) == (413, "too-costly")


def test_the_answers_of_one_bundle_have_only_so_many_bytes(house: House) -> None:
    for name in "abc":
        house.put(f"Patient/{name}", patient(id=name, name=[{"family": "x" * 9_000}]))
    house.app = FhirApp(replace(house.server, limits=Limits(max_body_bytes=40_000)), house.app._edge)
    asked = [entry("GET", "Patient") for _ in range(10)] + [entry("PUT", "Patient/d", patient(id="d"))]
    answer = house.post("", bundle(*asked, kind="batch"))
    assert statuses(answer) == ["200", "200"] + ["400"] * 9 and len(answer.content) < 70_000
    (issue_,) = answer.json()["entry"][2]["response"]["outcome"]["issue"]
    assert issue_["code"] == "too-costly"
    assert issue(house.post("", bundle(*asked))) == (400, "too-costly")
    assert house.get("Patient/d").status_code == 404
    house.app = FhirApp(replace(house.server, limits=Limits(bundle_s=-1.0)), house.app._edge)
    assert statuses(house.post("", bundle(*asked[-2:], kind="batch"))) == ["400", "400"]
    assert issue(house.post("", bundle(*asked[-2:]))) == (400, "too-costly")


def test_canonicals_stay_as_they_are(house: House) -> None:
    told = {"resourceType": "Basic", "code": {"text": "x"}, "extension": [
        {"url": "http://x", "valueCanonical": URN}, {"url": "http://x", "valueUrl": URN}]}  # fmt: skip
    answer = house.post("", bundle(entry("POST", "Basic", told), entry("POST", "Patient", patient(), URN)))
    assert statuses(answer) == ["201", "201"]
    canonical, url = house.get(answer.json()["entry"][0]["response"]["location"]).json()["extension"]
    assert canonical["valueCanonical"] == URN and url["valueUrl"].startswith("Patient/")


def test_conditional_references_are_resolved_last_and_find_what_the_transaction_makes(house: House) -> None:
    mine = [{"system": "http://s", "value": "new"}]
    answer = house.post("", bundle(
        entry("POST", "Observation", observation("Patient?identifier=http://s|new", status="final")),
        entry("POST", "Patient", patient(identifier=mine)),
    ))  # fmt: skip
    assert statuses(answer) == ["201", "201"]
    told = [house.get(one["response"]["location"]).json() for one in answer.json()["entry"]]
    assert told[0]["subject"]["reference"] == f"Patient/{told[1]['id']}"
    assert [one["meta"]["versionId"] for one in told] == ["1", "1"]
    assert house.get("Observation?subject:Patient.identifier=new&_total=accurate").json()["total"] == 1
    again = house.post("", bundle(
        entry("POST", "Observation", observation("Patient?identifier=http://s|new")),
        entry("POST", "Patient", patient(identifier=mine)),
    ))  # fmt: skip
    assert issue(again) == (412, "multiple-matches")
    assert house.get("Patient?identifier=new&_total=accurate").json()["total"] == 1


def test_a_conditional_reference_does_not_find_what_the_transaction_deletes(house: House) -> None:
    house.put("Patient/p", patient(id="p", identifier=[{"system": "http://s", "value": "1"}]))
    answer = house.post("", bundle(
        entry("DELETE", "Patient/p"), entry("POST", "Observation", observation("Patient?identifier=http://s|1")),
    ))  # fmt: skip
    assert issue(answer) == (412, "not-found") and house.get("Patient/p").status_code == 200


def test_an_operation_by_post_sees_what_its_transaction_wrote(house: House) -> None:
    asked = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient(
        identifier=[{"system": "urn:oid:1.2.3", "value": "1"}], birthDate="1980-01-02")}]}  # fmt: skip
    known = patient(id="p", identifier=[{"system": "urn:oid:1.2.3", "value": "1"}], birthDate="1980-01-02")
    answer = house.post("", bundle(entry("POST", "Patient/$match", asked), entry("PUT", "Patient/p", known)))
    assert statuses(answer) == ["200", "201"]
    assert [one["resource"]["id"] for one in answer.json()["entry"][0]["resource"]["entry"]] == ["p"]


def test_operations_that_change_nothing_are_entries_of_a_batch_by_post_too(house: House) -> None:
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient()}]}
    answer = house.post("", bundle(
        entry("POST", "Patient/$validate", parameters), entry("GET", "metadata"),
        entry("GET", "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender"), kind="batch",
    ))  # fmt: skip
    assert statuses(answer) == ["200", "200", "200"]
    kinds = [one["resource"]["resourceType"] for one in answer.json()["entry"]]
    assert kinds == ["OperationOutcome", "CapabilityStatement", "ValueSet"]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_what_is_read_in_a_bundle_comes_in_the_parts_that_are_asked_for(house: House, kind: str) -> None:
    house.put("Patient/p", patient(id="p", gender="male", birthDate="1970-01-02"))
    answer = house.post("", bundle(
        entry("GET", "Patient/p?_elements=gender"), entry("GET", "Patient?_id=p&_summary=data&_elements=birthDate"),
        entry("GET", "Patient/p"), entry("GET", "Patient?_id=p&_summary=count"), kind=kind))  # fmt: skip
    assert statuses(answer) == ["200"] * 4
    one, page, whole, count = (told["resource"] for told in answer.json()["entry"])
    alone = [house.get(path).json() for path in ("Patient/p?_elements=gender", "Patient/p")]
    assert [one, whole] == alone and "birthDate" not in one and one["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert set(page["entry"][0]["resource"]) == {"resourceType", "id", "meta", "active", "birthDate"}
    assert count["total"] == 1 and "entry" not in count


def test_a_summary_that_there_is_not_is_refused_in_a_bundle(house: House) -> None:
    house.put("Patient/p", patient(id="p"))
    asked = entry("GET", "Patient/p?_summary=some")
    assert statuses(house.post("", bundle(asked, kind="batch"))) == ["400"]
    assert issue(house.post("", bundle(asked))) == (400, "value")
