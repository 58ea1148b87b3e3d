"""An audit message as XML by the DICOM schema (PS3.15 A.5.1)."""

import base64
from xml.etree.ElementTree import Element, SubElement, tostring

from pacsd.audit.codes import Code, Kind
from pacsd.audit.message import Agent, AuditMessage, AuditObject

_IP, _NAME, _URI = "2", "1", "5"         # NetworkAccessPointTypeCode
_SYSTEMS = {"http://dicom.nema.org/resources/ontology/DCM": "DCM"}
_APPLICATION_SERVER = "4"
_FORBIDDEN = dict.fromkeys((*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF))


def audit_xml(message: AuditMessage, *, source: str, site: str = "") -> bytes:
    """The AuditMessage element, in UTF-8. What XML cannot hold is left out."""
    root = Element("AuditMessage")
    event = SubElement(root, "EventIdentification", {
        "EventActionCode": message.action.value, "EventDateTime": message.at.isoformat(),
        "EventOutcomeIndicator": str(message.outcome.value),
    })  # fmt: skip
    _coded(event, "EventID", message.event.value)
    for one in message.types:
        _coded(event, "EventTypeCode", one)
    described = "; ".join(one for one in (message.reason, f"{message.repeats} more times" if message.repeats else "")
                          if one)  # fmt: skip
    if described:
        SubElement(event, "EventOutcomeDescription").text = _text(described)
    if message.purpose:
        _coded(event, "PurposeOfUse", Code(message.purpose, "2.16.840.1.113883.5.8", message.purpose))
    for agent in message.agents:
        _participant(root, agent)
    identified = {"AuditSourceID": _text(source), **({"AuditEnterpriseSiteID": _text(site)} if site else {})}
    SubElement(SubElement(root, "AuditSourceIdentification", identified), "AuditSourceTypeCode",
               {"csd-code": _APPLICATION_SERVER})  # fmt: skip
    for told in message.objects:
        _object(root, told)
    return ('<?xml version="1.0" encoding="UTF-8"?>' + str(tostring(root, encoding="unicode"))).encode()


def _participant(root: Element, agent: Agent) -> None:
    told = {"UserID": _text(agent.user_id), "UserIsRequestor": str(agent.requestor).lower()}
    if agent.client:
        told["AlternativeUserID"] = _text(agent.client)
    if agent.name:
        told["UserName"] = _text(agent.name)
    if agent.address:
        told["NetworkAccessPointID"] = _text(agent.address)
        told["NetworkAccessPointTypeCode"] = _access_point(agent.address)
    element = SubElement(root, "ActiveParticipant", told)
    if agent.role is not None:
        _coded(element, "RoleIDCode", agent.role)


def _access_point(address: str) -> str:
    if "://" in address:
        return _URI
    return _IP if all(one in "0123456789abcdefABCDEF.:" for one in address) else _NAME


def _object(root: Element, one: AuditObject) -> None:
    type_code, role, id_type = one.kind.value
    number = f"{one.id}^^^{one.authority}" if one.kind is Kind.PATIENT and one.authority else one.id
    element = SubElement(root, "ParticipantObjectIdentification", {
        "ParticipantObjectID": _text(number), "ParticipantObjectTypeCode": str(type_code),
        "ParticipantObjectTypeCodeRole": str(role),
    })  # fmt: skip
    _coded(element, "ParticipantObjectIDTypeCode", id_type)
    if one.query:
        SubElement(element, "ParticipantObjectQuery").text = base64.b64encode(one.query).decode()
    for name, value in one.details.items():
        encoded = base64.b64encode(value.encode("utf-8", "replace")).decode()
        SubElement(element, "ParticipantObjectDetail", {"type": _text(name), "value": encoded})
    if one.accession or one.sop_classes:
        description = SubElement(element, "ParticipantObjectDescription")
        if one.accession:
            SubElement(description, "Accession", {"Number": _text(one.accession)})
        for uid, count in one.sop_classes.items():
            SubElement(description, "SOPClass", {"UID": _text(uid), "NumberOfInstances": str(count)})


def _coded(parent: Element, name: str, code: Code) -> None:
    SubElement(parent, name, {
        "csd-code": _text(code.code), "codeSystemName": _text(_SYSTEMS.get(code.system, code.system)),
        "originalText": _text(code.display or code.code),
    })  # fmt: skip


def _text(value: str) -> str:
    return value.translate(_FORBIDDEN)
