"""Values that search parameters find (http://hl7.org/fhir/R4/search.html); nothing in a resource stops them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir import path
from fhir.definitions.search_parameters import Parameter, parameters
from fhir.definitions.structures import structures
from fhir.definitions.value_sets import required_codes
from fhir.format import json as fhir_json
from fhir.search import dates
from fhir.search.branches import branches
from fhir.search.elements import BOOLEANS, Place, Settings, conversion
from fhir.search.extract import extract
from fhir.search.text import narrative_of, text_of
from fhir.search.values import Found, Instants, Number, Quantity, Reference, Text, Token, Uri, Value


def found(resource: dict[str, Any], name: str, settings: Settings = Settings()) -> list[Value]:  # noqa: B008
    return [one.value for one in extract(resource, settings) if one.name == name]


def micros(*moment: int, zone: Any = UTC) -> int:
    return round(datetime(*moment, tzinfo=zone).timestamp()) * 1_000_000  # type: ignore[arg-type,misc]


PATIENT = {
    "resourceType": "Patient", "id": "p1",
    "meta": {"lastUpdated": "2020-01-01T00:00:00.123Z", "source": "urn:oid:1.2", "profile": ["http://e.org/p|1"],
             "tag": [{"system": "http://e.org/tags", "code": "t"}], "security": [{"code": "R"}]},
    "text": {"status": "generated", "div": "<div xmlns='x'><p>张三 &amp; <b>co</b></p></div>"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Inner"}],
    "identifier": [{"system": "urn:mrn", "value": "1|2", "type": {"text": "number", "coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}}, {"value": "only"}],
    "active": True, "gender": "female", "birthDate": "1970-06",
    "name": [{"text": "张 三", "family": "张", "given": ["三"], "prefix": ["Dr."]}],
    "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@b"}],
    "deceasedDateTime": "2020-02-29T12:00:00+08:00",
    "address": [{"use": "home", "line": ["Street 1"], "city": "苏州", "country": "CN"}],
    "generalPractitioner": [{"reference": "Practitioner/7/_history/3", "display": "Dr. Seven"},
                            {"identifier": {"system": "urn:x", "value": "y"}, "type": "Practitioner"}],
    "managingOrganization": {"reference": "#o"},
    "link": [{"other": {"reference": "https://here.org/fhir/Patient/2"}, "type": "replaced-by"},
             {"other": {"reference": "https://else.org/fhir/Patient/3"}, "type": "seealso"}],
}


def test_tokens_of_all_types() -> None:
    assert found(PATIENT, "identifier") == [Token("urn:mrn", "1|2"), Token("", "only")]
    assert found(PATIENT, "identifier:of-type") == [
        Token("http://terminology.hl7.org/CodeSystem/v2-0203", "MR|1|2")]
    assert found(PATIENT, "identifier:text") == [Text("number")]
    assert found(PATIENT, "active") == [Token(BOOLEANS, "true")]
    assert found(PATIENT, "gender") == [Token("http://hl7.org/fhir/administrative-gender", "female")]
    assert found(PATIENT, "telecom") == [Token("", "1"), Token("", "a@b")]
    assert found(PATIENT, "email") == [Token("", "a@b")] and found(PATIENT, "phone") == [Token("", "1")]
    assert found(PATIENT, "deceased") == [Token(BOOLEANS, "true")]
    assert found({"resourceType": "Patient"}, "deceased") == [Token(BOOLEANS, "false")]
    assert found(PATIENT, "_id") == [Token("", "p1")]
    assert found(PATIENT, "_tag") == [Token("http://e.org/tags", "t")]
    assert found(PATIENT, "_security") == [Token("", "R")]


def test_a_code_of_no_known_system_has_none() -> None:
    assert found({"resourceType": "Patient", "gender": "else"}, "gender") == [Token("", "else")]


def test_strings_are_the_parts_of_names_and_addresses() -> None:
    assert found(PATIENT, "name") == [Text("张 三"), Text("张"), Text("三"), Text("Dr.")]
    assert found(PATIENT, "family") == [Text("张")] and found(PATIENT, "given") == [Text("三")]
    assert found(PATIENT, "address") == [Text("Street 1"), Text("苏州"), Text("CN")]
    assert found(PATIENT, "address-city") == [Text("苏州")]


def test_references_lead_to_this_server_or_elsewhere() -> None:
    assert found(PATIENT, "general-practitioner") == [Reference("Practitioner", "7", "", "3")]
    assert found(PATIENT, "general-practitioner:text") == [Text("Dr. Seven")]
    assert found(PATIENT, "general-practitioner:identifier") == [Token("urn:x", "y")]
    assert found(PATIENT, "organization") == []
    assert found(PATIENT, "link") == [
        Reference("", "", "https://here.org/fhir/Patient/2"), Reference("", "", "https://else.org/fhir/Patient/3")]
    encounter = {"resourceType": "Encounter", "subject": {"reference": "Group/1"}}
    assert found(encounter, "subject") == [Reference("Group", "1", "")] and found(encounter, "patient") == []
    plan = {"resourceType": "CarePlan", "instantiatesCanonical": ["http://e.org/P|2"], "instantiatesUri": ["urn:u"]}
    assert found(plan, "instantiates-canonical") == [Reference("", "", "http://e.org/P", "2")]
    assert found(plan, "instantiates-uri") == [Uri("urn:u")]


def test_uris() -> None:
    assert found(PATIENT, "_profile") == [Uri("http://e.org/p|1")] and found(PATIENT, "_source") == [Uri("urn:oid:1.2")]


def test_dates_are_all_instants_they_may_mean() -> None:
    assert found(PATIENT, "birthdate") == [Instants(micros(1970, 6, 1), micros(1970, 7, 1))]
    china = ZoneInfo("Asia/Shanghai")
    assert found(PATIENT, "birthdate", Settings(zone=china)) == [
        Instants(micros(1970, 6, 1, zone=china), micros(1970, 7, 1, zone=china))]
    assert found(PATIENT, "death-date") == [Instants(micros(2020, 2, 29, 4), micros(2020, 2, 29, 4) + 1_000_000)]
    assert found(PATIENT, "_lastUpdated") == [Instants(micros(2020, 1, 1) + 123_000, micros(2020, 1, 1) + 124_000)]


@pytest.mark.parametrize(("text", "low", "high"), [
    ("2020", (2020, 1, 1), (2021, 1, 1)), ("2020-12", (2020, 12, 1), (2021, 1, 1)),
    ("2020-02-29", (2020, 2, 29), (2020, 3, 1)), ("2020-02-29T10:30Z", (2020, 2, 29, 10, 30), (2020, 2, 29, 10, 31)),
    ("2020-01-01T00:00:60Z", (2020, 1, 1, 0, 1), (2020, 1, 1, 0, 1, 1)),
    ("2020-01-01T00:30:00-05:30", (2020, 1, 1, 6), (2020, 1, 1, 6, 0, 1)),
    ("0001", (1, 1, 1), (2, 1, 1)), ("9998", (9998, 1, 1), (9999, 1, 1)),
])  # fmt: skip
def test_the_range_of_a_date(text: str, low: tuple[int, ...], high: tuple[int, ...]) -> None:
    assert dates.instants(text) == Instants(micros(*low), micros(*high))


def test_the_last_day_there_is_ends() -> None:
    for zone in (UTC, ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")):
        for text in ("9999", "9999-12-31", "0001-01-01", "0001"):
            told = dates.instants(text, zone)
            assert told is not None and told.low < told.high


@pytest.mark.parametrize("text", [
    "", "20200101", "2020-13", "2020-02-30", "2020-1", "2020-01-01T25:00:00Z", "2020-01-01T10", "0000", "99999",
    "２０２０", "2020-01-01T00:00:61Z", "2020-01-01T00:61:00Z", None, 2020, {}, ["2020"],
])  # fmt: skip
def test_what_is_no_date_is_not_found(text: Any) -> None:
    assert dates.instants(text) is None
    assert found({"resourceType": "Patient", "birthDate": text}, "birthdate") in ([], found(
        {"resourceType": "Patient", "birthDate": "2020"}, "birthdate"))


def test_periods_and_timings_have_outer_limits() -> None:
    encounter: dict[str, Any] = {"resourceType": "Encounter", "period": {"start": "2020-01-01"}}
    assert found(encounter, "date") == [Instants(micros(2020, 1, 1), dates.LATEST)]
    encounter["period"] = {"end": "2020-01-01"}
    assert found(encounter, "date") == [Instants(dates.EARLIEST, micros(2020, 1, 2))]
    encounter["period"] = {"start": "2021", "end": "2020"}
    assert found(encounter, "date") == []
    request = {"resourceType": "ServiceRequest", "occurrenceTiming": {
        "event": ["2020-03-01", "2020-01-01"],
        "repeat": {"boundsPeriod": {"start": "2020-02-01", "end": "2020-05-01"}}}}
    assert found(request, "occurrence") == [Instants(micros(2020, 1, 1), micros(2020, 5, 2))]


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "code": {"coding": [{"system": "http://loinc.org", "code": "1"}]}} | elements


def test_quantities_are_exact_or_reach_over_a_range() -> None:
    unit = {"system": "http://unitsofmeasure.org", "code": "mg", "unit": "mg"}
    told = ("http://unitsofmeasure.org", "mg", "mg")
    quantity = observation(valueQuantity={"value": Decimal("1.10"), **unit})
    assert found(quantity, "value-quantity") == [Quantity(Decimal("1.10"), Decimal("1.10"), *told)]
    below = observation(valueQuantity={"value": 5, "comparator": "<", **unit})
    assert found(below, "value-quantity") == [Quantity(None, Decimal(5), *told)]
    samples = observation(valueSampledData={"origin": {"value": 10, **unit}, "factor": Decimal("0.5"),
                                            "data": "2 -4 E U x 1e999999999999999999999"})
    assert found(samples, "value-quantity") == [Quantity(Decimal("8.0"), Decimal("11.0"), *told)]
    condition = {"resourceType": "Condition", "onsetRange": {"low": {"value": 1, "unit": "a"}}}
    assert found(condition, "onset-age") == [Quantity(Decimal(1), None, "", "", "a")]
    invoice = {"resourceType": "Invoice", "totalNet": {"value": 3, "currency": "CNY"}}
    assert found(invoice, "totalnet") == [
        Quantity(Decimal(3), Decimal(3), "urn:iso:std:iso:4217", "CNY", "CNY")]


def test_numbers() -> None:
    risk = {"resourceType": "RiskAssessment", "prediction": [
        {"probabilityDecimal": Decimal("0.5")}, {"probabilityRange": {"high": {"value": 2}}}]}
    assert found(risk, "probability") == [Number(Decimal("0.5"), Decimal("0.5")), Number(None, Decimal(2))]


@pytest.mark.parametrize("number", [Decimal("1e401"), Decimal("1e-401"), 10**500, Decimal("1" * 500), True, "7", None,
                                    Decimal("NaN"), Decimal("Infinity"), [], {}])
def test_numbers_that_are_not_compared_are_not_found(number: Any) -> None:
    assert found(observation(valueQuantity={"value": number}), "value-quantity") == []


def test_large_numbers_are_compared_exactly() -> None:
    told = found(observation(valueQuantity={"value": Decimal("1e399")}), "value-quantity")[0]
    assert isinstance(told, Quantity) and told.low == Decimal("1e399")
    exact = Decimal("123456789012345678901234567890.5")
    told = found(observation(valueQuantity={"value": exact}), "value-quantity")[0]
    assert isinstance(told, Quantity) and told.high == exact


def test_parts_of_a_composite_share_a_position() -> None:
    pressure = observation(component=[
        {"code": {"coding": [{"code": "sys"}]}, "valueQuantity": {"value": 120}},
        {"code": {"coding": [{"code": "text"}]}, "valueString": "x"},
        {"code": {"coding": [{"code": "dia"}]}, "valueQuantity": {"value": 80}}])
    told = [one for one in extract(pressure) if one.name.startswith("component-code-value-quantity#")]
    assert [(one.name[-1], one.position, one.value[1]) for one in told] == [
        ("1", 0, "sys"), ("2", 0, Decimal(120)), ("1", 1, "dia"), ("2", 1, Decimal(80))]
    assert not [one for one in extract(pressure) if one.name.startswith("code-value-quantity")]
    related = {"resourceType": "DocumentReference", "relatesTo": [
        {"code": "replaces", "target": {"reference": "DocumentReference/1"}}]}
    assert found(related, "relationship#1") == [Reference("DocumentReference", "1", "")]
    assert found(related, "relationship#2") == [Token("http://hl7.org/fhir/document-relationship-type", "replaces")]


def test_every_parameter_has_values_it_can_find() -> None:
    for codes in parameters().values():
        for one in codes.values():
            if not one.expression or one.type in ("composite", "special"):
                continue
            ways = branches(one.expression, one.resource, one.resource)
            assert ways is None or any(conversion(one.type, way.type) for way in ways), one
    assert [(one.resource, one.code) for codes in parameters().values() for one in codes.values()
            if one.expression and branches(one.expression, one.resource, one.resource) is None] == [
        ("Bundle", "composition"), ("Bundle", "message"), ("Patient", "deceased")]


def test_the_first_resource_of_a_bundle() -> None:
    bundle = {"resourceType": "Bundle", "type": "document", "entry": [
        {"resource": {"resourceType": "Composition", "id": "c"}}, {"resource": {"resourceType": "Patient", "id": "p"}}]}
    assert found(bundle, "composition") == [Reference("Composition", "c", "")]


def test_text_for_full_text_search() -> None:
    assert narrative_of(PATIENT) == "张三 & co"
    lines = text_of(PATIENT).split("\n")
    assert {"张三 & co", "苏州", "三", "Inner", "Dr. Seven", "female"} <= set(lines)
    assert not {"p1", "urn:mrn", "Patient"} & set(lines)
    assert narrative_of({"resourceType": "Patient", "text": "x"}) == ""
    assert text_of({"resourceType": "Nothing", "a": "b"}) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals() | st.just("9999-12-31")
    | st.sampled_from(["\ud800", "\0", "Patient/1", "#", "http://x", "2020", Decimal("1e400")]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(
        ["coding", "system", "code", "value", "reference", "identifier", "start", "low", "origin", "data", "event",
         "given", "type", "display", "repeat", "extension"]), one, max_size=4), max_leaves=12)


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(["Patient", "Observation", "RiskAssessment", "Bundle", "ServiceRequest", "CarePlan"]),
       values=st.lists(JSON, min_size=1, max_size=12))
def test_no_content_of_a_resource_stops_extraction(kind: str, values: list[Any]) -> None:
    keys = ["id", "meta", "name", "identifier", "valueQuantity", "valueSampledData", "code", "component", "entry",
            "occurrenceTiming", "subject", "birthDate", "contained", "prediction", "telecom", "text"]
    resource = {"resourceType": kind} | dict(zip(keys, values, strict=False))
    for one in extract(resource):
        for part in one.value:
            if isinstance(part, str):
                part.encode()
    narrative_of(resource), text_of(resource)


def test_the_walk_finds_what_the_expressions_find(data_folder: Path) -> None:
    """Keys taken from the definitions lead to the same elements as evaluating the expressions."""
    compared = 0
    for file in sorted(data_folder.glob("fhir_r4/examples*/*.json")):
        resource = fhir_json.read(file.read_bytes())
        told = extract(resource)
        for one in parameters()[resource["resourceType"]].values():
            if not one.expression or one.type in ("composite", "special"):
                continue
            suffixed = {one.code, *(f"{one.code}:{suffix}" for suffix in ("text", "of-type", "identifier"))}
            walked = {(found.name, found.value) for found in told if found.name in suffixed}
            evaluated = {(one.code + suffix, value) for suffix, value in _evaluated(one, resource)}
            assert evaluated <= walked, one
            # a union leaves out a quantity that equals another, though one of them may lack a system
            assert all(isinstance(value, Quantity) for _, value in walked - evaluated), one
            compared += len(walked)
    assert compared > 1_000


def _evaluated(parameter: Parameter, resource: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    for node in path.compile(parameter.expression).evaluate(path.resource(resource)):
        convert = conversion(parameter.type, node.type)
        if convert is not None:
            owner = structures()[node.parent.type].keys[node.key].element if node.parent else None
            binding = owner.binding if owner else None
            listed = required_codes().get(binding.value_set) if binding and binding.strength == "required" else None
            systems = {code: system for system, codes in (listed or {}).items() for code in codes}
            yield from convert(Place(systems, Settings()), node.value)


def test_all_examples_are_extracted(data_folder: Path) -> None:
    files = [*data_folder.glob("fhir_r4/examples*/*.json")]
    assert len(files) > 60
    for file in files:
        resource = fhir_json.read(file.read_bytes())
        told = extract(resource)
        assert (Found("_id", Token("", resource.get("id", ""))) in told) is ("id" in resource)
