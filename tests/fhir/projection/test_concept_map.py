"""Mapping files of HL7 senders are seen as ConceptMaps, translate, and cannot be written."""

from pathlib import Path

from config.settings import Hl7SenderSettings
from tests.fhir.projection.hospital import opened

FILE = """
coding_scheme = "L"
[[codes]]
name = "sex"
sent = "1"
meant = "M"
[[codes]]
name = "modality"
sent = "CTJ"
meant = "CT"
[[procedures]]
sent = "0815"
code = "24627-2"
scheme = "LN"
meaning = "CT chest"
[[procedures]]
sent = "0816"
modality = "MR"
"""


def test_a_mapping_file_is_a_concept_map_as_long_as_the_settings_name_it(database: str, tmp_path: Path) -> None:
    file = tmp_path / "his.toml"
    file.write_text(FILE)
    senders = (Hl7SenderSettings("his", "HIS", "east", mapping=file), Hl7SenderSettings("ris", "RIS", "east"))
    with opened(database, tmp_path / "data", hl7_senders=senders) as hospital:
        hospital.project()
        found = hospital.only("ConceptMap")
        assert found["url"] == "urn:pacsd:hl7-mapping:east:his"
        assert [(one["source"], one["target"]) for one in found["group"]] == [
            ("urn:pacsd:codes:east:his:sex", "http://terminology.hl7.org/CodeSystem/v2-0001"),
            ("urn:pacsd:codes:east:his:modality", "http://dicom.nema.org/resources/ontology/DCM"),
            ("urn:pacsd:codes:east:his:procedure", "http://loinc.org")]  # fmt: skip
        assert [one["code"] for one in found["group"][2]["element"]] == ["0815"]
        asked = hospital.ask("GET", "ConceptMap/$translate?system=urn:pacsd:codes:east:his:procedure&code=0815").json()
        assert asked["parameter"][0] == {"name": "result", "valueBoolean": True}
        assert hospital.ask("PUT", f"ConceptMap/{found['id']}", found | {"status": "draft"}).status_code == 409
        assert hospital.ask("POST", "ConceptMap/$validate", found).json()["issue"][0]["severity"] != "error"
    with opened(database, tmp_path / "data") as hospital:
        hospital.project()
        assert hospital.all("ConceptMap") == []
