"""What search and validation ask."""

import pytest

from fhir.terminology.library import Definitions, Library
from fhir.terminology.port import Codes
from pacsd.faults import Fault, PacsdError
from tests.fhir.terminology.test_value_set import Shelf, system, value_set

TREE = system("urn:s", {"code": "a", "concept": [{"code": "b", "concept": [{"code": "c"}]}, {"code": "d"}]})


def codes(*resources: dict[str, object]) -> Codes:
    return Codes(Library([Shelf(*resources), Definitions()]))


def test_validation_is_undecided_where_a_code_system_is_not_known() -> None:
    ours = codes(value_set("urn:vs", {"system": "urn:nowhere"}))
    genders = "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"
    assert ours.validate_code(genders, "http://hl7.org/fhir/administrative-gender", "male") is True
    assert ours.validate_code(genders, None, "男") is False
    assert ours.validate_code("urn:vs", "urn:nowhere", "a") is None
    assert ours.validate_code("urn:no value set", "urn:s", "a") is None


def test_searches_are_told_what_is_in_above_and_below() -> None:
    ours = codes(TREE, value_set("urn:vs", {"system": "urn:s", "concept": [{"code": "b"}, {"code": "d"}]}))
    assert ours.members("urn:vs") == [("urn:s", "b"), ("urn:s", "d")]
    assert ours.below("urn:s", "b") == [("urn:s", "b"), ("urn:s", "c")]
    assert ours.above("urn:s", "c") == [("urn:s", "c"), ("urn:s", "b"), ("urn:s", "a")]


def test_a_search_by_too_many_codes_is_refused() -> None:
    many = system("urn:many", *(f"c{number}" for number in range(10_001)))
    with pytest.raises(PacsdError) as raised:
        codes(many, value_set("urn:vs", {"system": "urn:many"})).members("urn:vs")
    assert raised.value.fault is Fault.TOO_BROAD
