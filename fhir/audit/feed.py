"""Record Audit Event, the FHIR feed (IHE ITI-20 3.20.4.2): AuditEvents of others, kept as they were sent.

What was taken is in the chain of records like our own, and nobody changes it any more.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from fhir.audit.resource import audit_event
from fhir.audit.search import desk_of
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.outcome import FhirError
from pacsd.audit.codes import Action, Code, Event, Kind, Outcome
from pacsd.audit.loading import identified
from pacsd.audit.message import Agent, AuditMessage, AuditObject
from pacsd.audit.trail import now
from pacsd.faults import Fault, PacsdError
from pacsd.index.audit_events import EventRow

_EVENTS = {one.value.code: one for one in Event}
_MOST = 1_000                            # participants and objects by which one is searched
_TEXT = 256


def create(server: Server, request: Request) -> Answer:
    """201 with Location; the id is the server's. Raises FhirError where the body is refused."""
    desk, resource = desk_of(server), request.body()
    if resource.get("resourceType") != "AuditEvent":
        raise FhirError(Fault.MISMATCH, "an AuditEvent is expected here")
    if request.conditions.if_none_exist:
        raise FhirError(Fault.UNSUPPORTED, "audit events are not created on a condition", code="not-supported")
    issues = tuple(server.check(resource))
    if any(one.severity in ("error", "fatal") for one in issues):
        raise FhirError(Fault.INVALID, "the AuditEvent breaks rules of R4", issues=issues)
    access = request.asker.access
    message = _message(resource, access.principal.organisation if access is not None else "")
    writer, number = desk.recorder.write(message)
    if not number:
        raise FhirError(Fault.UNSUPPORTED, "nothing is recorded here", code="not-supported")
    with suppress(PacsdError):           # it is recorded: the worker reads it
        desk.hurry(message.at)
    row = EventRow(message.at, writer, number, "", "", 0, (), frozenset(), "")
    name = identified(writer, number)
    return Answer(201, resource=audit_event(desk, row, message), issues=issues,
                  headers={"Location": f"{request.base}/AuditEvent/{name}/_history/1", "ETag": 'W/"1"'})  # fmt: skip


def _message(resource: Mapping[str, Any], organisation: str) -> AuditMessage:
    """The record that holds it, and by what it is searched. Its time is its own, and that it came now its place."""
    kind = resource.get("type", {}).get("code", "")
    try:
        at = datetime.fromisoformat(resource["recorded"])
        at = at.astimezone(UTC) if at.tzinfo else now()
        outcome = Outcome(int(resource.get("outcome", 0)))
        action = Action(resource.get("action", "E"))
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise FhirError(Fault.INVALID, "recorded, outcome or action cannot be read") from error
    subtypes = tuple(Code(_text(one.get("code")), _text(one.get("system")), "") for one in resource.get("subtype", ()))
    return AuditMessage(
        _EVENTS.get(kind, Event.APPLICATION_ACTIVITY), action, at, outcome, types=subtypes,
        agents=tuple(_agents(resource, organisation))[:_MOST], objects=tuple(_objects(resource))[:_MOST],
        resource=dict(resource),
    )  # fmt: skip


def _agents(resource: Mapping[str, Any], organisation: str) -> Iterator[Agent]:
    for one in resource.get("agent", ()):
        who = one.get("who", {})
        name = who.get("reference") or who.get("identifier", {}).get("value") or one.get("altId") or ""
        yield Agent(_text(name), requestor=one.get("requestor") is True, name=_text(one.get("name")),
                    client=_text(one.get("altId")), address=_text(one.get("network", {}).get("address")),
                    organisation=organisation)  # fmt: skip


def _objects(resource: Mapping[str, Any]) -> Iterator[AuditObject]:
    for one in resource.get("entity", ()):
        what = one.get("what", {})
        if reference := what.get("reference"):
            yield AuditObject(Kind.RESOURCE, _text(reference))
        if value := what.get("identifier", {}).get("value"):
            yield AuditObject(Kind.URI, _text(value).removeprefix("urn:oid:"))


def _text(value: object) -> str:
    return str(value or "")[:_TEXT]
