"""Parts of resources hold what was asked for, and what must be there."""

from pathlib import Path
from typing import Any

from fhir.format import json
from fhir.format.summary import SUBSETTED, Summary, elements, summary

PATIENT: dict[str, Any] = {
    "resourceType": "Patient", "id": "p", "meta": {"versionId": "3", "tag": [{"code": "x"}]},
    "text": {"status": "generated", "div": "<div/>"}, "extension": [{"url": "http://x", "valueCode": "y"}],
    "active": True, "name": [{"id": "n", "family": "A", "extension": [{"url": "http://x", "valueCode": "y"}]}],
    "photo": [{"contentType": "image/png", "data": "AAAA", "title": "t"}],
    "birthDate": "1970", "_birthDate": {"id": "b"}, "contact": [{"name": {"family": "B"}}], "multipleBirthInteger": 2,
    "link": [{"other": {"reference": "Patient/q"}, "type": "seealso"}],
}  # fmt: skip
TAGGED = {"versionId": "3", "tag": [{"code": "x"}, SUBSETTED]}


def test_a_summary_holds_what_the_definitions_mark() -> None:
    told = summary(PATIENT, Summary.TRUE)
    assert told == {"resourceType": "Patient", "id": "p", "meta": TAGGED, "active": True, "name": [{"family": "A"}],
                    "birthDate": "1970", "_birthDate": {"id": "b"}, "link": PATIENT["link"]}
    assert list(told)[:3] == ["resourceType", "id", "meta"]


def test_a_summary_goes_into_data_types() -> None:
    told = summary({"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"},
                    "presentedForm": [{"contentType": "image/png", "data": "AAAA", "title": "t"}],
                    "media": [{"comment": "c", "link": {"reference": "Media/1"}}]}, Summary.TRUE)
    assert told["media"] == [{"link": {"reference": "Media/1"}}] and "presentedForm" not in told


def test_text_data_and_all() -> None:
    assert summary(PATIENT, Summary.TEXT) == {"resourceType": "Patient", "id": "p", "meta": TAGGED,
                                              "text": PATIENT["text"], "active": True, "link": PATIENT["link"]}
    told = summary(PATIENT, Summary.DATA)
    assert told.keys() == PATIENT.keys() - {"text"} and told["meta"] == TAGGED
    assert summary(PATIENT, Summary.FALSE) == PATIENT


def test_a_count_has_no_entries() -> None:
    told = summary({"resourceType": "Bundle", "type": "searchset", "total": 3, "entry": [{}]}, Summary.COUNT)
    assert told == {"resourceType": "Bundle", "meta": {"tag": [SUBSETTED]}, "type": "searchset", "total": 3}


def test_elements_are_named_with_and_without_their_type() -> None:
    told = elements(PATIENT, ["Patient.birthDate", "multipleBirth", "nothing"])
    assert told.keys() == {"resourceType", "id", "meta", "active", "birthDate", "_birthDate", "multipleBirthInteger",
                           "link"}


def test_elements_that_must_be_there_stay() -> None:
    told = elements({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueString": "v"},
                    ["id"])
    assert told == {"resourceType": "Observation", "meta": {"tag": [SUBSETTED]}, "status": "final",
                    "code": {"text": "x"}}


def test_a_summary_says_it_is_one_once() -> None:
    once = summary(PATIENT, Summary.TRUE)
    assert summary(once, Summary.TRUE) == once


def test_summaries_of_all_examples_can_be_made(data_folder: Path) -> None:
    for path in sorted((data_folder / "fhir_r4").rglob("*.json")):
        told = json.read(path.read_bytes())
        for asked in Summary:
            part = summary(told, asked)
            assert part["resourceType"] == told["resourceType"] and set(part) <= {*told, "meta"}, path.name
