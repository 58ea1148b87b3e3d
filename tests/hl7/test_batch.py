"""Batches and files: the messages in them, as they were sent."""

import tracemalloc

import pytest

from hl7.batch import envelope, holds_more_than, is_batch, messages_of

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


def test_messages_are_counted_and_an_envelope_found_without_cutting_the_rest() -> None:
    raw = b"FHS|^~\\&|F\rBHS|^~\\&|B\r" + b"MSH|\r" * 3 + b"A\r" * 500_000
    assert holds_more_than(raw, 2) and not holds_more_than(raw, 3)
    tracemalloc.start()
    try:
        assert envelope(raw) == (b"FHS|^~\\&|F", b"BHS|^~\\&|B")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
