"""Whom answers are about, however they are written (IHE BALP)."""

from __future__ import annotations

from fhir.audit.recording import _told
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


def test_entries_that_are_written_already_tell_what_they_wrote() -> None:
    room = Room(Limits())
    told = [
        room.left({"resource": {"resourceType": "Observation", "subject": {"reference": "Patient/p"}},
                   "response": {"status": "201 Created", "location": f"{BASE}/Observation/o/_history/1"}}),
        room.left({"response": {"status": "204 No Content"}}),
    ]  # fmt: skip
    answer = Answer(200, resource=bundle("transaction-response", told))
    assert about(answer) == {"Patient/p", "Observation/o"}
