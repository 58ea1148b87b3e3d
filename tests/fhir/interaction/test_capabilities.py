"""The CapabilityStatement (http://hl7.org/fhir/R4/capabilitystatement.html)."""

from typing import Any

from tests.fhir.house import House


def _patient(statement: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in statement["rest"][0]["resource"] if one["type"] == "Patient")


def test_what_leads_back_to_a_type_is_told(house: House) -> None:
    told = _patient(house.get("metadata").json())["searchRevInclude"]
    assert {"*", "Observation:subject", "Patient:link"} <= set(told) and "Patient:organization" not in told
    for one in told:
        assert house.get(f"Patient?_id=none&_revinclude={one}", prefer="handling=strict").status_code == 200, one


def test_the_statements_of_pixm_and_pdqm_are_instantiated_with_their_parameters(house: House) -> None:
    statement = house.get("metadata").json()
    assert [one.rpartition("/")[2] for one in statement["instantiates"]] == [
        "IHE.PIXm.Manager", "IHE.PDQm.PatientDemographicsSupplier"]  # fmt: skip
    parameters = {one["name"]: one for one in _patient(statement)["searchParam"]}
    assert parameters["mothersMaidenName"]["type"] == "string"
    assert house.post("CapabilityStatement/$validate", statement).json()["issue"][0]["severity"] == "information"
