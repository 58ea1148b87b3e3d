"""$everything: compartments in pages, with what they refer to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir.interaction.services import nothing_wrong
from tests.fhir.house import BASE, House, issue, opened


@pytest.fixture
def ward(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs", check=nothing_wrong) as made:
        put(made, "Patient", "p", generalPractitioner=[{"reference": "Practitioner/doc"}])
        put(made, "Patient", "q")
        put(made, "Practitioner", "doc")
        put(made, "Practitioner", "nobody")
        put(made, "Organization", "clinic")
        put(made, "Encounter", "e", subject={"reference": "Patient/p"}, period={"start": "2026-03-01"},
            serviceProvider={"reference": "Organization/clinic"})  # fmt: skip
        for number in range(5):
            put(made, "Observation", f"o{number}", subject={"reference": "Patient/p"},
                encounter={"reference": "Encounter/e"}, effectiveDateTime=f"202{number}-01-01")  # fmt: skip
        put(made, "Observation", "other", subject={"reference": "Patient/q"})
        yield made


def put(house: House, kind: str, name: str, **more: Any) -> None:
    assert house.put(f"{kind}/{name}", {"resourceType": kind, "id": name, **more}).status_code == 201


def ids(answer: Any, mode: str = "match") -> list[str]:
    assert answer.status_code == 200, answer.text
    return sorted(f"{one['resource']['resourceType']}/{one['resource']['id']}"
                  for one in answer.json().get("entry", []) if one["search"]["mode"] == mode)  # fmt: skip


OBSERVATIONS = [f"Observation/o{number}" for number in range(5)]


def test_everything_of_a_patient_is_the_compartment_and_what_it_refers_to(ward: House) -> None:
    told = ward.get("Patient/p/$everything")
    assert ids(told) == ["Encounter/e", *OBSERVATIONS, "Patient/p"]
    assert ids(told, "include") == ["Organization/clinic", "Practitioner/doc"]
    assert told.json()["total"] == 7
    assert ids(ward.get("Patient/q/$everything")) == ["Observation/other", "Patient/q"]


def test_everything_of_an_encounter_has_its_patient(ward: House) -> None:
    told = ward.get("Encounter/e/$everything")
    assert ids(told) == ["Encounter/e", *OBSERVATIONS]
    assert ids(told, "include") == ["Organization/clinic", "Patient/p"]


def test_pages_have_each_resource_once_while_others_are_written(ward: House) -> None:
    path, seen = "Patient/p/$everything?_count=3", []
    while path:
        answer = ward.get(path)
        seen += ids(answer)
        put(ward, "Observation", f"new{len(seen)}", subject={"reference": "Patient/p"})
        path = next((one["url"] for one in answer.json()["link"] if one["relation"] == "next"), "")
    assert sorted(one for one in seen if "/new" not in one) == ["Encounter/e", *OBSERVATIONS, "Patient/p"]
    assert len(seen) == len(set(seen))


def test_types_times_and_changes_are_chosen(ward: House) -> None:
    assert ids(ward.get("Patient/p/$everything?_type=Observation,Encounter")) == ["Encounter/e", *OBSERVATIONS]
    only = ward.get("Patient/p/$everything?_type=Practitioner")
    assert ids(only) == [] and ids(only, "include") == ["Practitioner/doc"]
    told = ids(ward.get("Patient/p/$everything?start=2021&end=2022"))
    assert told == ["Observation/o1", "Observation/o2", "Patient/p"]
    since = ward.get("Observation/o4").json()["meta"]["lastUpdated"]
    assert ids(ward.get(f"Patient/p/$everything?_since={since}")) == ["Observation/o4"]


def test_what_makes_no_sense_or_is_not_there_is_refused(ward: House) -> None:
    assert issue(ward.get("Patient/nobody/$everything")) == (404, "not-found")
    for query in ("_count=0", "_type=Nothing", "_since=yesterday", "start=x", "_cursor=abc", "nonsense=1"):
        assert issue(ward.get(f"Patient/p/$everything?{query}"))[0] == 400, query
    stolen = ward.get("Patient/p/$everything?_count=3").json()["link"][1]["url"].replace("Patient/p", "Patient/q")
    assert issue(ward.get(stolen.removeprefix(BASE + "/")))[0] == 400
    ward.act_as(ward.member("west"))
    assert issue(ward.get("Patient/p/$everything")) == (404, "not-found")
