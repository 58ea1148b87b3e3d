"""The XML is that of PS3.15 A.5.1."""

import base64
from xml.etree import ElementTree

from ihe_profiles.atna.audit_xml import audit_xml
from ihe_profiles.atna.syslog import frame, syslog_message
from pacsd.audit.codes import LOGIN, SOURCE_ROLE, Action, Event, Kind, Outcome
from pacsd.audit.message import Agent, AuditMessage, AuditObject, patient
from tests.audit.house import AT

MESSAGE = AuditMessage(
    Event.QUERY, Action.EXECUTE, AT, Outcome.MINOR_FAILURE, types=(LOGIN,),
    agents=(Agent("li&wang", True, "李<\x01>", "app", "east", "10.0.0.1", SOURCE_ROLE),),
    objects=(patient("EAST", "P1"), AuditObject(Kind.SOP_CLASS_QUERY, "1.2", query=b"\0\xff"),
             AuditObject(Kind.STUDY, "1.2.3", accession="A1", sop_classes={"1.2.840": 4}, details={"x": "张"})),
    reason="why", repeats=3,
)  # fmt: skip


def test_every_part_stands_where_the_schema_has_it() -> None:
    root = ElementTree.fromstring(audit_xml(MESSAGE, source="PACSD", site="East"))
    parts = ["EventIdentification", "ActiveParticipant", "AuditSourceIdentification"]
    assert [one.tag for one in root] == [*parts, *["ParticipantObjectIdentification"] * 3]
    event, agent, source, person, query, study = root
    assert event.attrib == {
        "EventActionCode": "E", "EventDateTime": "2026-11-30T12:00:00+00:00", "EventOutcomeIndicator": "4",
    }  # fmt: skip
    assert event[0].attrib == {"csd-code": "110112", "codeSystemName": "DCM", "originalText": "Query"}
    assert event.findtext("EventOutcomeDescription") == "why; 3 more times"
    assert agent.attrib == {
        "UserID": "li&wang", "UserIsRequestor": "true", "AlternativeUserID": "app", "UserName": "李<>",
        "NetworkAccessPointID": "10.0.0.1", "NetworkAccessPointTypeCode": "2",
    }  # fmt: skip
    assert source.attrib == {"AuditSourceID": "PACSD", "AuditEnterpriseSiteID": "East"}
    assert person.attrib["ParticipantObjectID"] == "P1^^^EAST"
    assert base64.b64decode(query.findtext("ParticipantObjectQuery") or "") == b"\0\xff"
    assert [one.attrib for one in study.findall("ParticipantObjectDescription/Accession")] == [{"Number": "A1"}]
    classes = study.findall("ParticipantObjectDescription/SOPClass")
    assert [one.attrib["NumberOfInstances"] for one in classes] == ["4"]


def test_syslog_has_the_header_of_rfc_5424_and_names_that_fit() -> None:
    message = syslog_message(b"<x/>", at=AT, host="a b\r\n" + "h" * 300, application="pacsd")
    head, _, body = message.partition(b"\xef\xbb\xbf")
    assert head.decode() == f"<85>1 2026-11-30T12:00:00.000000Z {'ab' + 'h' * 253} pacsd - IHE+RFC-3881 - "
    assert body == b"<x/>"
    assert frame(message) == str(len(message)).encode() + b" " + message
