"""Conditional interactions (http://hl7.org/fhir/R4/http.html#ccreate, #cond-update, #delete)."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fhir.house import House, issue, patient
from tests.fhir.interaction.test_transaction import bundle, entry, observation, statuses

MRN = "http://hospital.example/mrn"


def known(value: str, **more: Any) -> dict[str, Any]:
    return patient(identifier=[{"system": MRN, "value": value}], **more)


def count(house: House, query: str) -> int:
    return int(house.get(f"Patient?{query}&_summary=count").json()["total"])


def test_a_conditional_create_makes_what_is_not_there(house: House) -> None:
    first = house.post("Patient", known("1"), if_none_exist=f"identifier={MRN}|1")
    again = house.post("Patient", known("1", gender="male"), if_none_exist=f"identifier={MRN}|1")
    assert first.status_code == 201 and again.status_code == 200
    assert again.headers["location"] == first.headers["location"] and again.content == first.content
    house.post("Patient", known("1"))
    several = house.post("Patient", known("1"), if_none_exist=f"Patient?identifier={MRN}|1")
    assert issue(several) == (412, "multiple-matches")
    assert count(house, f"identifier={MRN}|1") == 2


def test_a_conditional_update_makes_or_changes_one(house: House) -> None:
    made = house.put(f"Patient?identifier={MRN}|1", known("1"))
    assert made.status_code == 201
    made_id = made.json()["id"]
    changed = house.put(f"Patient?identifier={MRN}|1", known("1", gender="male"))
    assert changed.status_code == 200 and changed.json()["id"] == made_id and changed.headers["etag"] == 'W/"2"'
    assert house.put(f"Patient?identifier={MRN}|1", known("1", gender="male", id=made_id)).headers["etag"] == 'W/"2"'
    assert issue(house.put(f"Patient?identifier={MRN}|1", known("1", id="other"))) == (400, "invalid")
    assert issue(house.put(f"Patient?identifier={MRN}|1", known("1", gender="other"), if_match='W/"1"'))[0] == 412
    mine = house.put(f"Patient?identifier={MRN}|2", known("2", id="mine"))
    assert mine.status_code == 201 and mine.json()["id"] == "mine"
    house.post("Patient", known("2"))
    assert issue(house.put(f"Patient?identifier={MRN}|2", known("2"))) == (412, "multiple-matches")


def test_a_conditional_delete_takes_one_or_as_many_as_the_settings_say(house: House) -> None:
    house.put("Patient/a", known("1", id="a"))
    assert house.delete(f"Patient?identifier={MRN}|1").status_code == 204
    assert house.get("Patient/a").status_code == 410
    assert house.delete(f"Patient?identifier={MRN}|1").status_code == 204
    for name in "bcd":
        house.put(f"Patient/{name}", known("2", id=name))
    assert issue(house.delete(f"Patient?identifier={MRN}|2")) == (412, "multiple-matches")
    limits = replace(house.server.limits, conditional_deletes=3)
    other = House(house.pool, house.journal, house.keys, replace(house.server, limits=limits))
    assert other.delete(f"Patient?identifier={MRN}|2").status_code == 204
    assert count(house, f"identifier={MRN}|2") == 0


@pytest.mark.parametrize("criteria", ["colour=red", "name:fuzzy=x", "identifier", "", "_count=x", "birthdate=tomorrow"])
def test_criteria_that_are_not_understood_are_refused(house: House, criteria: str) -> None:
    """To ignore one of them would change or delete what nobody meant."""
    for answer in (
        house.put(f"Patient?{criteria}", known("1")), house.delete(f"Patient?{criteria}"),
        house.post("Patient", known("1"), if_none_exist=criteria or "?"),
    ):
        assert issue(answer)[0] == 400, criteria
    assert "entry" not in house.get("_history").json()


def test_what_another_organisation_keeps_is_not_found(house: House) -> None:
    house.put("Patient/a", known("1", id="a"))
    house.act_as(house.member("west"))
    made = house.post("Patient", known("1"), if_none_exist=f"identifier={MRN}|1")
    assert made.status_code == 201
    house.act_as(house.member("west", "east"))
    assert issue(house.post("Patient", known("1"), if_none_exist=f"identifier={MRN}|1")) == (412, "multiple-matches")
    assert house.delete(f"Patient?identifier={MRN}|1&_id=a").status_code == 403


def test_a_transaction_takes_conditions_and_references_that_are_searches(house: House) -> None:
    house.put("Patient/p", known("1", id="p"))
    house.put("Patient/q", known("2", id="q"))
    answer = house.post("", bundle(
        entry("POST", "Patient", known("1"), "urn:uuid:1", ifNoneExist=f"identifier={MRN}|1"),
        entry("POST", "Patient", known("3"), "urn:uuid:3", ifNoneExist=f"identifier={MRN}|3"),
        entry("POST", "Patient", known("3"), "urn:uuid:33", ifNoneExist=f"identifier={MRN}|3"),
        entry("PUT", f"Patient?identifier={MRN}|4", known("4"), "urn:uuid:4"),
        entry("POST", "Observation", observation("urn:uuid:1")),
        entry("POST", "Observation", observation("urn:uuid:33")),
        entry("POST", "Observation", observation(f"Patient?identifier={MRN}|2")),
        entry("GET", f"Patient?identifier={MRN}|4"),
    ), prefer="return=representation")  # fmt: skip
    assert statuses(answer) == ["200", "201", "200", "201", "201", "201", "201", "200"]
    told = [one["resource"] for one in answer.json()["entry"]]
    assert told[0]["id"] == "p" and told[1]["id"] == told[2]["id"]
    assert told[4]["subject"]["reference"] == "Patient/p"
    assert told[5]["subject"]["reference"] == f"Patient/{told[1]['id']}"
    assert told[6]["subject"]["reference"] == "Patient/q"
    assert [one["resource"]["id"] for one in told[7]["entry"]] == [told[3]["id"]]


def test_a_reference_that_finds_nobody_or_several_ends_a_transaction(house: House) -> None:
    house.put("Patient/p", known("1", id="p"))
    house.put("Patient/q", known("1", id="q"))
    for value, code in (("1", "multiple-matches"), ("9", "not-found")):
        refused = house.post("", bundle(
            entry("POST", "Basic", {"resourceType": "Basic", "code": {"text": "x"}}),
            entry("POST", "Observation", observation(f"Patient?identifier={MRN}|{value}")),
        ))  # fmt: skip
        assert issue(refused) == (412, code)
    assert house.get("Basic?_summary=count").json()["total"] == 0


def test_what_a_transaction_deletes_no_condition_finds(house: House) -> None:
    house.put("Patient/p", known("1", id="p"))
    answer = house.post("", bundle(
        entry("POST", "Patient", known("1"), ifNoneExist=f"identifier={MRN}|1"), entry("DELETE", "Patient/p"),
    ))  # fmt: skip
    assert statuses(answer) == ["201", "204"] and count(house, f"identifier={MRN}|1") == 1


def test_a_backslash_in_an_identifier_is_itself_in_criteria_as_in_searches(house: House) -> None:
    for _ in range(2):
        answer = house.put("Patient?identifier=urn:x|a%5Cb", {"resourceType": "Patient"})
    assert answer.status_code == 200
    assert answer.json()["identifier"] == [{"system": "urn:x", "value": "a\\b"}]
    assert house.get("Patient?_total=accurate").json()["total"] == 1
