"""What a message is judged by, in which order, and what is kept of it."""

import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.hl7_mapping import MessageMapping
from hl7 import reception
from hl7.conditions import Condition, Hl7Error
from hl7.ports import Arrival, Caller, Handled, Sender, Together
from hl7.reading import Reading
from hl7.reception import Reception
from tests.hl7.peer import adt, code, field


class Log:
    """An inbox in memory."""

    def __init__(self) -> None:
        self.taken: list[Arrival] = []
        self.refused: list[tuple[Arrival, Hl7Error]] = []
        self.away = False

    def take(
        self, arrival: Arrival, answers: Sequence[bytes], act: Callable[[Any], Sequence[str]] | None, *,
        subject: tuple[str, str] | None = None, together: Together | None = None,
    ) -> Sequence[bytes]:  # fmt: skip
        if self.away:
            raise Hl7Error(Condition.APPLICATION, None, "the index does not answer", rejected=True)
        if act is not None:
            act(None)
        self.taken.append(arrival)
        return answers

    def refuse(self, arrival: Arrival, answers: Sequence[bytes], error: Hl7Error) -> None:
        if self.away:
            raise Hl7Error(Condition.APPLICATION, None, "the index does not answer", rejected=True)
        self.refused.append((arrival, error))


class Office:
    """A reception for one application, `HIS`; its A08 works, its A40 fails on purpose."""

    def __init__(self, mapping: MessageMapping | None = None) -> None:
        self.log = Log()
        self.sender_known = Sender("his", "east", "EAST", mapping or MessageMapping())
        self.seen: list[str] = []
        handled = [Handled("ADT", "A08", self._act, (), ""), Handled("ADT", "A40", self._fail, (), "")]
        self.reception = Reception(self, self.log, handled)

    def sender(self, *, application: str, facility: str, caller: Caller) -> Sender | None:
        return self.sender_known if application in ("HIS", "") else None

    def ask(self, message: str | bytes) -> list[bytes]:
        raw = message.encode() if isinstance(message, str) else message
        return self.reception.receive(raw, Caller("127.0.0.1"))

    def _act(self, _work: Any, reading: Reading, _sender: Sender) -> Sequence[str]:
        self.seen.append(reading.value("patient_name"))
        return ()

    def _fail(self, _work: Any, _reading: Reading, _sender: Sender) -> Sequence[str]:
        raise ZeroDivisionError


def error_of(answer: bytes) -> tuple[str, str, str]:
    """Code, condition, location."""
    return code(answer), field(answer, b"ERR", 3).split("^")[0], field(answer, b"ERR", 2)


GOOD = adt("A08", "1", "42", name="ZHANG^SAN")


def test_a_message_that_is_handled_is_acted_on_and_accepted() -> None:
    office = Office()
    (answer,) = office.ask(GOOD)
    assert code(answer) == "AA" and office.seen == ["ZHANG"]
    (arrival,) = office.log.taken
    assert (arrival.application, arrival.control_id, arrival.message_type) == ("HIS", "1", "ADT^A08")
    assert arrival.body == GOOD.encode() and len(arrival.digest) == 16


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (GOOD.replace("ADT^A08", "ORU^R01"), ("AR", "200", "MSH^1^9^1^1")),
        (GOOD.replace("ADT^A08", "ADT^A03"), ("AR", "201", "MSH^1^9^1^2")),
        (GOOD.replace("ADT^A08", ""), ("AR", "101", "MSH^1^9")),
        (GOOD.replace("|2.5.1|", "|2.1|"), ("AR", "203", "MSH^1^12^1^1")),
        (GOOD.replace("|2.5.1|", "||"), ("AR", "203", "MSH^1^12^1^1")),
        (GOOD.replace("|P|", "|T|"), ("AR", "202", "MSH^1^11^1^1")),
        (GOOD.replace("|P|", "|D^T|"), ("AR", "202", "MSH^1^11^1^1")),
        (GOOD.replace("|P|", "||"), ("AR", "202", "MSH^1^11^1^1")),
        (GOOD.replace("|1|P", "||P"), ("AE", "101", "MSH^1^10")),
        (GOOD.replace("|1|P", f"|{'9' * 200}|P"), ("AE", "104", "MSH^1^10")),
        (GOOD.replace("|HIS|", "|STRANGER|"), ("AR", "103", "MSH^1^3")),
        (GOOD.replace("^~\\&", "^~\\\\&"), ("AE", "102", "MSH^1^2")),
        (GOOD + "half a line\r", ("AE", "100", "")),
        (GOOD.replace("ZHANG", "\\C2842\\"), ("AE", "102", "PID^1^5")),
        ("PID|1", ("AR", "100", "MSH^1")),
        ("MSH", ("AR", "100", "MSH^1")),
        ("MSH|", ("AR", "100", "MSH^1")),
    ],
)
def test_what_is_wrong_is_said_with_its_place(message: str, expected: tuple[str, str, str]) -> None:
    office = Office()
    (answer,) = office.ask(message)
    assert error_of(answer) == expected
    ((arrival, error),) = office.log.refused
    assert arrival.body == message.encode() and error.condition.code == expected[1] and not office.log.taken


