"""An audit message (PS3.15 A.5.2, IHE ITI TF-2 3.20): the event, who took part, and what it was about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from pacsd.access.principal import Principal, Proof
from pacsd.audit import record_json
from pacsd.audit.codes import DESTINATION_ROLE, SOURCE_ROLE, Action, Code, Event, Kind, Outcome

_KEPT = 4_096                            # characters of agents, at most, whose JSON is kept


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


class AuditObject(NamedTuple):
    """A participant object. `authority`: of a patient's id; `query`: its text as it came over the wire.

    `sop_classes`: UIDs with numbers of instances; `details`: what else is told of it, by name.
    """

    kind: Kind
    id: str
    authority: str = ""
    sop_classes: Mapping[str, int] = MappingProxyType({})
    accession: str = ""
    query: bytes = b""
    details: Mapping[str, str] = MappingProxyType({})


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
    return orjson.dumps(_body(message), default=record_json.as_written)


def _body(message: AuditMessage) -> dict[str, Any]:
    at = message.at if message.at.tzinfo is UTC else message.at.astimezone(UTC)
    body: dict[str, Any] = {
        "event": message.event.value.code, "action": message.action.value, "outcome": message.outcome.value,
        "at": at.isoformat(),
    }  # fmt: skip
    if message.types:
        body["types"] = [_code(one) for one in message.types]
    if message.agents:
        body["agents"] = _agents(message.agents) if _are_short(message.agents) else _told(message.agents)
    if message.objects:
        body["objects"] = [_object(one) for one in message.objects]
    for name in ("purpose", "reason", "repeats"):
        if value := getattr(message, name):
            body[name] = value
    if message.resource is not None:
        body["resource"] = message.resource
    return body


class Encoded(NamedTuple):
    """An event as one line of JSON; taken apart only where somebody asks what it says."""

    at: datetime
    payload: bytes

    def message(self) -> AuditMessage:
        """What it says."""
        return decoded(record_json.read(self.payload))


Recordable = AuditMessage | Encoded


class Form:
    """The events of one agent that differ in their times and objects alone: the rest is encoded once."""

    __slots__ = ("_head", "_middle", "_tail")

    def __init__(self, message: AuditMessage) -> None:
        """As this message, whose time and objects do not count. It has types and agents."""
        body = _body(replace(message, objects=()))
        before = {name: body.pop(name) for name in ("event", "action", "outcome")}
        del body["at"]
        about = {name: body.pop(name) for name in ("types", "agents")}
        self._head = orjson.dumps(before)[:-1] + b',"at":'
        self._middle = b"," + orjson.dumps(about)[1:-1] + b',"objects":['
        self._tail = b"]," + orjson.dumps(body, default=record_json.as_written)[1:] if body else b"]}"

    def filled(self, at: datetime, objects: Sequence[AuditObject]) -> Encoded:
        """An event at a time in UTC about some objects, byte for byte as `encoded` has it."""
        told = b",".join([_encoded_object(one) for one in objects])
        return Encoded(at, b"%b%b%b%b%b" % (self._head, orjson.dumps(at), self._middle, told, self._tail))


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


@lru_cache(maxsize=512)
def _agents(parties: tuple[Agent, ...]) -> orjson.Fragment:
    """The same take part in many events."""
    return orjson.Fragment(orjson.dumps(_told(parties)))


def _told(parties: tuple[Agent, ...]) -> list[dict[str, Any]]:
    return [_agent(one) for one in parties]


def _are_short(parties: tuple[Agent, ...]) -> bool:
    """Whether they are kept: what clients name may be of any length."""
    return sum(len(one.user_id) + len(one.name) + len(one.client) + len(one.address) for one in parties) <= _KEPT


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


_KINDS = {one: b'{"kind":"%b","id":' % one.name.encode() for one in Kind}


def _encoded_object(one: AuditObject) -> bytes:
    """As `_object` has it; of the usual ones no dictionary is made."""
    kind, name, authority, sop_classes, accession, query, details = one
    if sop_classes or accession or details:
        return orjson.dumps(_object(one))
    told = _KINDS[kind] + orjson.dumps(name)
    if authority:
        told += b',"authority":' + orjson.dumps(authority)
    if query:
        told += b',"query":' + orjson.dumps(query.decode("latin-1"))
    return told + b"}"


def _object_of(told: Mapping[str, Any]) -> AuditObject:
    return AuditObject(
        Kind[told["kind"]], told["id"], told.get("authority", ""), told.get("sop_classes", {}),
        told.get("accession", ""), told.get("query", "").encode("latin-1"), told.get("details", {}),
    )  # fmt: skip
