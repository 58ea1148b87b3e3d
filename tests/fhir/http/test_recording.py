"""What is recorded where something is refused, opened or listened to."""

from dataclasses import replace
from typing import Any

import pytest

from fhir.audit.recording import Recording
from fhir.interaction.dispatch import Dispatch
from fhir.interaction.request import Answer, Request, asker_of
from fhir.interaction.table import INTERACTIONS
from fhir.operation.table import OPERATIONS
from pacsd.access.asking import Access
from pacsd.access.directory import Peer
from pacsd.access.principal import Role
from pacsd.access.scope import Scope
from pacsd.audit.codes import EMERGENCY_OVERRIDE, Event, Kind, Outcome
from pacsd.faults import Fault, PacsdError
from tests.access.region import somebody
from tests.web.test_recording import Kept


class Recorded:
    """Of a server the one thing that a dispatch asks it."""

    def __init__(self) -> None:
        self.kept = Kept()
        self.recording = Recording(self.kept, "ARCHIVE")


def request(role: Role, method: str, body: dict[str, Any] | None = None) -> Request:
    access = Access(somebody(role, "west"), Peer("", 1, "west", "WEST", Scope((1,), 1)))
    return Request(asker_of(access), "https://pacs.example/fhir", method, resource=body)


def test_what_a_role_may_not_do_is_on_record() -> None:
    server = Recorded()
    with pytest.raises(PacsdError) as refused:
        Dispatch(INTERACTIONS, OPERATIONS)(server, request(Role.AUDITOR, "GET"), "Patient/1")  # type: ignore[arg-type]
    assert refused.value.fault is Fault.FORBIDDEN
    (message,) = server.kept.messages
    assert message.outcome is Outcome.MINOR_FAILURE and message.agents[0].user_id == "auditor@west"
    assert [one.id for one in message.objects] == ["Patient/1"]


def test_a_broken_glass_is_an_emergency_override_of_a_study_with_its_reason() -> None:
    server = Recorded()
    body = {"resourceType": "Parameters", "parameter": [
        {"name": "study", "valueUri": "urn:oid:1.2.3"}, {"name": "reason", "valueString": "unconscious"}]}  # fmt: skip
    operation = next(one for one in OPERATIONS if one.name == "break-glass")
    asked = replace(request(Role.RADIOLOGIST, "POST", body), operation="break-glass")
    server.recording.done(asked, operation, Answer(200))
    server.recording.refused(asked, operation, PacsdError(Fault.NOT_FOUND, "no such study"))
    for message, outcome in zip(server.kept.messages, (Outcome.SUCCESS, Outcome.MINOR_FAILURE), strict=True):
        assert (message.event, message.outcome, message.reason) == (Event.SECURITY_ALERT, outcome, "unconscious")
        assert EMERGENCY_OVERRIDE in message.types
        assert [(one.kind, one.id) for one in message.objects] == [(Kind.STUDY, "1.2.3")]


def test_a_listener_is_on_record() -> None:
    server = Recorded()
    server.recording.listens(request(Role.SYSTEM, "GET").asker, "198.51.100.7")
    (message,) = server.kept.messages
    assert (message.agents[0].user_id, message.agents[0].address) == ("system@west", "198.51.100.7")
    assert message.types[1].code == "websocket"
