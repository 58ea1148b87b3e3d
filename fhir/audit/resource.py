"""An audit message as AuditEvent (http://hl7.org/fhir/R4/auditevent.html), by the patterns of IHE BALP that fit."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from fhir.audit.desk import AuditDesk
from fhir.format.instants import instant
from fhir.projection.projected import without_empty
from fhir.projection.systems import DICOM_UID
from pacsd.audit.codes import Code, Event, Kind
from pacsd.audit.loading import identified
from pacsd.audit.message import Agent, AuditMessage, AuditObject
from pacsd.index.audit_events import EventRow

ENTITY_TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPES = "http://terminology.hl7.org/CodeSystem/security-source-type"
PURPOSES = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_IP, _NAME, _URI = "2", "1", "5"         # AuditEvent.agent.network.type
_PATTERNS: Mapping[str, str] = {"read": "Read", "vread": "Read", "create": "Create", "update": "Update",
                                "delete": "Delete", "search": "Query"}  # fmt: skip


def audit_event(desk: AuditDesk, row: EventRow, message: AuditMessage) -> dict[str, Any]:
    """The resource; one that a client sent is as it was sent, but for its id and meta."""
    name = identified(row.writer, row.number)
    if message.resource is not None:
        meta = {**message.resource.get("meta", {}), "versionId": "1", "lastUpdated": instant(row.recorded)}
        return {"resourceType": "AuditEvent", "id": name, "meta": meta,
                **{key: value for key, value in message.resource.items() if key not in ("resourceType", "id", "meta")}}
    return without_empty({
        "resourceType": "AuditEvent",
        "id": name,
        "meta": without_empty(
            {"versionId": "1", "lastUpdated": instant(row.recorded), "profile": list(_profiles(message))}
        ),
        "type": _coding(message.event.value),
        "subtype": [_coding(one) for one in message.types],
        "action": message.action.value,
        "recorded": instant(message.at),
        "outcome": str(message.outcome.value),
        "outcomeDesc": _described(message),
        "purposeOfEvent": [_concept(Code(message.purpose, PURPOSES, ""))] if message.purpose else [],
        "agent": [_agent(one) for one in message.agents],
        "source": without_empty({
            "site": desk.site,
            "observer": {"identifier": {"value": desk.source}, "display": desk.source},
            "type": [{"system": SOURCE_TYPES, "code": "4", "display": "Application Server"}],
        }),
        "entity": [_entity(desk, one) for one in message.objects],
    })  # fmt: skip


def _described(message: AuditMessage) -> str:
    counted = f"{message.repeats} more times until now" if message.repeats else ""
    return "; ".join(one for one in (message.reason, counted) if one)


def _profiles(message: AuditMessage) -> Iterator[str]:
    """The pattern that a successful RESTful interaction follows."""
    if message.event is not Event.REST or message.outcome.value:
        return
    named = next((_PATTERNS[one.code] for one in message.types if one.code in _PATTERNS), "")
    patients = any(_is_patient(one) for one in message.objects)
    if named and not (named == "Delete" and not patients):
        yield f"{BALP}{'Patient' if patients else ''}{named}"


def _agent(agent: Agent) -> dict[str, Any]:
    network = {"address": agent.address, "type": _network(agent.address)} if agent.address else {}
    return without_empty({
        "type": _concept(agent.role) if agent.role is not None else {},
        "role": [{"text": one} for one in agent.roles],
        "who": {"identifier": {"value": agent.user_id}, "display": agent.name or agent.user_id},
        "altId": agent.client,
        "name": agent.name,
        "requestor": agent.requestor,
        "network": network,
    })  # fmt: skip


def _network(address: str) -> str:
    if "://" in address:
        return _URI
    return _IP if all(one in "0123456789abcdefABCDEF.:" for one in address) else _NAME


def _is_patient(one: AuditObject) -> bool:
    return one.kind is Kind.PATIENT or (one.kind is Kind.RESOURCE and one.id.startswith("Patient/"))


def _entity(desk: AuditDesk, one: AuditObject) -> dict[str, Any]:
    type_code, role, _ = one.kind.value
    if _is_patient(one):
        type_code, role, _ = Kind.PATIENT.value
    return without_empty({
        "what": _what(desk, one),
        "type": {"system": ENTITY_TYPES, "code": str(type_code)},
        "role": {"system": ROLES, "code": str(role)},
        "query": base64.b64encode(one.query).decode(),
        "detail": [{"type": name, "valueString": value} for name, value in _details(one) if value],
    })  # fmt: skip


def _what(desk: AuditDesk, one: AuditObject) -> dict[str, Any]:
    if one.kind is Kind.PATIENT:
        return {"type": "Patient", "identifier": {"system": desk.systems.of(one.authority), "value": one.id}}
    if one.kind is Kind.STUDY:
        return {"identifier": {"system": DICOM_UID, "value": f"urn:oid:{one.id}"}}
    if one.kind is Kind.RESOURCE:
        return {"reference": one.id}
    return {"identifier": {"value": one.id}} if one.id else {}


def _details(one: AuditObject) -> Iterator[tuple[str, str]]:
    yield "Accession Number", one.accession
    for uid, count in one.sop_classes.items():
        yield f"Number of Instances of {uid}", str(count)
    yield from one.details.items()


def _coding(code: Code) -> dict[str, Any]:
    return without_empty({"system": code.system, "code": code.code, "display": code.display})


def _concept(code: Code) -> dict[str, Any]:
    return {"coding": [_coding(code)]}
