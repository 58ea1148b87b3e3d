"""Whom answers are about, however they are written (IHE BALP)."""

from __future__ import annotations

import pytest

from fhir.audit.recording import _about, _told
from fhir.format import json
from fhir.interaction.bundle import bundle, found
from fhir.interaction.entries import Room
from fhir.interaction.request import Answer, Asker, Request
from fhir.interaction.services import Limits
from fhir.store.search import Hit
from pacsd.access.scope import Scope

BASE = "http://pacs.example/fhir"


def hit(pk: int, kind: str, logical_id: str, **elements: object) -> Hit:
    return Hit(pk, kind, logical_id, json.write({"resourceType": kind, "id": logical_id, **elements}))


def about(answer: Answer) -> set[str]:
    return {one.id for one in _told(Request(Asker(Scope((1,), 1), 1), BASE, "GET"), answer)}


def test_a_page_is_about_the_patients_on_it() -> None:
    study = hit(1, "ImagingStudy", "s", subject={"reference": "Patient/p"})
    page = [found(BASE, study, "match"), found(BASE, hit(2, "Patient", "q"), "include")]
    assert about(Answer(200, resource=bundle("searchset", page))) == {"Patient/p", "Patient/q"}


def test_a_page_of_what_is_kept_is_about_the_same_patients() -> None:
    hits = [hit(1, "ImagingStudy", "s", subject={"reference": "Patient/p"}), hit(2, "Patient", "q"),
            hit(3, "Encounter", "e", subject={"reference": "Patient/"}, participant=[
                {"individual": {"type": "Patient", "reference": "Patient/r"}}])]  # fmt: skip
    page = bundle("searchset", [found(BASE, one, "match") for one in hits])
    assert about(Answer(200, resource=page, shown=hits)) == about(Answer(200, resource=page))
    assert about(Answer(200, resource=page, shown=hits)) == {"Patient/p", "Patient/q", "Patient/r"}


def test_entries_that_are_written_already_tell_what_they_wrote() -> None:
    room = Room(Limits())
    told = [
        room.left({"resource": {"resourceType": "Observation", "subject": {"reference": "Patient/p"}},
                   "response": {"status": "201 Created", "location": f"{BASE}/Observation/o/_history/1"}}),
        room.left({"response": {"status": "204 No Content"}}),
    ]  # fmt: skip
    answer = Answer(200, resource=bundle("transaction-response", told))
    assert about(answer) == {"Patient/p", "Observation/o"}


@pytest.mark.parametrize(("body", "named"), [
    ({"subject": {"reference": "Patient/p", "display": "Patient"}}, ["Patient/p"]),
    ({"subject": {"reference": "Patient/p"}, "link": {"other": {"reference": "Patient/q"}}}, ["Patient/p"]),
    ({"participant": [{"actor": {"reference": "Patient/p"}}, {"actor": {"reference": "Location/l"}}]}, ["Patient/p"]),
    ({"subject": {"type": "Patient", "reference": "Patient/p"}, "for": {"reference": "Patient/q"}},
     ["Patient/p", "Patient/q"]),
    ({"patient": {"identifier": {"value": "1"}, "reference": "Patient/p"}}, ["Patient/p"]),
    ({"subject": {"reference": "http://elsewhere/fhir/Patient/p"}}, ["Patient/p"]),
    ({"text": {"div": "see Patient/z"}, "subject": {"reference": "Patient/p"}}, ["Patient/p"]),
    ({"note": [{"text": '"subject":{"reference":"Patient/z"}'}], "subject": {"reference": "Patient/p"}}, ["Patient/p"]),
    ({"subject": {"identifier": {"type": {"coding": [{"code": "MR"}]}, "value": "1"}, "reference": "Patient/p"}},
     ["Patient/p"]),
    ({"subject": {"extension": [{"url": "u", "valueCoding": {"code": "{"}}], "reference": "Patient/p/_history/2"}},
     ["Patient/p"]),
    ({"entry": [{"item": {"subject": {"display": "}", "reference": "Patient/p"}}}]}, ["Patient/p"]),
    ({"subject": {"reference": "Patient/"}, "for": {"reference": "Patient/p"}}, ["Patient/p"]),
    ({"generalPractitioner": [{"reference": "Patient/z"}], "contained": [{"subject": {"reference": "#p"}}]}, []),
])  # fmt: skip
def test_whom_a_resource_is_about_is_found_however_it_is_written(body: dict[str, object], named: list[str]) -> None:
    assert list(_about(json.write(body))) == named


def test_resources_of_a_page_do_not_run_into_each_other() -> None:
    first = hit(1, "Observation", "o", subject={"display": "nobody"})
    other = hit(2, "Observation", "q", link={"reference": "Patient/z"}, focus={"reference": "Patient/y"})
    last = hit(3, "Observation", "r", subject={"reference": "http://elsewhere/Patient/p"})
    page = [found(BASE, one, "match") for one in (first, other, last)]
    assert about(Answer(200, resource=bundle("searchset", page))) == {"Patient/p"}
