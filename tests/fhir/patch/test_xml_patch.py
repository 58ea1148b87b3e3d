"""XML Patch by RFC 5261, on resources in FHIR's XML."""

from typing import Any

import pytest

from fhir.patch import xml_patch
from pacsd.faults import Fault, PacsdError

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">one<br/>two</div>'
PATIENT: dict[str, Any] = {
    "resourceType": "Patient", "id": "p", "text": {"status": "generated", "div": DIV},
    "identifier": [{"system": "urn:a", "value": "1"}, {"id": "second", "system": "urn:b", "value": "2"}],
    "active": True, "name": [{"family": "A", "given": ["x", "y"]}], "birthDate": "1970-01-01"}


def patched(operations: str, root: str = '<diff xmlns="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml">',
            ) -> dict[str, Any]:
    name = root[1:].split()[0].rstrip(">")
    return xml_patch.apply(PATIENT, xml_patch.read(f"{root}{operations}</{name}>".encode()))


@pytest.mark.parametrize(("operations", "changes"), [
    ("", {}),
    ('<replace sel="f:Patient/f:birthDate/@value">1971-02-02</replace>', {"birthDate": "1971-02-02"}),
    ('<replace sel="/Patient/birthDate"><birthDate value="1971"/></replace>', {"birthDate": "1971"}),
    ('<remove sel="Patient/birthDate"/>', {"birthDate": None}),
    ('<add sel="Patient/birthDate" pos="before"><gender value="male"/></add>', {"gender": "male"}),
    ('<add sel="Patient/name[1]" pos="after">\n <name><family value="B"/></name>\n</add>',
     {"name": [*PATIENT["name"], {"family": "B"}]}),
    ('<add sel="Patient"><deceasedBoolean value="true"/></add>', {"deceasedBoolean": True}),
    ('<add sel="Patient/birthDate" type="@id">b</add>', {"_birthDate": {"id": "b"}}),
    ('<add sel="Patient/name" pos="prepend"><use value="usual"/></add>',
     {"name": [{"use": "usual", "family": "A", "given": ["x", "y"]}]}),
    ('<remove sel="Patient/identifier[2]"/>', {"identifier": PATIENT["identifier"][:1]}),
    ('<remove sel="Patient/identifier[@id=\'second\']/@id"/>',
     {"identifier": [PATIENT["identifier"][0], {"system": "urn:b", "value": "2"}]}),
    ('<remove sel="Patient/identifier[system/@value=&quot;urn:a&quot;]"/>', {"identifier": PATIENT["identifier"][1:]}),
    ('<remove sel="*/*[3]"/>', {"identifier": PATIENT["identifier"][1:]}),
    ('<replace sel="Patient/name/given[2]/@value">z</replace>', {"name": [{"family": "A", "given": ["x", "z"]}]}),
    ('<replace sel="Patient/text/h:div/text()[2]">three</replace>',
     {"text": {"status": "generated", "div": DIV.replace("two", "three")}}),
    ('<remove sel="Patient/text/h:div/text()[1]"/>',
     {"text": {"status": "generated", "div": DIV.replace("one", "")}}),
    ('<remove sel="Patient/text/h:div/h:br"/>',
     {"text": {"status": "generated", "div": DIV.replace("<br/>", "")}}),
    ('<add sel="Patient/text/h:div"> and <h:b>more</h:b></add>', None),
    ('<!-- first --><remove sel="Patient/birthDate"/><add sel="Patient"><birthDate value="1980"/></add>',
     {"birthDate": "1980"}),
])  # fmt: skip
def test_operations(operations: str, changes: dict[str, Any] | None) -> None:
    before = repr(PATIENT)
    told = patched(operations)
    if changes is None:
        assert "two and " in told["text"]["div"] and "more" in told["text"]["div"]
    else:
        assert told == {key: value for key, value in (PATIENT | changes).items() if value is not None}
    assert repr(PATIENT) == before


