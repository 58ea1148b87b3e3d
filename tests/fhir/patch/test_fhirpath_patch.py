"""FHIRPath Patch by http://hl7.org/fhir/R4/fhirpatch.html."""

from typing import Any

import pytest

from fhir.patch import fhirpath_patch
from pacsd.faults import Fault, PacsdError

IDENTIFIERS = [{"value": str(number)} for number in range(1, 5)]
PATIENT: dict[str, Any] = {
    "resourceType": "Patient", "birthDate": "1920-01-01",
    "_birthDate": {"extension": [{"url": "u", "valueString": "v"}]},
    "identifier": IDENTIFIERS, "name": [{"given": ["a", None, "c"], "_given": [None, {"id": "b"}, {"id": "c"}]}],
    "contact": [{"name": {"text": "a name"}, "gender": "male"}], "deceasedBoolean": True,
    "contained": [{"resourceType": "Organization", "id": "o"}],
}


def operation(kind: str, path: str, **parts: Any) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, told in parts.items():
        if name == "name":
            rows.append({"name": "name", "valueString": told})
        elif name == "value":
            rows.append({"name": "value"} | told)
        else:
            rows.append({"name": name, "valueInteger": told})
    return {"name": "operation", "part": rows}


def patched(*operations: dict[str, Any]) -> dict[str, Any]:
    return fhirpath_patch.apply(PATIENT, {"resourceType": "Parameters", "parameter": list(operations)})


@pytest.mark.parametrize(("told", "changes"), [
    (operation("replace", "Patient.birthDate", value={"valueDate": "1930-01-01"}),
     {"birthDate": "1930-01-01", "_birthDate": None}),
    (operation("delete", "Patient.birthDate"), {"birthDate": None, "_birthDate": None}),
    (operation("delete", "Patient.birthDate.extension"), {"_birthDate": None}),
    (operation("delete", "Patient.photo"), {}),
    (operation("add", "Patient", name="gender", value={"valueCode": "male"}), {"gender": "male"}),
    (operation("add", "Patient.birthDate", name="id", value={"valueString": "i"}),
     {"_birthDate": {"extension": [{"url": "u", "valueString": "v"}], "id": "i"}}),
    (operation("add", "Patient", name="maritalStatus", value={"valueCodeableConcept": {"text": "married"}}),
     {"maritalStatus": {"text": "married"}}),
    (operation("add", "Patient", name="multipleBirth", value={"valueInteger": 2}), {"multipleBirthInteger": 2}),
    (operation("replace", "Patient.deceased", value={"valueDateTime": "2020"}),
     {"deceasedBoolean": None, "deceasedDateTime": "2020"}),
    (operation("add", "Patient", name="identifier", value={"valueIdentifier": {"value": "5"}}),
     {"identifier": [*IDENTIFIERS, {"value": "5"}]}),
    (operation("add", "Patient", name="contact", value={"part": [
        {"name": "name", "valueHumanName": {"text": "b"}}, {"name": "telecom", "valueContactPoint": {"value": "1"}},
        {"name": "telecom", "valueContactPoint": {"value": "2"}}]}),
     {"contact": [*PATIENT["contact"], {"name": {"text": "b"}, "telecom": [{"value": "1"}, {"value": "2"}]}]}),
    (operation("add", "Patient", name="contained", value={"resource": {"resourceType": "Group", "id": "g"}}),
     {"contained": [*PATIENT["contained"], {"resourceType": "Group", "id": "g"}]}),
    (operation("replace", "Patient.contact[0].gender", value={"valueCode": "female"}),
     {"contact": [{"name": {"text": "a name"}, "gender": "female"}]}),
    (operation("delete", "Patient.contact[0].name.text"), {"contact": [{"gender": "male"}]}),
    (operation("delete", "Patient.contact[0]"), {"contact": None}),
    (operation("delete", "Patient.identifier.where(value = '2')"),
     {"identifier": [IDENTIFIERS[0], *IDENTIFIERS[2:]]}),
    (operation("replace", "Patient.identifier[1].value", value={"valueString": "x"}),
     {"identifier": [IDENTIFIERS[0], {"value": "x"}, *IDENTIFIERS[2:]]}),
    (operation("insert", "Patient.identifier", index=0, value={"valueIdentifier": {"value": "0"}}),
     {"identifier": [{"value": "0"}, *IDENTIFIERS]}),
    (operation("insert", "Patient.identifier", index=4, value={"valueIdentifier": {"value": "9"}}),
     {"identifier": [*IDENTIFIERS, {"value": "9"}]}),
    (operation("move", "Patient.identifier", source=3, destination=1),
     {"identifier": [IDENTIFIERS[0], IDENTIFIERS[3], IDENTIFIERS[1], IDENTIFIERS[2]]}),
    (operation("move", "Patient.identifier", source=0, destination=3),
     {"identifier": [*IDENTIFIERS[1:], IDENTIFIERS[0]]}),
    (operation("move", "Patient.name[0].given", source=2, destination=0),
     {"name": [{"given": ["c", "a", None], "_given": [{"id": "c"}, None, {"id": "b"}]}]}),
    (operation("delete", "Patient.name.given[0]"),
     {"name": [{"given": [None, "c"], "_given": [{"id": "b"}, {"id": "c"}]}]}),
    (operation("insert", "Patient.name.given", index=1, value={"valueString": "n"}),
     {"name": [{"given": ["a", "n", None, "c"], "_given": [None, None, {"id": "b"}, {"id": "c"}]}]}),
    (operation("replace", "Patient.name.given[2]", value={"valueString": "n"}),
     {"name": [{"given": ["a", None, "n"], "_given": [None, {"id": "b"}, None]}]}),
    (operation("add", "Patient.contained[0]", name="name", value={"valueString": "H"}),
     {"contained": [{"resourceType": "Organization", "id": "o", "name": "H"}]}),
])  # fmt: skip
def test_an_operation(told: dict[str, Any], changes: dict[str, Any]) -> None:
    before = repr(PATIENT)
    assert patched(told) == {key: value for key, value in (PATIENT | changes).items() if value is not None}
    assert repr(PATIENT) == before


