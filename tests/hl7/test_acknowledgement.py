"""Acknowledgements: which a message gets, and how they are written in its version and character set."""

from datetime import UTC, datetime

import pytest

from hl7.acknowledgement import answers, wanted
from hl7.conditions import Condition, Hl7Error, Location
from hl7.header import header_in, header_of
from hl7.message import parse
from tests.hl7.peer import adt, code, field

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PLACE = Location("PID", 1, 3, 2, 1)
WRONG = Hl7Error(Condition.REQUIRED_FIELD, PLACE, "a|b")
NOT_NOW = Hl7Error(Condition.VERSION_ID, Location("MSH", 1, 12), "no", rejected=True)


def acknowledged(message: str, error: Hl7Error | None = None, encoding: str = "utf-8") -> list[bytes]:
    header = header_in(parse(message.encode(encoding)))
    return answers(header, error, at=AT, control_ids=("ID1", "ID2"))


# HL7 v2.5.1 2.9.2, 2.9.3, tables 0155, 0008: MSH-15, MSH-16, and the codes after success, content error, rejection
@pytest.mark.parametrize(
    ("accept", "application", "success", "failure", "rejection"),
    [
        ("", "", ["AA"], ["AE"], ["AR"]),
        (" ", "", ["AA"], ["AE"], ["AR"]),
        ("AL", "NE", ["CA"], ["CE"], ["CR"]),
        ("AL", "", ["CA"], ["CE"], ["CR"]),
        ("NE", "AL", ["AA"], ["AE"], ["AR"]),
        ("", "AL", ["AA"], ["AE"], ["AR"]),
        ("AL", "AL", ["CA", "AA"], ["CE", "AE"], ["CR", "AR"]),
        ("NE", "NE", [], [], []),
        ("ER", "NE", [], ["CE"], ["CR"]),
        ("SU", "NE", ["CA"], [], []),
        ("SU", "ER", ["CA"], ["AE"], ["AR"]),
        ("ER", "SU", ["AA"], ["CE"], ["CR"]),
        ("al", "ne", ["CA"], ["CE"], ["CR"]),
        ("??", "NE", ["CA"], ["CE"], ["CR"]),
    ],
)
def test_a_message_gets_what_it_asks_for(
    accept: str, application: str, success: list[str], failure: list[str], rejection: list[str]
) -> None:
    message = adt("A08", "1", "42", accept=accept, application_ack=application)
    assert [code(one) for one in acknowledged(message)] == success
    assert [code(one) for one in acknowledged(message, WRONG)] == failure
    assert [code(one) for one in acknowledged(message, NOT_NOW)] == rejection


def test_an_answer_goes_back_to_whoever_sent_the_message() -> None:
    (answer,) = acknowledged(adt("A08", "Z9", "42"))
    assert answer.decode() == (
        "MSH|^~\\&|PACSD|EAST|HIS|EAST|20260102030405+0000||ACK^A08^ACK|ID1|P|2.5.1\rMSA|AA|Z9\r"
    )


def test_two_answers_have_two_control_ids_and_ask_for_none_themselves() -> None:
    both = acknowledged(adt("A08", "Z9", "42", accept="AL", application_ack="AL"))
    assert [field(one, b"MSH", 9) for one in both] == ["ID1", "ID2"]
    assert {(field(one, b"MSH", 14), field(one, b"MSH", 15)) for one in both} == {("NE", "NE")}


@pytest.mark.parametrize(
    ("version", "kind", "err"),
    [
        ("2.2", "ACK", "ERR|PID^1^3^101&Required field missing&HL70357"),
        ("2.3", "ACK^A08", "ERR|PID^1^3^101&Required field missing&HL70357"),
        ("2.3.1", "ACK^A08^ACK", "ERR|PID^1^3^101&Required field missing&HL70357"),
        ("2.4", "ACK^A08^ACK", "ERR|PID^1^3^101&Required field missing&HL70357"),
        ("2.5", "ACK^A08^ACK", "ERR||PID^1^3^2^1|101^Required field missing^HL70357|E||||a\\F\\b"),
        ("2.5.1", "ACK^A08^ACK", "ERR||PID^1^3^2^1|101^Required field missing^HL70357|E||||a\\F\\b"),
        ("2.8", "ACK^A08^ACK", "ERR||PID^1^3^2^1|101^Required field missing^HL70357|E||||a\\F\\b"),
    ],
)
def test_an_error_is_written_as_its_version_has_it(version: str, kind: str, err: str) -> None:
    (answer,) = acknowledged(adt("A08", "1", "42", version=version), WRONG)
    lines = answer.decode().split("\r")
    assert lines[0].split("|")[8] == kind and lines[0].split("|")[11] == version
    assert lines[2] == err
    assert field(answer, b"MSA", 3) == ("" if version == "2.8" else "a\\F\\b")


def test_a_version_nobody_knows_is_answered_in_ours() -> None:
    (answer,) = acknowledged(adt("A08", "1", "42", version="9.9"), NOT_NOW)
    assert field(answer, b"MSH", 11) == "2.5.1" and code(answer) == "AR"


def test_an_answer_speaks_the_senders_character_set_and_separators() -> None:
    message = adt("A08", "1", "42", charset="GBK", application="医院系统魱")
    (answer,) = acknowledged(message, encoding="gb18030")
    text = answer.decode("gb18030").split("|")
    assert text[4] == "医院系统魱" and text[17].strip("\rMSA") == "GB 18030-2000"
    own = adt("A08", "1", "42").replace("^~\\&", "*%!@").replace("ADT^A08", "ADT*A08")
    (answer,) = acknowledged(own, WRONG)
    assert "ERR||PID*1*3*2*1|101*Required field missing*HL70357|E||||a!F!b" in answer.decode()


@pytest.mark.parametrize("raw", [b"", b"PID|1", b"MSH", b"\x00\xff" * 50])
def test_what_has_no_header_is_answered_to_nobody(raw: bytes) -> None:
    assert header_of(raw) is None
    (answer,) = answers(None, None, at=AT, control_ids=("ID1", "ID2"))
    assert answer.decode().split("\r")[1:] == [
        "MSA|AR|", "ERR||MSH^1|100^Segment sequence error^HL70357|E||||a message begins with MSH", "",
    ]


def test_a_header_that_cannot_be_read_is_echoed_byte_for_byte() -> None:
    raw = b"MSH|^~\\\\&|\xff\xfe|EAST|A|B|2026||ADT^A08|1\xf0|P|2.4||||||NOTHING\rPID|1"
    header = header_of(raw)
    assert header is not None
    (answer,) = answers(header, WRONG, at=AT, control_ids=("ID1", "ID2"))
    assert answer.split(b"|")[4] == b"\xff\xfe" and b"\rMSA|AE|1\xf0|" in answer
    assert wanted(header, success=True).application
