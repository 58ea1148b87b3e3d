r"""Escape sequences: what is written is read again, and what is no sequence stays what it is."""

import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7.delimiters import STANDARD, Delimiters
from hl7.escapes import EscapeError, escape, unescape


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_any_text_survives(text: str) -> None:
    written = escape(text, STANDARD)
    assert unescape(written, STANDARD) == text
    assert not set("|^~&\r\n\x0b\x1c") & set(written)


@given(st.text("\\FSTREPXHNCM.br0a|^", max_size=30))
def test_no_text_makes_it_stumble(text: str) -> None:
    with suppress(EscapeError):
        assert len(unescape(text, STANDARD)) <= len(text)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (r"a\F\b", "a|b"),
        (r"\S\\T\\R\\E\\F\|", "^&~\\||"),
        (r"\E\F\E\ ", "\\F\\ "),
        (r"\F\F\F\ ", "|F| "),
        (r"half \F", r"half \F"),
        (r"C:\temp\new", r"C:\temp\new"),
        (r"\temp\F\x", r"\temp|x"),
        ("\\", "\\"),
        (r"\\", r"\\"),
        (r"\X41\\X0D0A\ ", "A\r\n "),
        (r"\XE5BCA0\ ", "张 "),
        (r"\X4\ ", r"\X4\ "),
        (r"\H\bold\N\ ", "bold "),
        (r"a\.br\b\.sp+2\c", "a\nb\nc"),
        (r"\Zlocal\ ", r"\Zlocal\ "),
        (r"\P\ ", r"\P\ "),
    ],
)
def test_sequences_mean_what_the_standard_says(sent: str, meant: str) -> None:
    assert unescape(sent, STANDARD) == meant


@pytest.mark.parametrize("sent", [r"\C2842\ ", r"\M2442\ ", r"a\M244242\b", r"\XFF\ "])
def test_a_change_of_character_set_inside_a_value_is_refused(sent: str) -> None:
    with pytest.raises(EscapeError):
        unescape(sent, STANDARD)


def test_without_an_escape_character_nothing_is_one() -> None:
    none = Delimiters(escape="")
    assert unescape(r"\F\ ", none) == r"\F\ "
    assert escape("a|b^c\r", none) == "a b c "


def test_the_escape_character_is_the_senders() -> None:
    own = Delimiters(escape="!")
    assert unescape(r"!F!\F\ ", own) == "|\\F\\ " and escape("|!", own) == "!F!!E!"


def test_bytes_are_those_of_the_messages_character_set() -> None:
    assert unescape(r"\XD5C5\ ", STANDARD, codec="gb18030") == "张 "


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("\\" * 300_000, "\\" * 300_000), ("\\E" * 300_000, "\\E" * 150_000), ("\\H\\" * 200_000, "")],
)
def test_a_text_of_nothing_but_marks_is_not_held_piece_by_piece(sent: str, meant: str) -> None:
    tracemalloc.start()
    try:
        found = unescape(sent, STANDARD)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
    assert found == meant
