"""ORU^R01 as it goes out: valid in every version that may be configured, in order, once, and never with less."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.messages import HL7_VERSIONS
from config.settings import Hl7DestinationSettings
from hl7.character_sets import character_set
from hl7.message import parse
from hl7.validation import validate
from ihe_profiles.exchange.services import Exchange
from ihe_profiles.rd.distribution import Distribution
from ihe_profiles.rd.result_message import Addressed, Known, ResultMessage, control_id, message_of
from pacsd.index.outgoing import Queued
from pacsd.reports.counting import Counting
from pacsd.reports.report import Patient, Status
from tests.hl7.peer import adt
from tests.hl7.results import mdm, oru, study_uid, text
from tests.ihe_profiles.test_exchange import ask, exchange
from tests.ihe_profiles.test_results import PDF, TWO, Ward, opened

ED = f"ED|PDF^Report||^application^pdf^Base64^{base64.b64encode(PDF).decode()}||||||F"
EVERYTHING = oru(
    "1", study_uid("1.2.3"), text("One | two ^ three.\\.br\\Second line"),
    text("Normal.", code="19005-8^Impression^LN"),
    "NM|8867-4^Heart rate^LN||72.5|/min^per minute^UCUM|60-80|N|||F", "CWE|99^Grade^L||27268008^Salmonella^SCT||||||F",
    "SN|99^Size^L||>^5||||||F", "DT|99^Follow up^L||20260301||||||F", ED,
    name="\u5f20^\u4e09", verifier="9&\u674e&\u56db^20260101113000", author="8&WANG&WU",
).replace("One | two ^ three", "One \\F\\ two \\S\\ three")  # fmt: skip


@pytest.fixture
def ward(database: str, tmp_path: Path) -> Iterator[Ward]:
    with opened(database, tmp_path / "blobs") as house:
        yield Ward(house, exchange(house, organisations=TWO))


def built(ward: Ward, version: str, *, said: str = "UNICODE UTF-8") -> ResultMessage:
    state = ward.report().counting
    assert state is not None
    known = Known("42", "east", Patient("ZHANG^SAN^^DR", "\u5f20^\u4e09", "19700101", "F"))
    return message_of(
        state, known, Addressed("RIS", "EAST", "east", version, character_set(said)), at=state.newest.said_at
    )


def whole(ward: Ward, message: ResultMessage) -> bytes:
    return message.whole(lambda one: iter((ward.house.blobs.read(one.key),)))


@pytest.mark.parametrize("version", HL7_VERSIONS)
def test_what_is_sent_is_valid_in_its_version_and_says_all(ward: Ward, version: str) -> None:
    assert ward.ask(EVERYTHING)[0] == "AA"
    message = built(ward, version)
    validate(parse(message.example()))
    sent = parse(whole(ward, message))
    assert sent.value("MSH-9.3") == "ORU_R01" and sent.value("MSH-12") == version
    assert sent.sent("PID-5") == "ZHANG^SAN^^^DR^^L^A~\u5f20^\u4e09^^^^^L^I"
    assert (sent.value("OBR-2"), sent.value("OBR-3"), sent.value("OBR-18"), sent.value("OBR-25")) == (
        "P1", "F1", "A1", "F",
    )  # fmt: skip
    assert sent.sent("OBR-32") == "9&\u674e&\u56db^20260101113000" and sent.sent("OBR-33") == "8&WANG&WU"
    lines = [(one.field(2), sent.meaning(one.field(5), None)) for one in sent.all("OBX")]  # type: ignore[arg-type]
    coded = "CE" if version in ("2.3.1", "2.4") else "CWE"
    assert lines[:-1] == [
        ("ST", "1.2.3"), ("TX", "One | two ^ three."), ("TX", "Second line"), ("TX", "Normal."), ("NM", "72.5"),
        (coded, "27268008^Salmonella^SCT"), ("TX", "Size: >5"), ("TX", "Follow up: 2026-03-01"),
    ]  # fmt: skip
    assert base64.b64decode(lines[-1][1].split("^")[4]) == PDF


def test_an_amended_report_reads_as_a_whole_and_a_cancelled_one_says_nothing(ward: Ward) -> None:
    assert ward.ask(mdm("T02", "1", text("First.")))[0] == "AA"
    assert ward.ask(mdm("T06", "2", text("Added."), number="D2", parent="D1", time="20260101130000"))[0] == "AA"
    sent = parse(whole(ward, built(ward, "2.5.1")))
    assert [(one.field(3).split("^")[0], one.field(5)) for one in sent.all("OBX")] == [
        ("59776-5", "First."), ("55107-7", "Added."),
    ]  # fmt: skip
    assert sent.value("OBR-25") == "C"
    assert ward.ask(mdm("T11", "3", time="20260101140000"))[0] == "AA"
    for version in HL7_VERSIONS:
        message = built(ward, version)
        validate(parse(message.example()))
        sent = parse(whole(ward, message))
        assert sent.value("OBR-25") == sent.value("OBX-11") == "X" and sent.value("OBX-5") == ""


@pytest.mark.parametrize("version", HL7_VERSIONS)
def test_a_report_of_several_orders_names_them_all(ward: Ward, version: str) -> None:
    more = "OBR|2|P2|F2|1^X^L||||||||||||||A2|||||||F\r"
    assert ward.ask(oru("1", text("Both.")) + more)[0] == "AA"
    message = built(ward, version)
    validate(parse(message.example()))
    sent = parse(whole(ward, message))
    assert [one.field(18) for one in sent.all("OBR")] == ["A1", "A2"]


def test_a_pdf_is_encoded_whatever_its_pieces(ward: Ward) -> None:
    assert ward.ask(oru("1", ED))[0] == "AA"
    message = built(ward, "2.5.1")
    data = os.urandom(10_000)
    for step in (1, 2, 3, 1000, 9_999):
        made = message.whole(lambda one, step=step: (data[at : at + step] for at in range(0, len(data), step)))  # type: ignore[misc]
        assert base64.b64decode(parse(made).value("OBX-5.5")) == data


def test_a_state_has_one_control_id(ward: Ward) -> None:
    assert ward.ask(oru("1", text("x")))[0] == "AA"
    report = ward.report()
    (version,) = report.versions
    ids = {control_id(Counting((version,), status)) for status in Status}
    assert len(ids) == 1 and len(ids.pop()) == 16


def destinations(**more: object) -> tuple[Hl7DestinationSettings, ...]:
    wanted = ("report.preliminary", "report.final", "report.amended", "report.cancelled")
    return (Hl7DestinationSettings("ris", "127.0.0.1", 1, reports=wanted, **more),)  # type: ignore[arg-type]


def queued(one: Exchange) -> list[Queued]:
    """What waits or was set aside for the destination, once everything that happened was looked at."""
    for name, _, run in one.chores():
        while name.startswith("reports to") and run():
            continue
    return sorted(one.list_outgoing("east", state=None, limit=99), key=lambda found: found.pk)


def test_events_become_messages_in_order_and_once(ward: Ward) -> None:
    one = exchange(ward.house, organisations=TWO, hl7_destinations=destinations())
    for number, (status, hour) in enumerate((("P", 10), ("F", 11), ("C", 12), ("X", 13))):
        lines = () if status == "X" else (text(status),)
        assert ask(one, oru(str(number), *lines, status=status, time=f"20260101{hour}0000"))[0] == "AA"
    first = queued(one)
    assert [parse(found.body).value("OBR-25") for found in first] == ["P", "F", "C", "X"]
    with ward.house.pool.connection() as connection:                 # as if killed before the events were settled
        connection.execute("update consumer set window_from = '0', window_to = '0', event = 0")
    assert [found.pk for found in queued(one)] == [found.pk for found in first]


def test_the_patient_is_who_it_is_now(ward: Ward) -> None:
    one = exchange(ward.house, organisations=TWO, hl7_destinations=destinations())
    assert ask(one, oru("1", text("x"), patient="OLD", name="OLD^NAME"))[0] == "AA"
    assert ask(one, adt("A40", "2", "NEW", name="NEW^NAME", more="MRG|OLD"))[0] == "AA"
    (found,) = queued(one)
    assert parse(found.body).sent("PID-3") == "NEW^^^east^MR" and parse(found.body).sent("PID-5") == "NEW^NAME^^^^^L"


def test_what_a_character_set_does_not_have_is_set_aside_and_holds_up_nothing(ward: Ward) -> None:
    one = exchange(ward.house, organisations=TWO, hl7_destinations=destinations(character_set="8859/1"))
    assert ask(one, oru("1", text("\u6b63\u5e38"), filler="F1"))[0] == "AA"
    assert ask(one, oru("2", text("d\u00e9j\u00e0 vu"), filler="F2"))[0] == "AA"
    refused, sent = queued(one)
    assert (refused.state, sent.state) == ("refused", "waiting")
    assert refused.problem is not None and refused.problem.startswith("8859/1 has no")
    assert "d\u00e9j\u00e0 vu".encode("latin-1") in sent.body


def test_another_organisations_reports_and_former_ones_are_none_of_a_destinations(ward: Ward) -> None:
    assert ward.ask(oru("1", text("before"), filler="F1"))[0] == "AA"
    one = exchange(ward.house, organisations=TWO, hl7_destinations=destinations(organisation="west"))
    assert ask(one, oru("2", text("of the east"), filler="F2"))[0] == "AA"
    assert queued(one) == []
    assert isinstance(one._distributions["ris"], Distribution)
