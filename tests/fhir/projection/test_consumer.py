"""What happens in the archive is seen in FHIR: once for each change, and after a lost index, too."""

from tests.fhir.projection.hospital import Hospital
from tests.hl7.orders import orm
from tests.hl7.results import oru, text
from tests.synthetic import ct_series, study


def references(hospital: Hospital) -> set[str]:
    """Every literal reference that a projection has."""
    found: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("reference"), str):
                found.add(value["reference"])
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    for (type_name,) in hospital.rows("select distinct type from fhir_resource"):
        for body in hospital.all(type_name):
            walk(body)
    return found


def fill(hospital: Hospital) -> None:
    hospital.say(orm("NW", placer="P1^HIS", patient="42", accession="A1", name="ZHANG^SAN"))
    one = study(7, name="utf8", patient_id="42", accession_number="A1")
    hospital.store(*ct_series(one, count=3, rows=16, columns=16))
    hospital.say(oru("1", text("Clear."), "NM|8867-4^Heart rate^LN||72.5|/min^per minute^UCUM|60-80|H|||F",
                     accession="A1", filler="F1"))  # fmt: skip


def test_what_happens_is_projected_and_refers_to_what_is_there(hospital: Hospital) -> None:
    hospital.project()
    fill(hospital)
    hospital.project()
    kinds = {name.partition("/")[0] for name in hospital.versions()}
    assert {"Patient", "ImagingStudy", "ServiceRequest", "Appointment", "DiagnosticReport", "Observation", "Endpoint",
            "Organization", "Device", "Provenance"} <= kinds  # fmt: skip
    assert references(hospital) <= hospital.versions().keys()
    assert hospital.only("ImagingStudy")["numberOfInstances"] == 3