def test_type_comes_before_version_and_version_before_processing_id() -> None:
    wrong = GOOD.replace("|2.5.1|", "|1.0|").replace("|P|", "|T|")
    assert error_of(Office().ask(wrong)[0])[1] == "203"
    assert error_of(Office().ask(wrong.replace("ADT^A08", "XYZ^A08"))[0])[1] == "200"


def test_the_event_may_stand_in_evn_alone_as_in_old_versions() -> None:
    assert code(Office().ask(GOOD.replace("ADT^A08", "ADT"))[0]) == "AA"


def test_a_processing_mode_beside_p_is_no_matter() -> None:
    assert code(Office().ask(GOOD.replace("|P|", "|P^T|"))[0]) == "AA"


def test_our_own_failure_is_a_rejection_and_not_the_messages_fault() -> None:
    office = Office()
    (answer,) = office.ask(GOOD.replace("ADT^A08", "ADT^A40"))
    assert error_of(answer) == ("AR", "207", "")
    assert office.log.refused[0][1].rejected


def test_while_the_log_is_away_nothing_is_accepted() -> None:
    office = Office()
    office.log.away = True
    assert error_of(office.ask(GOOD)[0]) == ("AR", "207", "")


def test_a_sender_declares_what_it_leaves_out_and_what_it_sends_in_vain() -> None:
    mapping = MessageMapping(version="2.4", processing_id="P", ignored=("ADT^A03", "DFT"), character_set="GBK")
    office = Office(mapping)
    bare = GOOD.replace("|P|2.5.1|", "|||").replace("ZHANG", "张魱")
    assert code(office.ask(bare.encode("gb18030"))[0]) == "AA" and office.seen == ["张魱"]
    for ignored in ("ADT^A03", "DFT^P03"):
        assert code(office.ask(GOOD.replace("ADT^A08", ignored))[0]) == "AA"
    assert len(office.seen) == 1 and len(office.log.taken) == 3
    assert error_of(office.ask(GOOD.replace("ADT^A08", "ADT^A02"))[0])[1] == "201"


def test_a_batch_is_answered_by_a_batch_each_message_for_itself() -> None:
    office = Office()
    bad = GOOD.replace("ADT^A08", "ADT^A99").replace("|1|P", "|2|P")
    raw = f"FHS|^~\\&|F\rBHS|^~\\&|B\r{GOOD}{bad}BTS|2\rFTS|1\r"
    (answer,) = office.ask(raw)
    lines = answer.decode().split("\r")
    assert lines[:2] == ["FHS|^~\\&", "BHS|^~\\&"] and lines[-3:] == ["BTS|2", "FTS|1", ""]
    assert [line[:8] for line in lines if line.startswith("MSA")] == ["MSA|AA|1", "MSA|AR|2"]
    assert len(office.log.taken) == 1 and len(office.log.refused) == 1
    assert office.ask("BHS|^~\\&\rBTS|0\r") == []


def test_what_is_too_long_is_answered_from_its_beginning() -> None:
    (answer,) = Office().reception.too_long(GOOD.encode()[:200], 100)
    assert error_of(answer) == ("AR", "207", "") and field(answer, b"MSA", 2) == "1"


@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from([b"", b"MSH", b"MSH|^~\\&|HIS|", GOOD.encode()]))
def test_whatever_comes_is_answered(data: bytes, beginning: bytes) -> None:
    office = Office()
    answers = office.ask(beginning + data)
    assert len(office.log.taken) + len(office.log.refused) <= 1 or answers
    for answer in answers:
        assert b"MSA" in answer


def test_nested_escapes_and_ten_thousand_fields_are_no_trouble() -> None:
    office = Office()
    nested = "\\F" * 5000 + "\\" * 5001
    assert code(office.ask(GOOD.replace("ZHANG", nested))[0]) == "AA"
    assert code(office.ask(GOOD + "ZZZ|" + "|x" * 10_000 + "\r")[0]) == "AA"


def test_a_batch_of_too_many_messages_is_refused_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception, "MOST_MESSAGES", 3)
    office = Office()
    (answer,) = office.ask("BHS|^~\\&\r" + GOOD * 3)
    assert answer.count(b"MSA|AA") == 3
    (answer,) = office.ask("BHS|^~\\&\r" + GOOD * 4)
    assert code(answer) == "AR" and b"more than 3 messages" in answer
    assert len(office.seen) == 3


def test_fields_of_ever_so_many_parts_are_refused_or_passed_over_in_little_room() -> None:
    office = Office()
    for place, most in (("~ab" * 400_000, 1), ("|ab" * 400_000, 0)):
        tracemalloc.start()
        try:
            (answer,) = office.ask(adt("A08", "1", "42", name=f"ZHANG{place}"))
            assert tracemalloc.get_traced_memory()[1] < 24 << 20
        finally:
            tracemalloc.stop()
        assert (error_of(answer)[:2] == ("AE", "104")) if most else (code(answer) == "AA")
    (answer,) = office.ask(GOOD.replace("MSH|^~\\&|HIS", "MSH|^~\\&|HIS" + "~a" * 300_000))
    assert code(answer) == "AA"
