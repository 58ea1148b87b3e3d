"""Lookup, validation, subsumption and translation."""

from typing import Any

import pytest

from fhir.definitions.terminology import value_sets
from fhir.terminology.library import Definitions, Library
from fhir.terminology.lookup import lookup
from fhir.terminology.subsumes import subsumes
from fhir.terminology.translate import Wanted, translate
from fhir.terminology.validate_code import in_code_system, in_value_set
from fhir.terminology.value_set import Composition
from pacsd.faults import Fault, PacsdError
from tests.fhir.terminology.test_value_set import Shelf, system

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
GENDER = "http://hl7.org/fhir/administrative-gender"


def library(*resources: dict[str, Any]) -> Library:
    return Library([Shelf(*resources), Definitions()])


def values(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return [value for row in rows if row["name"] == name for key, value in row.items() if key != "name"]


def test_lookup_tells_a_concept_with_what_is_above_it() -> None:
    told = lookup(library(), system=ACT, code="IMP")
    assert values(told, "display") == ["inpatient encounter"]
    parents = [parts[1]["valueCode"] for parts in values(told, "property") if parts[0]["valueCode"] == "parent"]
    assert parents == ["_ActEncounterCode"]


def test_lookup_of_an_unknown_code_or_system_finds_nothing() -> None:
    for where, code in ((ACT, "no such code"), ("urn:nowhere", "a")):
        with pytest.raises(PacsdError) as raised:
            lookup(library(), system=where, code=code)
        assert raised.value.fault is Fault.NOT_FOUND


def test_lookup_answers_in_a_language() -> None:
    one = system("urn:s", {"code": "a", "display": "Chest", "designation": [{"language": "zh-CN", "value": "胸部"}]})
    assert values(lookup(library(one), system="urn:s", code="a", language="zh"), "display") == ["胸部"]
    assert values(lookup(library(one), system="urn:s", code="a", language="fr"), "display") == ["Chest"]


@pytest.mark.parametrize(("first", "second", "outcome"), [
    ("_ActEncounterCode", "IMP", "subsumes"), ("IMP", "_ActEncounterCode", "subsumed-by"),
    ("IMP", "IMP", "equivalent"), ("IMP", "AMB", "not-subsumed"),
])  # fmt: skip
def test_subsumption_follows_the_hierarchy(first: str, second: str, outcome: str) -> None:
    assert subsumes(library(), system=ACT, code_a=first, code_b=second) == outcome


def test_a_hierarchy_of_parts_subsumes_nothing() -> None:
    parts = system("urn:s", {"code": "a", "concept": [{"code": "b"}]}, hierarchyMeaning="part-of")
    with pytest.raises(PacsdError) as raised:
        subsumes(library(parts), system="urn:s", code_a="a", code_b="b")
    assert raised.value.fault is Fault.UNSUPPORTED


def test_a_hierarchy_in_a_circle_ends() -> None:
    ring = system("urn:s", {"code": "a", "property": [{"code": "parent", "valueCode": "b"}]},
                  {"code": "b", "property": [{"code": "parent", "valueCode": "a"}]}, {"code": "c"})  # fmt: skip
    assert subsumes(library(ring), system="urn:s", code_a="c", code_b="a") == "not-subsumed"


def test_a_code_is_validated_with_its_display() -> None:
    ours = Composition(library())
    genders = value_sets()["http://hl7.org/fhir/ValueSet/administrative-gender"]
    assert in_value_set(ours, genders, [{"system": GENDER, "code": "male"}]).result
    assert in_value_set(ours, genders, [{"system": GENDER, "code": "male", "display": "MALE"}]).result
    assert in_value_set(ours, genders, [{"code": "male"}]).result
    wrong = in_value_set(ours, genders, [{"system": GENDER, "code": "male", "display": "Female"}])
    assert (wrong.result, wrong.display) == (False, "Male")
    assert not in_value_set(ours, genders, [{"system": GENDER, "code": "男"}]).result
    assert not in_value_set(ours, genders, [{"system": "urn:other", "code": "male"}]).result
    either = [{"system": "urn:other", "code": "1"}, {"system": GENDER, "code": "male"}]
    assert in_value_set(ours, genders, either).result


def test_a_code_of_a_code_system_is_validated_in_its_version() -> None:
    versions = [system("urn:icd", "A00", version="2.0"), system("urn:icd", "A00", "A01", version="1.0")]
    ours = library(*versions)
    assert not in_code_system(ours, None, {"system": "urn:icd", "code": "A01"}).result
    assert in_code_system(ours, None, {"system": "urn:icd", "version": "1.0", "code": "A01"}).result
    assert not in_code_system(ours, None, {"system": "urn:icd", "code": "a00"}).result
    with pytest.raises(PacsdError):
        in_code_system(ours, None, {"system": "urn:icd", "version": "3.0", "code": "A01"})


def test_case_does_not_matter_where_the_code_system_says_so() -> None:
    one = system("urn:s", "Abc", caseSensitive=False)
    assert in_code_system(library(one), None, {"system": "urn:s", "code": "aBC"}).result


def concept_map(*elements: dict[str, Any], **group: Any) -> dict[str, Any]:
    return {"resourceType": "ConceptMap", "url": "urn:map", "sourceUri": "urn:from", "targetUri": "urn:to",
            "group": [{"source": "urn:a", "target": "urn:b", "element": list(elements), **group}]}  # fmt: skip


def test_translation_goes_both_ways() -> None:
    one = concept_map({"code": "CT1", "target": [{"code": "CT", "equivalence": "wider"}]})
    told = translate([one], [{"system": "urn:a", "code": "CT1"}], Wanted())
    assert values(told, "result") == [True]
    assert values(told, "match")[0][:2] == [
        {"name": "equivalence", "valueCode": "wider"},
        {"name": "concept", "valueCoding": {"system": "urn:b", "code": "CT"}}]
    back = translate([one], [{"system": "urn:b", "code": "CT"}], Wanted(reverse=True))
    assert values(back, "match")[0][0] == {"name": "equivalence", "valueCode": "narrower"}


def test_what_no_map_names_is_not_translated_unless_the_map_says_how() -> None:
    code = [{"system": "urn:a", "code": "XX"}]
    assert values(translate([concept_map()], code, Wanted()), "result") == [False]
    same = concept_map(unmapped={"mode": "provided"})
    assert values(translate([same], code, Wanted()), "match")[0][1]["valueCoding"]["code"] == "XX"
    assert values(translate([same], code, Wanted(target_system="urn:c")), "result") == [False]
    assert values(translate([same], code, Wanted(source="urn:elsewhere")), "result") == [False]


def test_a_code_that_is_said_to_have_no_equal_is_not_translated() -> None:
    one = concept_map({"code": "XX", "target": [{"equivalence": "unmatched"}]})
    assert values(translate([one], [{"system": "urn:a", "code": "XX"}], Wanted()), "result") == [False]
