"""Resources read from XML are those of JSON, and the other way."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from fhir.format import json, xhtml, xml
from pacsd.faults import Fault, PacsdError

HEAD = '<Patient xmlns="http://hl7.org/fhir">'


def read(inner: str) -> dict[str, Any]:
    return xml.read(f"{HEAD}{inner}</Patient>".encode())


def test_values_have_the_types_of_json() -> None:
    told = read('<active value="true"/><multipleBirthInteger value="2"/>')
    assert told == {"resourceType": "Patient", "active": True, "multipleBirthInteger": 2}


def test_decimals_keep_their_precision() -> None:
    body = (b'<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="1.10"/></valueQuantity>'
            b"</Observation>")
    value = xml.read(body)["valueQuantity"]["value"]
    assert isinstance(value, Decimal) and str(value) == "1.10"
    assert b'<value value="1.10"/>' in xml.write(xml.read(body))


def test_ids_and_extensions_of_primitives_stand_beside_them() -> None:
    told = read('<name><given value="A"/><given><extension url="http://x"><valueCode value="c"/></extension></given>'
                '</name><birthDate id="b" value="1970-01-01"/>')
    assert told["name"] == [{"given": ["A", None],
                             "_given": [None, {"extension": [{"url": "http://x", "valueCode": "c"}]}]}]
    assert told["birthDate"] == "1970-01-01" and told["_birthDate"] == {"id": "b"}
    assert xml.read(xml.write(told)) == told


def test_elements_are_written_in_the_order_of_their_definition() -> None:
    text = xml.write({"resourceType": "Patient", "gender": "male", "name": [{"given": ["B"], "family": "A"}],
                      "id": "1"}).decode()
    assert text.endswith(f'{HEAD}<id value="1"/><name><family value="A"/><given value="B"/></name>'
                         '<gender value="male"/></Patient>')


def test_attributes_are_escaped() -> None:
    told = {"resourceType": "Patient", "name": [{"text": '<&">\t\n\r\'张'}]}
    assert xml.read(xml.write(told)) == told


def test_a_narrative_is_a_string_in_json() -> None:
    told = read('<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">a <b>b</b> c</div></text>')
    assert told["text"]["div"] == '<div xmlns="http://www.w3.org/1999/xhtml">a <b>b</b> c</div>'
    assert xml.read(xml.write(told)) == told


def test_pretty_xml_says_the_same() -> None:
    told = {"resourceType": "Patient", "text": {"status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>a</p> <p>b</p></div>'},
            "contained": [{"resourceType": "Organization", "id": "o", "name": "O"}]}
    pretty = xml.write(told, pretty=True)
    assert pretty.count(b"\n") > 5 and xml.read(pretty) == told


@pytest.mark.parametrize("body", [
    b"", b"<", b"<Patient/>", b'<patient xmlns="http://hl7.org/fhir"/>', b'<Nothing xmlns="http://hl7.org/fhir"/>',
    b'<!DOCTYPE x [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"><gender value="&a;"/></Patient>',
    '<?xml version="1.0" encoding="UTF-16"?><Patient xmlns="http://hl7.org/fhir"/>'.encode("utf-16"),
    b'<Patient xmlns="http://hl7.org/fhir">' + b"<contact>" * 3_000 + b"</contact>" * 3_000 + b"</Patient>",
    b'<Parameters xmlns="http://hl7.org/fhir">' + b"<parameter>" + b"<part>" * 100 + b"</part>" * 100
    + b"</parameter></Parameters>",
])  # fmt: skip
def test_what_is_no_resource_is_refused(body: bytes) -> None:
    with pytest.raises(PacsdError) as refused:
        xml.read(body)
    assert refused.value.fault is Fault.MALFORMED


@pytest.mark.parametrize(("inner", "why"), [
    ('<nothing value="1"/>', "no such element"),
    ('<gender value="male"/><active value="true"/>', "out of order"),
    ('<active value="true"/><active value="false"/>', "stands there twice"),
    ('<active value="yes"/>', "is no boolean"),
    ('<multipleBirthInteger value="1.5"/>', "is no integer"),
    ('<active/>', "neither a value nor an extension"),
    ('<active other="1" value="true"/>', "no such attribute"),
    ('<active value="true">yes</active>', "text outside"),
    ('words', "text outside"),
    ('<contained/>', "one resource"),
    ('<contained><Thing/></contained>', "no resource"),
    ('<text><status value="generated"/><div>no xhtml</div></text>', "no such element"),
])  # fmt: skip
def test_what_the_definitions_do_not_know_is_refused(inner: str, why: str) -> None:
    with pytest.raises(PacsdError, match=why) as refused:
        read(inner)
    assert refused.value.fault is Fault.MALFORMED


@pytest.mark.parametrize("told", [
    {"resourceType": "Patient", "nothing": 1}, {"resourceType": "Nothing"}, {}, {"resourceType": "Patient", "name": 1},
    {"resourceType": "Patient", "name": [1]}, {"resourceType": "Patient", "gender": {}},
    {"resourceType": "Patient", "gender": "a\0b"}, {"resourceType": "Patient", "text": {"div": "<div>"}},
    {"resourceType": "Patient", "text": {"div": 7}}, {"resourceType": "Patient", "contained": [{}]},
])  # fmt: skip
def test_what_xml_cannot_tell_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(PacsdError) as refused:
        xml.write(told)
    assert refused.value.fault is Fault.MALFORMED


def told_alike(one: Any) -> Any:
    """Narratives as canonical XML: the same in meaning however they are written."""
    if isinstance(one, dict):
        return {key: etree.canonicalize(xhtml.told(xhtml.parsed(value))) if key == "div" else told_alike(value)
                for key, value in one.items()}
    return [told_alike(value) for value in one] if isinstance(one, list) else one


def test_all_examples_are_the_same_after_xml(data_folder: Path) -> None:
    for path in sorted((data_folder / "fhir_r4").rglob("*.json")):
        told = json.read(path.read_bytes())
        for pretty in (False, True):
            again = xml.read(xml.write(told, pretty=pretty))
            assert told_alike(again) == told_alike(told), path.name
            assert json.write(_sorted(again)) == json.write(_sorted(told_alike_text(told))), path.name


def told_alike_text(one: Any) -> Any:
    """Narratives as our XML writes them; all else as it is, the precision of decimals included."""
    return xml.read(xml.write(one))


def _sorted(one: Any) -> Any:
    if isinstance(one, dict):
        return {key: _sorted(one[key]) for key in sorted(one)}
    return [_sorted(value) for value in one] if isinstance(one, list) else one


def test_examples_of_xml_are_the_same_after_json(data_folder: Path) -> None:
    for path in sorted((data_folder / "fhir_r4" / "examples_xml").glob("*.xml")):
        told = xml.read(path.read_bytes())
        again = json.read(json.write(told))
        assert again == told and xml.read(xml.write(again)) == told, path.name


@pytest.mark.parametrize(("name", "folder"), [
    ("patient-example", "examples"), ("observation-decimal", "examples"),
    ("organization-1", "examples"), ("condition-example", "examples"),
])  # fmt: skip
def test_examples_published_in_both_are_the_same(data_folder: Path, name: str, folder: str) -> None:
    of_json = json.read((data_folder / "fhir_r4" / folder / f"{name}.json").read_bytes())
    of_xml = xml.read((data_folder / "fhir_r4" / "examples_xml" / f"{name}.xml").read_bytes())
    for one in (of_json, of_xml):
        one.get("text", {}).pop("div", None)
    assert json.write(_sorted(of_json)) == json.write(_sorted(of_xml))
