"""Resources are checked by the definitions, and what is wrong is told with its place."""

import copy
import json as plain
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir.definitions.structures import structures
from fhir.format import json, xml
from fhir.validation.check import check
from fhir.validation.report import MOST

LACKING = {  # types of R4 that the models of fhir.resources (R4B) do not have
    "EffectEvidenceSynthesis", "MedicinalProduct", "MedicinalProductAuthorization", "MedicinalProductContraindication",
    "MedicinalProductIndication", "MedicinalProductIngredient", "MedicinalProductInteraction",
    "MedicinalProductManufactured", "MedicinalProductPackaged", "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect", "RiskEvidenceSynthesis", "SubstanceNucleicAcid", "SubstancePolymer",
    "SubstanceProtein", "SubstanceReferenceInformation", "SubstanceSourceMaterial", "SubstanceSpecification",
}  # fmt: skip
INVALID = {  # published examples that break a rule of 4.0.1, and which
    "bundle-questionnaire.json": "required", "codesystem-example.json": "invariant",
    "devicemetric-example.json": "invalid", "deviceusestatement-example.json": "invalid",
    "medicationrequest0301.json": "invalid", "InvalidCompartmentDefinition.json": "invariant",
}  # fmt: skip


def told(resource: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Severity, code and place of each issue; best practice left out."""
    return [(one.severity, one.code, one.expression[0]) for one in check(resource) if one.severity != "information"]


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **elements}


@pytest.mark.parametrize(("elements", "code", "place"), [
    ({"nothing": 1}, "structure", "Patient.nothing"),
    ({"no name!": 1}, "structure", "Patient.`no name!`"),
    ({"name": {"family": "A"}}, "structure", "Patient.name"),
    ({"name": []}, "structure", "Patient.name"),
    ({"name": None}, "structure", "Patient.name"),
    ({"name": [None]}, "structure", "Patient.name[0]"),
    ({"name": [{}]}, "structure", "Patient.name[0]"),
    ({"name": [{"id": "a"}]}, "invariant", "Patient.name[0]"),
    ({"name": [{"given": ["A", ""]}]}, "structure", "Patient.name[0].given[1]"),
    ({"name": [{"given": ["A", None]}]}, "structure", "Patient.name[0].given[1]"),
    ({"name": [{"given": ["A", 7]}]}, "structure", "Patient.name[0].given[1]"),
    ({"name": [{"given": ["A"], "_given": [None, {"id": "b"}]}]}, "structure", "Patient.name[0].given"),
    ({"name": [{"_given": [None]}]}, "structure", "Patient.name[0].given[0]"),
    ({"name": [{"family": "a\0b"}]}, "value", "Patient.name[0].family"),
    ({"name": [{"family": "x" * 1_048_577}]}, "too-long", "Patient.name[0].family"),
    ({"gender": ["male"]}, "structure", "Patient.gender"),
    ({"gender": "m"}, "code-invalid", "Patient.gender"),
    ({"gender": " male"}, "value", "Patient.gender"),
    ({"active": "true"}, "structure", "Patient.active"),
    ({"active": 1}, "structure", "Patient.active"),
    ({"_active": {"id": "a"}}, "invariant", "Patient.active"),
    ({"_active": {"value": True}}, "structure", "Patient.active.value"),
    ({"_id": {}, "id": "a"}, "structure", "Patient.id"),
    ({"birthDate": "1970-02-30"}, "value", "Patient.birthDate"),
    ({"birthDate": "2023-02-29"}, "value", "Patient.birthDate"),
    ({"birthDate": "1970-13"}, "value", "Patient.birthDate"),
    ({"birthDate": "0000"}, "value", "Patient.birthDate"),
    ({"birthDate": "1970-01-01T10:00:00Z"}, "value", "Patient.birthDate"),
    ({"birthDate": 1970}, "structure", "Patient.birthDate"),
    ({"deceasedDateTime": "1970-01-01T10:00:00"}, "value", "Patient.deceased.ofType(dateTime)"),
    ({"deceasedDateTime": "1970-01-01T24:00:00Z"}, "value", "Patient.deceased.ofType(dateTime)"),
    ({"deceasedDateTime": "1970", "deceasedBoolean": True}, "structure", "Patient"),
    ({"multipleBirthInteger": Decimal("2.0")}, "value", "Patient.multipleBirth.ofType(integer)"),
    ({"multipleBirthInteger": 2_147_483_648}, "value", "Patient.multipleBirth.ofType(integer)"),
    ({"multipleBirthInteger": True}, "structure", "Patient.multipleBirth.ofType(integer)"),
    ({"id": "a_b"}, "value", "Patient.id"),
    ({"id": "x" * 65}, "value", "Patient.id"),
    ({"language": "en_US"}, "code-invalid", "Patient.language"),
    ({"implicitRules": "a b"}, "value", "Patient.implicitRules"),
    ({"meta": {"lastUpdated": "2020-01-01"}}, "value", "Patient.meta.lastUpdated"),
    ({"photo": [{"contentType": "png"}]}, "code-invalid", "Patient.photo[0].contentType"),
    ({"photo": [{"contentType": "image/png", "data": "AAA"}]}, "value", "Patient.photo[0].data"),
    ({"photo": [{"contentType": "image/png", "data": "AA*="}]}, "value", "Patient.photo[0].data"),
    ({"communication": [{"preferred": True}]}, "required", "Patient.communication[0]"),
    ({"link": [{"other": {"reference": "Observation/1"}, "type": "seealso"}]}, "invalid",
     "Patient.link[0].other.reference"),
    ({"link": [{"other": {"type": "Observation"}, "type": "seealso"}]}, "invalid", "Patient.link[0].other.type"),
    ({"link": [{"other": {"reference": "Nothing/1"}, "type": "seealso"}]}, "value", "Patient.link[0].other.reference"),
    ({"generalPractitioner": [{"reference": "#a"}]}, "invariant", "Patient.generalPractitioner[0].reference"),
    ({"contained": [{"resourceType": "Organization", "name": "a"}]}, "invariant", "Patient.contained[0]"),
    ({"contained": [{"resourceType": "Nothing"}]}, "structure", "Patient.contained[0].resourceType"),
    ({"contained": [7]}, "structure", "Patient.contained[0]"),
    ({"extension": [{"valueCode": "a"}]}, "required", "Patient.extension[0]"),
    ({"extension": [{"url": "http://x.org", "valueThing": "a"}]}, "structure", "Patient.extension[0].valueThing"),
    ({"extension": [{"url": "http://x.org", "valueUuid": "urn:uuid:1"}]}, "value",
     "Patient.extension[0].value.ofType(uuid)"),
    ({"extension": [{"url": "http://x.org", "valueOid": "urn:oid:1.2.03"}]}, "value",
     "Patient.extension[0].value.ofType(oid)"),
    ({"extension": [{"url": "http://x.org", "valueMoney": {"value": 1, "currency": "XXY"}}]}, "code-invalid",
     "Patient.extension[0].value.ofType(Money).currency"),
    ({"text": {"status": "generated", "div": "<div><p></div>"}}, "structure", "Patient.text.div"),
    ({"text": {"status": "generated", "div": "<p>a</p>"}}, "structure", "Patient.text.div"),
    ({"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">&nbsp;</div>'}}, "structure",
     "Patient.text.div"),
    ({"text": {"status": "generated", "div": '<!DOCTYPE a [<!ENTITY b "c">]><div>&b;</div>'}}, "structure",
     "Patient.text.div"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(elements: dict[str, Any], code: str, place: str) -> None:
    assert ("error", code, place) in told(patient(**elements))


@pytest.mark.parametrize("elements", [
    {}, {"id": "A-1.b"}, {"birthDate": "2024-02-29"}, {"birthDate": "1970"}, {"_birthDate": {"extension": [
        {"url": "http://x.org", "valueCode": "a"}]}}, {"active": True, "_active": {"id": "a"}},
    {"name": [{"given": ["A", None], "_given": [None, {"extension": [{"url": "http://x.org", "valueCode": "a"}]}]}]},
    {"name": [{"_given": [{"extension": [{"url": "http://x.org", "valueCode": "a"}]}]}]},
    {"name": [{"text": "张\u3000三"}]}, {"deceasedDateTime": "1970-01-01T23:59:60+14:00"}, {"language": "zh-Hans-CN"},
    {"photo": [{"contentType": "image/svg+xml; charset=utf-8", "data": "AA ==\n"}]}, {"multipleBirthInteger": 0},
    {"link": [{"other": {"reference": "http://x.org/fhir/Patient/1/_history/2", "type": "Patient"}, "type": "refer"}]},
    {"link": [{"other": {"reference": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}, "type": "refer"}]},
    {"managingOrganization": {"identifier": {"system": "urn:oid:1.2.3", "value": "a"}, "type": "Organization"}},
    {"extension": [{"url": "http://x.org", "valueQuantity": {"value": Decimal("1.10"), "code": "mm[Hg]",
                                                           "system": "http://unitsofmeasure.org"}}]},
])  # fmt: skip
def test_what_is_right_is_not_complained_of(elements: dict[str, Any]) -> None:
    assert told(patient(**elements)) == []


def test_resources_in_bundles_and_parameters_are_checked() -> None:
    inner = patient(gender="m", contained=[{"resourceType": "Organization", "id": "o"}],
                    managingOrganization={"reference": "#o"})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}]}
    assert ("error", "code-invalid", "Bundle.entry[0].resource.gender") in told(bundle)
    assert ("error", "invariant", "Bundle.entry[0].resource.contained[0]") in told(bundle)       # org-1
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "a", "part": [{"name": "b",
         "resource": inner}]}]}
    assert ("error", "code-invalid", "Parameters.parameter[0].part[0].resource.gender") in told(parameters)


def test_contained_resources_of_one_entry_are_not_those_of_another() -> None:
    one = patient(contained=[{"resourceType": "Organization", "id": "o", "name": "o"}],
                  managingOrganization={"reference": "#o"})
    other = patient(managingOrganization={"reference": "#o"})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one}, {"resource": other}]}
    assert told(bundle) == [("error", "invariant", "Bundle.entry[1].resource.managingOrganization.reference")]


@pytest.mark.parametrize("body", [7, [], "Patient", None, {}, {"resourceType": 7}, {"resourceType": "DomainResource"},
                                  {"resourceType": ["Patient"]}])  # fmt: skip
def test_what_is_no_resource_is_told(body: Any) -> None:
    assert [one.code for one in check(body)] == ["structure"]


def test_a_concept_of_a_required_binding_has_such_a_code() -> None:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    def condition(status: dict[str, Any]) -> list[tuple[str, str, str]]:
        return told({"resourceType": "Condition", "subject": {"display": "a"}, "clinicalStatus": status})
    assert condition({"coding": [{"code": "other"}, {"system": system, "code": "active"}]}) == []
    wrong = [("error", "code-invalid", "Condition.clinicalStatus")]
    assert condition({"coding": [{"system": "http://x.org", "code": "active"}]}) == wrong
    assert condition({"text": "active"}) == wrong


def test_units_that_ucum_does_not_write_are_a_warning() -> None:
    quantity = {"value": 1, "system": "http://unitsofmeasure.org", "code": "mm Hg"}
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "a"}, "valueQuantity": quantity}
    assert told(resource) == [("warning", "code-invalid", "Observation.value.ofType(Quantity)")]


def test_the_number_of_issues_is_bounded() -> None:
    issues = check(patient(name=[{"nothing": 1}] * 10_000))
    assert len(issues) == MOST + 1 and issues[-1].diagnostics == "9800 more are not listed"


def test_hints_leave_room_for_errors() -> None:
    entries = [{"resource": patient()} for _ in range(500)]
    entries.append({"resource": patient(gender="m")})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    assert told(bundle) == [("error", "code-invalid", "Bundle.entry[500].resource.gender")]


def test_rules_over_many_elements_come_to_an_end() -> None:
    codings = [{"system": "http://x.org", "code": f"c{number}"} for number in range(3_000)]
    resource = {"resourceType": "Observation", "status": "final", "code": {"coding": codings}, "valueString": "a",
                "component": [{"code": {"coding": [{"system": "http://x.org", "code": "d"}]}}] * 3_000}
    assert [one for one in told(resource) if one[0] == "error"] == []


def resources(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((folder / "fhir_r4").rglob("*.*")):
        yield path.name, (json if path.suffix == ".json" else xml).read(path.read_bytes())


def test_examples_are_valid_but_for_those_that_are_not(data_folder: Path) -> None:
    found = {name: {one.code for one in check(resource) if one.severity == "error"}
             for name, resource in resources(data_folder)}
    assert {name: codes for name, codes in found.items() if codes} == {name: {code} for name, code in INVALID.items()}


def second(resource: dict[str, Any]) -> bool:
    """Whether the models of fhir.resources take it."""
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate_json(json.write(resource))
    except (ValueError, TypeError):      # the latter is a defect of theirs
        return False
    return True


def sound(resource: dict[str, Any]) -> bool:
    """Whether we do; they know nothing of codes, references and rules."""
    return not any(one.severity == "error" and one.code in ("structure", "value", "required", "too-long")
                   for one in check(resource))


def test_fhir_resources_lacks_18_types() -> None:
    lacking = set()
    for name in structures().resource_types:
        try:
            get_fhir_model_class(name)
        except ValueError:
            lacking.add(name)
    assert lacking == LACKING


MUTATIONS = ("drop", "text", "object", "list", "unknown")


def mutated(resource: dict[str, Any], key: str, how: str) -> dict[str, Any]:
    """The resource with one element spoilt, or perhaps not."""
    made = copy.deepcopy(resource)
    if how == "drop":
        del made[key]
    elif how == "unknown":
        made["unknown"] = 1
    else:
        made[key] = {"text": "x-y", "object": {"unknown": 1}, "list": [made[key]]}[how]
    return made


def test_fhir_resources_agrees(data_folder: Path) -> None:
    compared = 0
    for name, resource in resources(data_folder):
        assert sound(resource) == second(resource), name
        if not sound(resource) or len(plain.dumps(resource, default=str)) > 6_000:
            continue
        for key in [one for one in resource if one != "resourceType" and one[0] != "_"][:4]:
            for how in MUTATIONS:
                made = mutated(resource, key, how)
                compared += 1
                assert sound(made) == second(made), (name, key, how)
    assert compared > 1_000
