"""Patients found by who they are (IHE ITI-119), and identifiers of one person in other domains (ITI-83, ITI-104)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from fhir.interaction.services import nothing_wrong
from tests.fhir.house import BASE, House, issue, opened

RED, BLUE, CARD = "urn:oid:1.2.3.1", "urn:oid:1.2.3.2", "urn:oid:2.16.156.10011.1.19"


@pytest.fixture
def people(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs", check=nothing_wrong) as made:
        yield made


def person(name: str, *ids: tuple[str, str], **more: Any) -> dict[str, Any]:
    family, given = name.split()
    return {"resourceType": "Patient", "name": [{"family": family, "given": [given]}],
            "identifier": [{"system": system, "value": value} for system, value in ids], **more}  # fmt: skip


LI = {"gender": "male", "birthDate": "1980-03-02", "telecom": [{"system": "phone", "value": "13912345678"}]}


def put(house: House, id: str, resource: dict[str, Any]) -> None:  # noqa: A002
    assert house.put(f"Patient/{id}", {**resource, "id": id}).status_code in (200, 201)


def found(house: House, resource: dict[str, Any], **parameters: Any) -> list[tuple[str, str]]:
    rows: list[dict[str, Any]] = [{"name": "resource", "resource": resource}]
    for name, value in parameters.items():
        rows.append({"name": name, "valueBoolean" if isinstance(value, bool) else "valueInteger": value})
    answer = house.post("Patient/$match", {"resourceType": "Parameters", "parameter": rows})
    assert answer.status_code == 200, answer.text
    entries = answer.json().get("entry", [])
    scores = [one["search"]["score"] for one in entries]
    assert scores == sorted(scores, reverse=True) and all(0 <= one <= 1 for one in scores)
    return [(one["resource"]["id"], one["search"]["extension"][0]["valueCode"]) for one in entries]


def test_who_is_like_somebody_is_graded(people: House) -> None:
    put(people, "same", person("李 明", (RED, "1"), **LI))
    put(people, "phonetic", person("Li Ming", (BLUE, "2"), gender="male", birthDate="1980-03-02"))
    put(people, "other", person("王 芳", (RED, "3"), gender="female", birthDate="1980-03-02"))
    told = found(people, person("李 明", **LI))
    assert told[0] == ("same", "probable") and told[1][0] == "phonetic"
    assert "other" not in [one for one, _ in told]
    assert found(people, person("李 明", **LI), count=1) == told[:1]


def test_certain_is_the_same_identifier_or_a_card_with_what_agrees(people: House) -> None:
    put(people, "red", person("李 明", (RED, "1"), (CARD, "HC0012345678"), **LI))
    put(people, "near", person("李 明", (BLUE, "9"), gender="male", birthDate="1980-03-02"))
    assert found(people, person("李 明", (CARD, "HC0012345678"), **LI), onlyCertainMatches=True) == [("red", "certain")]
    assert found(people, person("李 明", (RED, "1")), onlyCertainMatches=True) == [("red", "certain")]
    assert found(people, person("李 明", **LI), onlyCertainMatches=True) == []
    contradictory = person("王 芳", (RED, "1"), gender="female", birthDate="2001-01-01")
    assert found(people, contradictory, onlyCertainMatches=True) == []


def test_several_certain_ones_are_told_only_if_they_are_one_person(people: House) -> None:
    put(people, "a", person("李 明", (RED, "1"), **LI))
    put(people, "b", person("王 芳", (BLUE, "2"), gender="female", birthDate="1990-01-01"))
    both = {"resourceType": "Patient", "identifier": [{"system": RED, "value": "1"}, {"system": BLUE, "value": "2"}]}
    assert {one for one, _ in found(people, both)} == {"a", "b"}
    assert found(people, both, onlyCertainMatches=True) == []


def test_who_is_nobody_matches_nobody_and_nonsense_is_refused(people: House) -> None:
    put(people, "a", person("李 明", (RED, "1"), **LI))
    assert found(people, person("赵 强", gender="male", birthDate="1950-01-01")) == []
    assert found(people, {"resourceType": "Patient"}) == []
    for strange in ({"name": 7}, {"identifier": [7, {"value": 3}]}, {"birthDate": "99999"}, {"telecom": {"a": 1}},
                    {"name": [{"family": {"x": 1}, "given": "y"}]}, {"birthDate": "0001-01-01"}):  # fmt: skip
        assert found(people, {"resourceType": "Patient", **strange}) == []
    for body in ({"resourceType": "Observation"}, {"resourceType": "Parameters"}, {"resourceType": "Parameters",
                 "parameter": [{"name": "resource", "resource": 1}]}):  # fmt: skip
        assert people.post("Patient/$match", body).status_code == 400


def test_only_what_the_asker_sees_is_matched(people: House) -> None:
    put(people, "a", person("李 明", (RED, "1"), **LI))
    people.act_as(people.member("west"))
    assert found(people, person("李 明", (RED, "1"), **LI)) == []


def pix(house: House, source: str, *targets: str) -> Any:
    query = f"sourceIdentifier={quote(source)}" + "".join(f"&targetSystem={quote(one)}" for one in targets)
    return house.get(f"Patient/$ihe-pix?{query}")


def crossed(house: House, source: str, *targets: str) -> tuple[list[str], list[str]]:
    answer = pix(house, source, *targets)
    assert answer.status_code == 200, answer.text
    rows = answer.json().get("parameter", [])
    return (sorted(one["valueIdentifier"]["value"] for one in rows if one["name"] == "targetIdentifier"),
            sorted(one["valueReference"]["reference"] for one in rows if one["name"] == "targetId"))  # fmt: skip


def test_identifiers_of_linked_records_are_crossed(people: House) -> None:
    put(people, "red", person("李 明", (RED, "1"), **LI))
    put(people, "blue", person("李 鸣", (BLUE, "2"), link=[{"other": {"reference": "Patient/red"}, "type": "seealso"}]))
    put(people, "else", person("赵 强", (BLUE, "7"), gender="male", birthDate="1950-01-01"))
    assert crossed(people, f"{RED}|1") == (["2"], [f"{BASE}/Patient/blue", f"{BASE}/Patient/red"])
    assert crossed(people, f"{BLUE}|2", RED) == (["1"], [f"{BASE}/Patient/red"])
    assert crossed(people, f"{BLUE}|7", RED) == ([], [])
    assert crossed(people, f"{BASE}|Patient/red", BLUE) == (["2"], [f"{BASE}/Patient/blue"])


def test_records_with_one_health_card_are_crossed_without_a_link(people: House) -> None:
    put(people, "red", person("李 明", (RED, "1"), (CARD, "HC0012345678"), **LI))
    put(people, "blue", person("李 明", (BLUE, "2"), (CARD, "HC0012345678"), **LI))
    assert crossed(people, f"{RED}|1", BLUE) == (["2"], [f"{BASE}/Patient/blue"])


def test_errors_are_those_of_the_profile(people: House) -> None:
    put(people, "red", person("李 明", (RED, "1"), **LI))
    for answer, told in (
        (pix(people, f"{RED}|nobody"), (404, "not-found", "sourceIdentifier Patient Identifier not found")),
        (pix(people, "urn:oid:9.9|1"), (400, "code-invalid", "sourceIdentifier Assigning Authority not found")),
        (pix(people, f"{RED}|1", "urn:oid:9.9"), (403, "code-invalid", "targetSystem not found")),
    ):
        assert (*issue(answer), answer.json()["issue"][0]["diagnostics"]) == told
    assert issue(pix(people, "1"))[0] == 400 and issue(people.get("Patient/$ihe-pix"))[0] == 400


def test_who_was_merged_is_found_no_more_and_his_identifier_is_not_given_out(people: House) -> None:
    put(people, "good", person("李 明", (RED, "1"), (BLUE, "8"), **LI))
    survivor = {"identifier": {"system": RED, "value": "1"}}
    merged = {"active": False, "link": [{"other": survivor, "type": "replaced-by"}]}
    put(people, "old", person("李 明", (RED, "m1"), **merged, **LI))
    assert issue(pix(people, f"{RED}|m1")) == (404, "not-found")
    assert crossed(people, f"{RED}|1") == (["8"], [f"{BASE}/Patient/good"])
    assert [one for one, _ in found(people, person("李 明", **LI))] == ["good"]


def test_records_that_name_the_other_by_identifier_are_crossed_both_ways(people: House) -> None:
    put(people, "red", person("李 明", (RED, "1"), **LI))
    other = {"identifier": {"system": RED, "value": "1"}}
    put(people, "blue", person("王 芳", (BLUE, "2"), link=[{"other": other, "type": "seealso"}]))
    assert crossed(people, f"{BLUE}|2", RED) == (["1"], [f"{BASE}/Patient/red"])
    assert crossed(people, f"{RED}|1", BLUE) == (["2"], [f"{BASE}/Patient/blue"])


def feed(house: House, value: str, resource: dict[str, Any]) -> int:
    """ITI-104: a conditional update by identifier."""
    return house.put(f"Patient?identifier={quote(f'{RED}|{value}')}", resource).status_code


def test_a_feed_adds_revises_and_resolves_duplicates(people: House) -> None:
    assert feed(people, "994", person("MOHR ALISSA", (RED, "994"), active=True)) == 201
    assert feed(people, "994", person("MOHR ALICE", (RED, "994"), active=True)) == 200
    assert feed(people, "m94", person("MOHR MAIDEN", (RED, "m94"), active=True)) == 201
    maiden = people.get("Patient?identifier=m94").json()["entry"][0]["resource"]["id"]
    put(people, "blue", person("KIM SU", (BLUE, "7"),
                               link=[{"other": {"reference": f"Patient/{maiden}"}, "type": "seealso"}]))  # fmt: skip
    assert crossed(people, f"{BLUE}|7", RED)[0] == ["m94"]
    survivor = {"other": {"identifier": {"system": RED, "value": "994"}}, "type": "replaced-by"}
    assert feed(people, "m94", person("MOHR MAIDEN", (RED, "m94"), active=False, link=[survivor])) == 200
    assert crossed(people, f"{BLUE}|7", RED)[0] == ["994"]
    assert crossed(people, f"{RED}|994", BLUE) == (["7"], [f"{BASE}/Patient/blue"])
    assert issue(pix(people, f"{RED}|m94")) == (404, "not-found")
    active = people.get(f"Patient?identifier={quote(f'{RED}|')}&active=true").json()["entry"]
    assert [one["resource"]["identifier"][0]["value"] for one in active] == ["994"]


def test_a_feed_is_known_by_the_identifier_it_is_sent_under(people: House) -> None:
    source = "http://fhir.mydomain.com|Patient/123"
    query = f"Patient?identifier={quote(source)}"
    assert people.put(query, person("李 明", (RED, "1"), **LI)).status_code == 201
    assert people.put(query, person("李 鸣", (RED, "1"), **LI)).status_code == 200
    assert crossed(people, source, RED)[0] == ["1"]
    told = people.get("Patient").json()["entry"]
    assert [len(one["resource"]["identifier"]) for one in told] == [2]
    renamed = people.put(f"Patient?identifier={quote(f'{RED}|1')}", person("李 鸣", (RED, "2"), **LI))
    assert [one["value"] for one in renamed.json()["identifier"]] == ["2"]