def test_the_root_may_have_any_namespace() -> None:
    root = '<p:patch xmlns:p="urn:ietf:rfc:7351" xmlns:x="http://hl7.org/fhir">'
    assert "birthDate" not in patched('<p:remove sel="x:Patient/x:birthDate"/>', root)
    with pytest.raises(PacsdError):
        patched('<x:remove sel="x:Patient/x:birthDate"/>', root)


@pytest.mark.parametrize(("operations", "fault"), [
    ('<remove sel="Patient/gender"/>', Fault.MISMATCH),
    ('<remove sel="Patient/identifier"/>', Fault.MISMATCH),
    ('<remove sel="Group/birthDate"/>', Fault.MISMATCH),
    ('<remove sel="Patient"/>', Fault.MISMATCH),
    ('<replace sel="Patient"><Group/></replace>', Fault.MISMATCH),
    ('<add sel="Patient"><colour value="red"/></add>', Fault.MISMATCH),
    ('<add sel="Patient"><gender value="male"/></add>', Fault.MISMATCH),
    ('<add sel="Patient">text</add>', Fault.MISMATCH),
    ('<add sel="Patient" pos="before"><gender value="male"/></add>', Fault.MISMATCH),
    ('<add sel="Patient/birthDate" type="@value">1</add>', Fault.MISMATCH),
    ('<add sel="Patient/birthDate/@value">1</add>', Fault.MISMATCH),
    ('<replace sel="Patient/birthDate"/>', Fault.MISMATCH),
    ('<replace sel="Patient/birthDate/@value"><birthDate/></replace>', Fault.MISMATCH),
    ('<replace sel="Patient/active/@value">perhaps</replace>', Fault.MISMATCH),
    ('<remove sel="Patient/comment()[1]"/>', Fault.UNSUPPORTED),
    ('<remove sel="id(\'second\')"/>', Fault.UNSUPPORTED),
    ('<add sel="Patient" type="namespace::p">urn:x</add>', Fault.UNSUPPORTED),
    ('<remove sel="Patient/identifier[position()=1]"/>', Fault.UNSUPPORTED),
    ('<remove sel="Patient/text/h:div/text()[.=\'one\']"/>', Fault.UNSUPPORTED),
    ('<remove sel="//birthDate"/>', Fault.MALFORMED),
    ('<remove sel="Patient//birthDate"/>', Fault.MALFORMED),
    ('<remove sel="Patient/birthDate/"/>', Fault.MALFORMED),
    ('<remove sel="Patient/@id/x"/>', Fault.MALFORMED),
    ('<remove sel="Patient/z:birthDate"/>', Fault.MALFORMED),
    ('<remove sel="' + "x/" * 1_001 + 'x"/>', Fault.TOO_MUCH),
    ('<remove sel=""/>', Fault.MALFORMED), ("<remove/>", Fault.MALFORMED),
    ('<remove sel="Patient/birthDate">x</remove>', Fault.MALFORMED),
    ('<add sel="Patient" pos="inside"><gender value="male"/></add>', Fault.MALFORMED),
    *((f'<add sel="Patient" type="{name}">x</add>', Fault.MALFORMED) for name in ("@a b", "@", "@1", "@{a")),
    ('<move sel="Patient/birthDate"/>', Fault.MALFORMED),
    ("<remove", Fault.MALFORMED),
    ('<remove sel="Patient/photo"/>' * 1_001, Fault.TOO_MUCH),
])  # fmt: skip
def test_what_does_not_fit_is_refused(operations: str, fault: Fault) -> None:
    with pytest.raises(PacsdError) as refused:
        patched(operations)
    assert refused.value.fault is fault


def test_entities_are_refused() -> None:
    for body in (b'<!DOCTYPE diff [<!ENTITY a "b">]><diff/>', b"<changes/>", b"", b"\xff\xfe<diff/>"):
        with pytest.raises(PacsdError) as refused:
            xml_patch.read(body)
        assert refused.value.fault is Fault.MALFORMED
