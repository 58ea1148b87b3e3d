"""Searches of Patients as IHE PDQm has them (ITI-78, 3.78.4.1)."""

from typing import Any
from urllib.parse import quote

import httpx

from tests.fhir.house import House

RED, BLUE, NOBODYS = "urn:oid:1.2.3.1", "urn:oid:1.2.3.2", "urn:oid:9.9"
MAIDEN = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


def put(house: House, id: str, **more: Any) -> None:  # noqa: A002
    assert house.put(f"Patient/{id}", {"resourceType": "Patient", "id": id, **more}).status_code == 201


def both(value: str) -> list[dict[str, str]]:
    return [{"system": RED, "value": f"r{value}"}, {"system": BLUE, "value": f"b{value}"}]


def asked(house: House, *pairs: tuple[str, str]) -> httpx.Response:
    return house.get("Patient?" + "&".join(f"{name}={quote(value)}" for name, value in pairs))


def patients(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return {one["resource"]["id"]: one["resource"] for one in answer.json().get("entry", ())
            if one["search"]["mode"] == "match"}  # fmt: skip


def outcomes(answer: httpx.Response) -> list[tuple[str, str, str]]:
    return [(one["severity"], one["code"], one["diagnostics"]) for entry in answer.json().get("entry", ())
            if entry["search"]["mode"] == "outcome" for one in entry["resource"]["issue"]]  # fmt: skip


def test_names_in_chinese_and_of_the_mother_find_a_patient(house: House) -> None:
    put(house, "a", name=[{"family": "欧阳", "given": ["明华"]}], gender="male", birthDate="1980-03-02",
        telecom=[{"system": "phone", "value": "13912345678"}], extension=[{"url": MAIDEN, "valueString": "司徒"}],
        address=[{"city": "苏州", "country": "CN", "state": "江苏", "postalCode": "215000"}])  # fmt: skip
    put(house, "b", name=[{"family": "欧", "given": ["阳明"]}], gender="female",
        extension=[{"url": "http://else", "valueString": "司徒"}])  # fmt: skip
    for pairs in (
        [("family", "欧阳")], [("family:exact", "欧阳")], [("given", "明")], [("mothersMaidenName", "司")],
        [("mothersMaidenName:exact", "司徒")], [("telecom", "13912345678")],
        [("address-country", "CN")], [("address-state", "江苏")], [("address", "苏州")], [("_id", "a")],
        [("family", "欧"), ("gender", "male")], [("birthdate", "1980-03-02"), ("family", "欧阳")],
    ):  # fmt: skip
        assert list(patients(asked(house, *pairs))) == ["a"], pairs
    assert patients(asked(house, ("mothersMaidenName:exact", "司"))) == {}
    assert outcomes(asked(house, ("mothersMaidenName", "司"))) == []


def test_the_number_of_all_that_match_is_told_on_every_page(house: House) -> None:
    for number in range(3):
        put(house, f"p{number}", gender="male")
    first = asked(house, ("gender", "male"), ("_count", "2"))
    second = house.get(next(one["url"] for one in first.json()["link"] if one["relation"] == "next"))
    assert [first.json()["total"], second.json()["total"]] == [3, 3]
    assert "total" not in asked(house, ("gender", "male"), ("_count", "2"), ("_total", "none")).json()
    nobody = asked(house, ("gender", "other")).json()
    assert nobody["total"] == 0 and "entry" not in nobody


def test_only_identifiers_of_the_domains_that_were_asked_for_are_told(house: House) -> None:
    put(house, "a", identifier=both("1"), active=True)
    put(house, "b", identifier=both("2")[:1])
    found = patients(asked(house, ("identifier", f"{RED}|")))
    assert {name: [one["value"] for one in told["identifier"]] for name, told in found.items()} == {
        "a": ["r1"], "b": ["r2"]}  # fmt: skip
    assert found["a"]["meta"]["tag"] == [SUBSETTED] and "tag" not in found["b"]["meta"]
    assert found["a"]["active"] is True
    whole = patients(asked(house, ("identifier", f"{RED}|,{BLUE}|")))
    assert whole["a"]["identifier"] == both("1") and "tag" not in whole["a"]["meta"]
    assert patients(asked(house, ("identifier", f"{RED}|r1")))["a"]["identifier"] == both("1")
    narrowed = patients(asked(house, ("identifier", f"{RED}|r1"), ("identifier", f"{BLUE}|")))
    assert [one["value"] for one in narrowed["a"]["identifier"]] == ["b1"]


def test_a_domain_that_nobody_knows_is_told_of(house: House) -> None:
    put(house, "a", identifier=both("1"))
    answer = asked(house, ("identifier", f"{RED}|,{NOBODYS}|"))
    assert list(patients(answer)) == ["a"]
    assert outcomes(answer) == [("warning", "not-found", f"targetSystem not found: {NOBODYS}")]
    assert outcomes(asked(house, ("identifier", f"{NOBODYS}|"))) == outcomes(answer)
    assert outcomes(asked(house, ("identifier", f"{RED}|"), ("gender", "other"))) == []
