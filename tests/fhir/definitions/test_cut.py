"""The definitions the server carries are what the official ones tell."""

import gzip
from pathlib import Path

import pytest

from fhir.definitions import cut
from fhir.definitions.compartments import ITSELF, compartments
from fhir.definitions.search_parameters import parameters
from fhir.definitions.structures import structures
from fhir.definitions.value_sets import required_codes


@pytest.fixture
def official(data_folder: Path) -> Path:
    folder = data_folder.parent / "fhir-r4"
    if not folder.is_dir():
        pytest.skip(f"no official definitions in {folder}")
    return folder


def test_the_files_are_cut_from_the_official_bundles(official: Path, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "DATA", tmp_path)
    cut.main(official)
    made = {path.name: gzip.decompress(path.read_bytes()) for path in tmp_path.iterdir()}
    shipped = Path(cut.__file__).parent / "data"
    assert made == {path.name: gzip.decompress(path.read_bytes()) for path in shipped.iterdir()}


def test_a_choice_has_a_key_for_each_type() -> None:
    observation = structures()["Observation"]
    assert observation.keys["valueQuantity"].type == "Quantity"
    assert observation.keys["valueQuantity"].element is observation.elements["value"]
    assert ("valueString", "string") in observation.key_of["value"]


def test_content_references_lead_to_the_structure_they_name() -> None:
    assert structures()["Observation.component"].keys["referenceRange"].type == "Observation.referenceRange"


def test_types_descend_from_others() -> None:
    assert structures().is_a("Patient", "DomainResource") and structures().is_a("Age", "Quantity")
    assert structures().is_a("id", "string") and not structures().is_a("Bundle", "DomainResource")


def test_each_resource_type_searches_by_its_own_part_of_an_expression() -> None:
    assert parameters()["Patient"]["phone"].expression == "Patient.telecom.where(system='phone')"
    assert parameters()["Patient"]["_id"].type == "token"
    composite = parameters()["Observation"]["combo-code-value-quantity"]
    assert [one.type for one in composite.components] == ["token", "quantity"]
    assert {code for codes in parameters().values() for code, one in codes.items() if not one.expression} \
        == {"_text", "_content", "_query"}


def test_required_codes_are_told_by_system() -> None:
    told = required_codes()["http://hl7.org/fhir/ValueSet/administrative-gender"]
    assert told == {"http://hl7.org/fhir/administrative-gender": {"male", "female", "other", "unknown"}}


def test_the_patient_compartment() -> None:
    assert compartments()["Patient"]["Observation"] == ("subject", "performer")
    assert ITSELF in compartments()["Encounter"]["Encounter"]
