"""Documents: those of compositions, and the summary of a patient."""

from typing import Any

import pytest

from fhir.validation.check import check
from tests.fhir.house import BASE, House, issue


def put(house: House, kind: str, ident: str, /, **more: Any) -> None:
    answer = house.put(f"{kind}/{ident}", {"resourceType": kind, "id": ident, **more})
    assert answer.status_code == 201, answer.text


def names(told: dict[str, Any]) -> list[str]:
    return [one["fullUrl"].removeprefix(f"{BASE}/") for one in told["entry"]]


@pytest.fixture
def clinic(house: House) -> House:
    put(house, "Patient", "p", name=[{"text": "李明"}])
    put(house, "Practitioner", "d", name=[{"text": "王医生"}])
    put(house, "Observation", "o", status="final", code={"text": "血压"}, subject={"reference": "Patient/p"},
        performer=[{"reference": "Practitioner/d"}])  # fmt: skip
    return house


COMPOSITION: dict[str, Any] = {
    "status": "final", "type": {"text": "报告"}, "date": "2026-01-01", "title": "报告",
    "author": [{"reference": "Practitioner/d"}], "subject": {"reference": f"{BASE}/Patient/p"},
    "section": [{"title": "a", "section": [{"title": "b", "entry": [{"reference": "Observation/o"}]}]}],
}  # fmt: skip


def test_a_document_has_its_composition_first_and_all_it_refers_to(clinic: House) -> None:
    put(clinic, "Composition", "c", **COMPOSITION)
    answer = clinic.get("Composition/c/$document")
    told = answer.json()
    assert answer.status_code == 200 and told["type"] == "document" and "timestamp" in told
    assert names(told) == ["Composition/c", "Practitioner/d", "Patient/p", "Observation/o"] or set(names(told)[1:]) == {
        "Practitioner/d", "Patient/p", "Observation/o"}
    assert names(told)[0] == "Composition/c" and told["identifier"]["value"].startswith("urn:uuid:")
    assert [one for one in check(told) if one.severity in ("error", "fatal")] == []


def test_a_document_is_kept_where_that_is_asked_for(clinic: House) -> None:
    put(clinic, "Composition", "c", **COMPOSITION)
    body = {"resourceType": "Parameters", "parameter": [{"name": "persist", "valueBoolean": True}]}
    answer = clinic.post("Composition/c/$document", body)
    assert answer.status_code == 201, answer.text
    path = answer.headers["location"].removeprefix(f"{BASE}/").partition("/_history")[0]
    assert clinic.get(path).json()["type"] == "document"


def test_a_composition_that_refers_to_what_is_not_here_makes_no_document(clinic: House) -> None:
    put(clinic, "Composition", "c", **{**COMPOSITION, "encounter": {"reference": "Encounter/nowhere"}})
    assert issue(clinic.get("Composition/c/$document")) == (422, "not-found")
    assert issue(clinic.get("Composition/nobody/$document")) == (404, "not-found")
    assert issue(clinic.get("Composition/c/$document?graph=urn:x")) == (400, "not-supported")


def test_a_summary_has_what_is_known_and_says_what_is_not(clinic: House) -> None:
    active = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
    resolved = {"coding": [{**active["coding"][0], "code": "resolved"}]}
    mine = {"subject": {"reference": "Patient/p"}}
    put(clinic, "Condition", "now", code={"text": "高血压 <b>"}, clinicalStatus=active, **mine)
    put(clinic, "Condition", "past", code={"text": "肺炎"}, clinicalStatus=resolved, **mine)
    put(clinic, "Patient", "q")
    put(clinic, "Condition", "other", code={"text": "x"}, subject={"reference": "Patient/q"}, clinicalStatus=active)
    answer = clinic.get("Patient/p/$summary")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert {"Patient/p", "Condition/now", "Observation/o", "Practitioner/d"} <= set(names(told))
    assert not {"Condition/past", "Condition/other", "Patient/q"} & set(names(told))
    composition = told["entry"][0]["resource"]
    sections = {one["code"]["coding"][0]["code"]: one for one in composition["section"]}
    assert set(sections) == {"11450-4", "48765-2", "10160-0", "30954-2"}
    assert sections["48765-2"]["emptyReason"]["coding"][0]["code"] == "unavailable"
    assert "高血压 &lt;b&gt;" in sections["11450-4"]["text"]["div"]
    assert [one for one in check(told) if one.severity in ("error", "fatal")] == []


def test_nobody_is_summed_up_for_who_does_not_see_him(clinic: House) -> None:
    clinic.act_as(clinic.member("west"))
    assert issue(clinic.get("Patient/p/$summary")) == (404, "not-found")
    clinic.act_as(clinic.member("east"))
    assert issue(clinic.get("Patient/p/$summary?profile=urn:other")) == (400, "not-supported")
