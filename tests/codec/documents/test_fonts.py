import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.codec.documents.fonts import cut, width, wrapped

TEXTS = st.text(alphabet="ab W.  \n张三，é", max_size=200)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(TEXTS, st.floats(12, 60), st.floats(0, 60))
def test_lines_fit_and_lose_nothing_but_blanks(text: str, room: float, first: float) -> None:
    lines = wrapped(text, 3.5, room, first=first)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for number, line in enumerate(lines):
        assert width(line, 3.5) <= (room if number else max(first, 0)) or len(line) <= 1 or not number


@pytest.mark.parametrize("text", ["x" * 1_000_000, "张" * 200_000, "x " * 200_000])
@pytest.mark.timeout(20)
def test_an_endless_word_takes_no_longer_than_one_of_its_length(text: str) -> None:
    assert "".join(wrapped(text, 3.5, 170)).replace(" ", "") == text.replace(" ", "")
    assert width(cut(text, 3.0, 88.0), 3.0) <= 88.0


def test_what_fits_is_not_cut() -> None:
    assert cut("Zhang San", 3.0, 88.0) == "Zhang San"
    assert cut("", 3.0, 88.0) == ""
    shown = cut("Zhang San " * 20, 3.0, 88.0)
    assert shown.endswith("…") and width(shown, 3.0) <= 88.0 < width(shown[:-1] + "Zhang ", 3.0)
