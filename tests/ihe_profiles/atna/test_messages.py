"""What is on record of HL7 messages: who sent what, about whom."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hl7.ports import Arrival, Beside
from ihe_profiles.atna.messages import RecordedInbox
from pacsd.audit.codes import DESTINATION_ROLE, SOURCE_ROLE, Action, Code, Event, Kind, Outcome
from pacsd.audit.message import Agent, AuditMessage, AuditObject, Encoded, Recordable, encoded, patient
from pacsd.audit.trail import Unrecorded

ARRIVAL = Arrival("his", "east", "10.0.0.1", "HIS", "东院", "42", "ADT^A08", datetime.now(UTC), b"d" * 16,
                  b"MSH|^~\\&|HIS\rPID|1||7^^^E\r")  # fmt: skip
V2 = "urn:oid:2.16.840.1.113883.12.3"


class Taking:
    """An inbox that only keeps what is to be recorded beside the messages."""

    def __init__(self) -> None:
        self.records: list[Recordable] = []

    def take(self, *_: object, beside: Beside, **__: object) -> Sequence[bytes]:
        self.records.append(beside.part)
        return []


def recorded(*arrivals: tuple[Arrival, tuple[str, str] | None]) -> list[AuditMessage]:
    taking: Any = Taking()
    inbox = RecordedInbox(taking, Unrecorded(), "PACSD")
    for arrival, subject in arrivals:
        inbox.take(arrival, [], None, subject=subject)
    return [one.message() if isinstance(one, Encoded) else one for one in taking.records]


def expected(at: datetime, arrival: Arrival, event: Event, who: str, about: AuditObject) -> AuditMessage:
    asker = Agent(who, requestor=True, organisation=arrival.organisation, address=arrival.address, role=SOURCE_ROLE)
    kind = arrival.message_type
    return AuditMessage(
        event, Action.UPDATE, at, Outcome.SUCCESS, types=(Code(kind, V2, kind),),
        agents=(asker, Agent("PACSD", role=DESTINATION_ROLE)),
        objects=(about, AuditObject(Kind.MESSAGE, arrival.control_id)),
    )  # fmt: skip


def test_each_message_is_recorded_with_its_own_sender_patient_and_control_id() -> None:
    others = [
        (ARRIVAL, ("7", "E")), (replace(ARRIVAL, control_id="43"), ("张\"\\", "W")),
        (replace(ARRIVAL, address="10.0.0.2", organisation="west"), ("7", "E")),
        (replace(ARRIVAL, message_type="ADT^A04", facility=""), ("7", "E")),
        (replace(ARRIVAL, application="H" * 300), ("7", "E")),
        (replace(ARRIVAL, message_type="ORU^R01"), None),
    ]  # fmt: skip
    found = recorded(*others, *others)
    senders = ["东院|HIS"] * 3 + ["HIS", "东院|" + "H" * 300, "东院|HIS"]
    events = [Event.PATIENT_RECORD] * 5 + [Event.PROCEDURE_RECORD]
    for said, who, event, (arrival, subject) in zip(found, senders * 2, events * 2, others * 2, strict=True):
        number, authority = subject or ("7", "E")
        assert said == expected(said.at, arrival, event, who, patient(authority, number))


@pytest.mark.parametrize("control_id", ["42", "4" * 199])
def test_a_form_that_is_filled_says_what_is_encoded_without_one(control_id: str) -> None:
    arrival = replace(ARRIVAL, control_id=control_id)
    taking: Any = Taking()
    RecordedInbox(taking, Unrecorded(), "PACSD").take(arrival, [], None, subject=("7", "E"))
    (record,) = taking.records
    shortened = replace(arrival, control_id=control_id[:64])
    whole = expected(record.at, shortened, Event.PATIENT_RECORD, "东院|HIS", patient("E", "7"))
    assert isinstance(record, Encoded) and record.payload == encoded(whole)
