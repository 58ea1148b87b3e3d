"""Every projection is what R4 says a resource of its type is."""

import base64

from fhir.format import json
from fhir.validation.check import Validator
from tests.fhir.projection.hospital import Hospital
from tests.fhir.projection.test_consumer import fill
from tests.hl7.orders import orm
from tests.hl7.results import oru, text

PDF = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()
REGISTRATION = (
    "MSH|^~\\&|HIS|EAST|PACSD|EAST|20260101120000||ADT^A04^ADT_A01|a1|P|2.5.1||||||UNICODE UTF-8",
    "EVN||20260101",
    "PID|1||42^^^EAST^MR~110101199003070011^^^^NNCHN||\u5f20^\u4e09^^^^^L^I~ZHANG^SAN^^^^^L^A||19900307|M|||"
    "1 Road^Flat 2^Beijing^^100000^CN||13800000000",
    "PV1|1|O",
)


def test_all_that_is_projected_passes_the_checks_that_clients_resources_pass(hospital: Hospital) -> None:
    hospital.say("".join(f"{line}\r" for line in REGISTRATION))
    fill(hospital)
    hospital.say(orm("NW", placer="P7^HIS", patient="42", visit="V1^^^HIS", reason="R^Cough", provider="8^WANG^WU"))
    hospital.say(oru(
        "9", text("Clear."), text("No.", code="19005-8^Impression^LN"),
        f"ED|PDF^Report^L||^application^pdf^Base64^{PDF}||||||F", "CWE|99^Grade^L||27268008^Salmonella^SCT||||||F",
        "SN|99^Size^L||>^5|mm|||||F", accession="A1", filler="F2", author="8&WANG&WU",
        verifier="9&\u674e&\u56db^20260101113000", time="20260101130000",
    ))  # fmt: skip
    hospital.project()
    kinds = [row[0] for row in hospital.rows("select distinct type from fhir_resource order by 1")]
    assert len(kinds) >= 15, kinds
    check, every = Validator().check, [one for kind in kinds for one in hospital.stored(kind)]
    said = [(one.name, issue) for one in every for issue in check(json.read(one.body))]
    # the extensible identifier-type knows neither visit numbers nor national identifiers, which v2-0203 has
    lacking = "none of the codings is of http://hl7.org/fhir/ValueSet/identifier-type"
    assert [one for one in said if one[1].severity != "information" and one[1].diagnostics != lacking] == []


def test_a_registered_patient_has_both_names_the_card_telephone_and_address(hospital: Hospital) -> None:
    hospital.say("".join(f"{line}\r" for line in REGISTRATION))
    hospital.project()
    found = hospital.only("Patient")
    assert [(one["type"]["coding"][0]["code"], one["value"]) for one in found["identifier"]] == [
        ("MR", "42"), ("NI", "110101199003070011")]  # fmt: skip
    assert [one["text"] for one in found["name"]] == ["\u5f20\u4e09", "SAN ZHANG"]
    assert found["telecom"] == [{"system": "phone", "value": "13800000000"}]
    assert found["address"][0]["line"] == ["1 Road", "Flat 2"] and found["address"][0]["country"] == "CN"
