"""Batches and files: the messages in them, as they were sent."""

import pytest

from hl7.batch import envelope, is_batch, messages_of

ONE, TWO = b"MSH|^~\\&|A\rPID|1||MSH|x\r", b"MSH|^~\\&|B\rPID|2\r"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_messages_are_cut_out_of_their_envelopes(mark: bytes) -> None:
    raw = mark + b"FHS|^~\\&|F\rBHS|^~\\&|B1\r" + ONE + b"BTS|1\rBHS|^~\\&|B2\r" + TWO + b"BTS|1\rFTS|2\r"
    assert is_batch(raw) and list(messages_of(raw)) == [ONE, TWO]
    assert envelope(raw) == (b"FHS|^~\\&|F", b"BHS|^~\\&|B1")


def test_a_row_of_messages_needs_no_envelope() -> None:
    assert list(messages_of(ONE + b"\n" + TWO)) == [ONE + b"\n", TWO]
    assert not is_batch(ONE)


@pytest.mark.parametrize("raw", [b"", b"FHS", b"BHS|^~\\&\rBTS|0\r", b"PID|1\r", b"MSHX|1"])
def test_nothing_comes_of_nothing(raw: bytes) -> None:
    assert list(messages_of(raw)) == []
