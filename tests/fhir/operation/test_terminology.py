"""Operations on codes over a whole server."""

from typing import Any
from urllib.parse import quote

from tests.fhir.house import House

ICD = "urn:oid:2.16.156.10011.2.3.3.11"
LOCAL: dict[str, Any] = {
    "resourceType": "CodeSystem", "url": "urn:hospital:exam", "version": "2026", "status": "active",
    "content": "complete", "hierarchyMeaning": "is-a", "concept": [
        {"code": "CT", "display": "CT检查", "concept": [{"code": "CT-CHEST", "display": "胸部CT平扫"}]},
        {"code": "MR", "display": "磁共振"},
    ],
}  # fmt: skip
VALUE_SET: dict[str, Any] = {
    "resourceType": "ValueSet", "id": "ct", "url": "urn:hospital:ct", "status": "active", "compose": {"include": [
        {"system": "urn:hospital:exam", "filter": [{"property": "concept", "op": "is-a", "value": "CT"}]}]},
}  # fmt: skip


def value(answer: dict[str, Any], name: str) -> Any:
    row = next(one for one in answer["parameter"] if one["name"] == name)
    return next(told for key, told in row.items() if key != "name")


def issue(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["issue"][0]["code"]


def test_a_code_system_of_a_client_is_used_at_once_in_its_newest_version(house: House) -> None:
    first = house.post("CodeSystem", LOCAL).json()
    house.put("ValueSet/ct", VALUE_SET)
    by_url = house.get("ValueSet/$expand?url=urn:hospital:ct").json()
    assert [one["display"] for one in by_url["expansion"]["contains"]] == ["CT检查", "胸部CT平扫"]
    assert house.get("ValueSet/ct/$expand?filter=" + quote("胸部")).json()["expansion"]["total"] == 1
    house.put(f"CodeSystem/{first['id']}", {**LOCAL, "id": first["id"], "concept": [{"code": "CT", "display": "断层"}]})
    again = house.get("ValueSet/ct/$expand").json()["expansion"]["contains"]
    assert [one["display"] for one in again] == ["断层"]
    house.delete(f"CodeSystem/{first['id']}")
    assert issue(house.get("ValueSet/ct/$expand")) == (404, "not-found")


def test_another_organisations_code_systems_are_not_there(house: House) -> None:
    house.post("CodeSystem", LOCAL)
    path = "CodeSystem/$lookup?system=urn:hospital:exam&code=CT"
    assert value(house.get(path).json(), "display") == "CT检查"
    house.act_as(house.member("west"))
    assert issue(house.get(path)) == (404, "not-found")
    house.act_as(house.member("west", "east"))
    assert house.get(path).status_code == 200


def test_lookup_by_parameters_and_coding(house: House) -> None:
    house.post("CodeSystem", LOCAL)
    coding = {"system": "urn:hospital:exam", "code": "CT-CHEST"}
    body = {"resourceType": "Parameters", "parameter": [{"name": "coding", "valueCoding": coding}]}
    told = house.post("CodeSystem/$lookup", body).json()
    assert value(told, "version") == "2026" and value(told, "display") == "胸部CT平扫"


def test_validation_says_why_not(house: House) -> None:
    house.post("CodeSystem", LOCAL)
    house.put("ValueSet/ct", VALUE_SET)
    ask = "ValueSet/$validate-code?url=urn:hospital:ct&system=urn:hospital:exam&code="
    assert value(house.get(ask + "CT-CHEST").json(), "result") is True
    wrong = house.get(ask + "MR").json()
    assert value(wrong, "result") is False and "MR" in value(wrong, "message")
    of_system = "CodeSystem/$validate-code?url=urn:hospital:exam&code="
    assert value(house.get(of_system + "MR").json(), "result") is True
    assert value(house.get(of_system + "US").json(), "result") is False
    unknown = house.get("CodeSystem/$validate-code?url=urn:nowhere&code=a").json()
    assert value(unknown, "result") is False and "not known" in value(unknown, "message")
    assert issue(house.get("ValueSet/$validate-code?url=urn:nowhere&code=a")) == (404, "not-found")


def test_subsumption_and_translation_over_http(house: House) -> None:
    house.post("CodeSystem", LOCAL)
    told = house.get("CodeSystem/$subsumes?system=urn:hospital:exam&codeA=CT&codeB=CT-CHEST").json()
    assert value(told, "outcome") == "subsumes"
    concept_map = {
        "resourceType": "ConceptMap", "url": "urn:hospital:map", "status": "active", "group": [{
            "source": "urn:hospital:exam", "target": "http://dicom.nema.org/resources/ontology/DCM",
            "element": [{"code": "MR", "target": [{"code": "MR", "equivalence": "equal"}]}]}],
    }  # fmt: skip
    house.post("ConceptMap", concept_map)
    told = house.get("ConceptMap/$translate?system=urn:hospital:exam&code=MR").json()
    assert value(told, "result") is True
    told = house.get("ConceptMap/$translate?url=urn:hospital:map&system=urn:hospital:exam&code=CT").json()
    assert value(told, "result") is False
    assert issue(house.get("ConceptMap/$translate?url=urn:no&system=urn:hospital:exam&code=CT")) == (404, "not-found")


WRONGLY = (
    ("ValueSet/$expand", (400, "required")),
    ("ValueSet/$expand?url=urn:a&nonsense=1", (400, "not-supported")),
    ("ValueSet/$expand?url=urn:a&count=x", (400, "value")),
    ("ValueSet/$expand?url=urn:a&url=urn:b", (400, "value")),
    ("ValueSet/$expand?url=" + "a" * 20_000, (400, "value")),
    ("CodeSystem/$lookup?code=a", (400, "required")),
    ("CodeSystem/$lookup?system=urn:a&code=a%00", (400, "value")),
    ("CodeSystem/$subsumes?system=urn:a&codeA=1", (400, "required")),
    ("ValueSet/$lookup?system=urn:a&code=a", (404, "not-supported")),
    ("Patient/$expand", (404, "not-supported")),
)  # fmt: skip


def test_what_is_asked_wrongly_is_refused(house: House) -> None:
    for path, answer in WRONGLY:
        assert issue(house.get(path)) == answer, path


NONSENSE: tuple[dict[str, Any], ...] = (
    {"resourceType": "Parameters", "parameter": "x"}, {"resourceType": "Parameters", "parameter": [1]},
    {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": 7}]},
    {"resourceType": "Patient"}, {"resourceType": "ValueSet", "compose": {"include": [{}]}},
)  # fmt: skip


def test_a_body_that_makes_no_sense_is_refused(house: House) -> None:
    for body in NONSENSE:
        assert house.post("ValueSet/$expand", body).status_code in (400, 422), body


def test_the_capability_statement_lists_the_operations(house: House) -> None:
    rest = house.get("metadata").json()["rest"][0]
    found = next(one for one in rest["resource"] if one["type"] == "ValueSet")["operation"]
    assert {"expand", "validate-code"} <= {one["name"] for one in found}


def test_a_code_system_value_set_or_map_of_a_wrong_shape_is_refused(house: House) -> None:
    def asked(name: str, told: Any, **more: Any) -> dict[str, Any]:
        rows = [{"name": name, "resource": told}, *({"name": key, "valueCode": one} for key, one in more.items())]
        return {"resourceType": "Parameters", "parameter": rows}

    includes: list[Any] = ["x", None, [5], [{"system": 5}], [{"system": "urn:s", "concept": ["a"]}],
                           [{"system": "urn:s", "filter": ["a"]}], [{"valueSet": "urn:a"}]]  # fmt: skip
    for include in includes:
        told = {"resourceType": "ValueSet", "status": "active", "compose": {"include": include}}
        assert issue(house.post("ValueSet/$expand", told))[0] == 400, include
        assert issue(house.post("ValueSet/$validate-code", asked("valueSet", told, code="a")))[0] == 400, include
    concepts = {"resourceType": "CodeSystem", "url": "urn:s", "status": "active", "content": "complete",
                "concept": ["x"]}
    assert issue(house.post("CodeSystem/$validate-code", asked("codeSystem", concepts, code="a")))[0] == 400
    groups = {"resourceType": "ConceptMap", "status": "active", "group": ["x"]}
    assert issue(house.post("ConceptMap/$translate", asked("conceptMap", groups, code="a", system="urn:s")))[0] == 400
    assert issue(house.post("ValueSet/$expand", {"resourceType": "Patient"}))[0] == 400
    coding = {"name": "coding", "valueCoding": {"system": "urn:s", "code": "a", "display": 5}}
    named = {"name": "url", "valueUri": "http://hl7.org/fhir/ValueSet/administrative-gender"}
    body = {"resourceType": "Parameters", "parameter": [named, coding]}
    assert issue(house.post("ValueSet/$validate-code", body))[0] == 400


def test_a_value_set_is_expanded_by_the_element_that_it_is_bound_to(house: House) -> None:
    def of(context: str) -> Any:
        return house.get(f"ValueSet/$expand?contextDirection=incoming&context={quote(context)}")

    base = "http://hl7.org/fhir/StructureDefinition/"
    codes = of(f"{base}Patient#Patient.gender").json()["expansion"]["contains"]
    assert [one["code"] for one in codes] == ["male", "female", "other", "unknown"]
    assert of(f"{base}Patient#Patient.contact.gender").json()["url"].endswith("administrative-gender")
    for wrong in (f"{base}Patient#Patient.birthDate", f"{base}Patient#Patient.nothing", f"{base}Patient", "urn:x#y",
                  f"{base}Patient#Observation.status", f"{base}Nothing#Nothing.x"):  # fmt: skip
        assert issue(of(wrong)) == (404, "not-found")
