"""An audit message (PS3.15 A.5.2, IHE ITI TF-2 3.20): the event, who took part, and what it was about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from pacsd.access.principal import Principal, Proof
from pacsd.audit.codes import DESTINATION_ROLE, SOURCE_ROLE, Action, Code, Event, Kind, Outcome


@dataclass(frozen=True, slots=True)
class Agent:
    """An active participant. `requestor`: who began it; `role`: source or destination of what went over the wire."""

    user_id: str
    requestor: bool = False
    name: str = ""
    client: str = ""
    organisation: str = ""
    address: str = ""
    role: Code | None = None
    roles: tuple[str, ...] = ()          # in its organisation (pacsd.access.principal.Role)


@dataclass(frozen=True, slots=True)
class AuditObject:
    """A participant object. `authority`: of a patient's id; `query`: its text as it came over the wire.

    `sop_classes`: UIDs with numbers of instances; `details`: what else is told of it, by name.
    """

    kind: Kind
    id: str
    authority: str = ""
    sop_classes: Mapping[str, int] = field(default_factory=dict)
    accession: str = ""
    query: bytes = b""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditMessage:
    """One event. `repeats`: how often it came again unrecorded; `resource`: an AuditEvent that a client sent."""

    event: Event
    action: Action
    at: datetime
    outcome: Outcome = Outcome.SUCCESS
    types: tuple[Code, ...] = ()
    agents: tuple[Agent, ...] = ()
    objects: tuple[AuditObject, ...] = ()
    purpose: str = ""
    reason: str = ""                     # of the outcome, or why the glass was broken
    repeats: int = 0
    resource: Mapping[str, Any] | None = None

    def studies(self) -> tuple[str, ...]:
        """The Study Instance UIDs it is about."""
        return tuple(one.id for one in self.objects if one.kind is Kind.STUDY)


def agents(principal: Principal, *, ours: str, address: str = "") -> tuple[Agent, ...]:
    """Who asked, by which program, and we who answer: the client is the source, as BALP and PS3.15 A.5.3.10 have it."""
    asker = Agent(
        principal.subject or (principal.address or "anonymous"), requestor=True, name=principal.name,
        client=principal.client, organisation=principal.organisation, address=principal.address, role=SOURCE_ROLE,
        roles=tuple(sorted(one.value for one in principal.roles)) if principal.proof is not Proof.NOTHING else (),
    )  # fmt: skip
    return asker, Agent(ours, address=address, role=DESTINATION_ROLE)


def patient(assigning_authority: str, patient_id: str) -> AuditObject:
    """A patient as an object."""
    return AuditObject(Kind.PATIENT, patient_id, authority=assigning_authority)


def encoded(message: AuditMessage) -> bytes:
    """As one line of JSON; empty members are left out."""
    body: dict[str, Any] = {
        "event": message.event.value.code, "action": message.action.value, "outcome": message.outcome.value,
        "at": message.at.astimezone(UTC).isoformat(),
        "types": [_code(one) for one in message.types],
        "agents": [_agent(one) for one in message.agents],
        "objects": [_object(one) for one in message.objects],
        "purpose": message.purpose, "reason": message.reason, "repeats": message.repeats,
        "resource": message.resource,
    }  # fmt: skip
    return orjson.dumps({name: value for name, value in body.items() if value not in ("", [], None) and
                         (value or name != "repeats")}, default=_number)  # fmt: skip


def _number(value: object) -> orjson.Fragment:
    """A number of a resource, with its digits (FHIR R4 json.html#decimal)."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError


def decoded(body: Mapping[str, Any]) -> AuditMessage:
    """A message from its JSON. Raises KeyError, ValueError, TypeError for what is none."""
    return AuditMessage(
        event=_EVENTS[body["event"]],
        action=Action(body["action"]),
        at=datetime.fromisoformat(body["at"]),
        outcome=Outcome(body["outcome"]),
        types=tuple(Code(*one) for one in body.get("types", ())),
        agents=tuple(_agent_of(one) for one in body.get("agents", ())),
        objects=tuple(_object_of(one) for one in body.get("objects", ())),
        purpose=body.get("purpose", ""),
        reason=body.get("reason", ""),
        repeats=body.get("repeats", 0),
        resource=body.get("resource"),
    )


_EVENTS = {one.value.code: one for one in Event}


def _code(code: Code) -> list[str]:
    return [code.code, code.system, code.display]


def _agent(agent: Agent) -> dict[str, Any]:
    told: dict[str, Any] = {"id": agent.user_id}
    for name in ("requestor", "name", "client", "organisation", "address"):
        if value := getattr(agent, name):
            told[name] = value
    if agent.role is not None:
        told["role"] = _code(agent.role)
    if agent.roles:
        told["roles"] = agent.roles
    return told


def _agent_of(told: Mapping[str, Any]) -> Agent:
    rest = {name: told[name] for name in ("requestor", "name", "client", "organisation", "address") if name in told}
    role = Code(*told["role"]) if "role" in told else None
    return Agent(told["id"], role=role, roles=tuple(told.get("roles", ())), **rest)


def _object(one: AuditObject) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": one.kind.name, "id": one.id}
    if one.authority:
        told["authority"] = one.authority
    if one.sop_classes:
        told["sop_classes"] = dict(one.sop_classes)
    if one.accession:
        told["accession"] = one.accession
    if one.query:
        told["query"] = one.query.decode("latin-1")
    if one.details:
        told["details"] = dict(one.details)
    return told


def _object_of(told: Mapping[str, Any]) -> AuditObject:
    return AuditObject(
        Kind[told["kind"]], told["id"], told.get("authority", ""), told.get("sop_classes", {}),
        told.get("accession", ""), told.get("query", "").encode("latin-1"), told.get("details", {}),
    )  # fmt: skip