def test_each_operation_sees_what_the_ones_before_it_did() -> None:
    told = patched(operation("delete", "Patient.name"), operation("delete", "Patient.name"),
                   operation("add", "Patient", name="name", value={"valueHumanName": {"family": "x"}}),
                   operation("add", "Patient.name[0]", name="given", value={"valueString": "y"}))
    assert told["name"] == [{"family": "x", "given": ["y"]}]


@pytest.mark.parametrize(("told", "fault"), [
    (operation("add", "Patient.identifier.where(use = 'x').period", name="end", value={"valueDate": "2020"}),
     Fault.MISMATCH),
    (operation("add", "Patient.identifier", name="use", value={"valueCode": "usual"}), Fault.MISMATCH),
    (operation("add", "Patient", name="birthDate", value={"valueDate": "2020"}), Fault.MISMATCH),
    (operation("add", "Patient", name="deceased", value={"valueDateTime": "2020"}), Fault.MISMATCH),
    (operation("add", "Patient", name="deceased", value={"valueQuantity": {}}), Fault.MISMATCH),
    (operation("add", "Patient", name="colour", value={"valueString": "red"}), Fault.MISMATCH),
    (operation("add", "Patient", name="name", value={"valueString": "x"}), Fault.MISMATCH),
    (operation("add", "Patient", name="name", value={"valueAddress": {}}), Fault.MISMATCH),
    (operation("add", "Patient", name="gender", value={"part": []}), Fault.MISMATCH),
    (operation("replace", "Patient.gender", value={"valueCode": "male"}), Fault.MISMATCH),
    (operation("replace", "Patient", value={"resource": {"resourceType": "Patient"}}), Fault.MISMATCH),
    (operation("replace", "Patient.identifier", value={"valueIdentifier": {}}), Fault.MISMATCH),
    (operation("delete", "Patient"), Fault.MISMATCH),
    (operation("delete", "Patient.identifier"), Fault.MISMATCH),
    (operation("delete", "1 + 1"), Fault.MISMATCH),
    (operation("delete", "Patient.identifier.value.length()"), Fault.MISMATCH),
    (operation("insert", "Patient.identifier", index=5, value={"valueIdentifier": {}}), Fault.MISMATCH),
    (operation("insert", "Patient.identifier.where(value = '1')", index=0, value={"valueIdentifier": {}}),
     Fault.MISMATCH),
    (operation("insert", "Patient.birthDate", index=0, value={"valueDate": "2020"}), Fault.MISMATCH),
    (operation("move", "Patient.identifier", source=4, destination=0), Fault.MISMATCH),
    (operation("move", "Patient.identifier", source=0), Fault.MALFORMED),
    (operation("insert", "Patient.identifier", index=-1, value={"valueIdentifier": {}}), Fault.MALFORMED),
    (operation("insert", "Patient.identifier", value={"valueIdentifier": {}}), Fault.MALFORMED),
    (operation("add", "Patient", name="gender"), Fault.MALFORMED),
    (operation("add", "Patient", value={"valueCode": "male"}), Fault.MALFORMED),
    (operation("add", "Patient", name="gender", value={}), Fault.MALFORMED),
    (operation("merge", "Patient"), Fault.MALFORMED),
    (operation("delete", "Patient..name"), Fault.MALFORMED),
    ({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}]}, Fault.MALFORMED),
    ({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}] * 2}, Fault.MALFORMED),
    ({"name": "operation"}, Fault.MALFORMED), ({"name": "else"}, Fault.MALFORMED), (None, Fault.MALFORMED),
    (operation("delete", "%resource.descendants().select(" * 6 + "$this" + ")" * 6), Fault.TOO_MUCH),
])  # fmt: skip
def test_what_does_not_fit_is_refused(told: Any, fault: Fault) -> None:
    with pytest.raises(PacsdError) as refused:
        patched(told)
    assert refused.value.fault is fault


def test_only_parameters_with_so_many_operations_are_a_patch() -> None:
    with pytest.raises(PacsdError):
        fhirpath_patch.apply(PATIENT, {"resourceType": "Patient"})
    with pytest.raises(PacsdError):
        fhirpath_patch.apply(PATIENT, {"resourceType": "Parameters", "parameter": {}})
    assert fhirpath_patch.apply(PATIENT, {"resourceType": "Parameters"}) == PATIENT
    with pytest.raises(PacsdError) as refused:
        patched(*[operation("delete", "Patient.photo")] * 1_001)
    assert refused.value.fault is Fault.TOO_MUCH
