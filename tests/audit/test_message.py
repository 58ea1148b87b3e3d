"""Messages keep all they say."""

from dataclasses import replace
from datetime import timedelta, timezone
from decimal import Decimal

import orjson
import pytest

from pacsd.audit import record_json
from pacsd.audit.codes import LOGIN, SOURCE_ROLE, Action, Event, Kind, Outcome
from pacsd.audit.message import Agent, AuditMessage, AuditObject, Form, decoded, encoded, patient
from tests.audit.house import AT, access


def test_a_message_keeps_all_it_says() -> None:
    message = AuditMessage(
        Event.QUERY, Action.EXECUTE, AT, Outcome.MINOR_FAILURE, types=(LOGIN,),
        agents=(Agent("li", True, "李", "app", "east", "10.0.0.1", SOURCE_ROLE, ("radiologist",)), Agent("PACSD")),
        objects=(patient("EAST", "张1"), AuditObject(Kind.QUERY, "", query=b"\x00\xffPatientID=1"),
                 AuditObject(Kind.STUDY, "1.2", sop_classes={"1.2.840": 3}, accession="A", details={"a": "b"})),
        purpose="ETREAT", reason="why", repeats=4, resource={"resourceType": "AuditEvent"},
    )  # fmt: skip
    assert decoded(orjson.loads(encoded(message))) == message


@pytest.mark.parametrize(("purpose", "reason"), [("TREAT", ""), ("", ""), ("ETREAT", "why \"not\"")])
def test_what_is_filled_into_a_form_is_the_message_byte_for_byte(purpose: str, reason: str) -> None:
    asker = Agent("li", True, "李", "app", "east", "10.0.0.1", SOURCE_ROLE, ("radiologist",))
    message = AuditMessage(
        Event.QUERY, Action.EXECUTE, AT, Outcome.MINOR_FAILURE, types=(LOGIN,), agents=(asker, Agent("PACSD")),
        objects=(patient("EAST", "张1"), AuditObject(Kind.QUERY, "", query=b'\x00\xff"PatientID=1')),
        purpose=purpose, reason=reason,
    )  # fmt: skip
    filled = Form(replace(message, objects=(), at=AT + timedelta(hours=1))).filled(AT, message.objects)
    assert filled.payload == encoded(message) and filled.message() == message


def test_numbers_of_what_was_fed_keep_their_digits() -> None:
    digits = {"detail": [{"valueDecimal": Decimal("1.10")}, {"valueDecimal": Decimal(10**19)}, {"valueInteger": 3}]}
    fed = replace(access(), resource=digits)
    told = record_json.read(encoded(fed).decode())
    assert decoded(told) == fed and encoded(decoded(told)) == encoded(fed) and b"1.10" in encoded(fed)
    assert record_json.read(encoded(fed)) == told and type(told["resource"]["detail"][2]["valueInteger"]) is int


def test_a_time_of_another_zone_is_written_as_utc() -> None:
    east = AT.astimezone(timezone(timedelta(hours=8)))
    assert encoded(access(at=east)) == encoded(access())


def test_what_says_nothing_is_not_written() -> None:
    told = orjson.loads(encoded(access()))
    assert set(told) == {"event", "action", "outcome", "at", "agents", "objects"}
