"""GB 11643-1999: numbers of 18 characters and 15 digits, their check, and what speaks against one."""

from datetime import date

import pytest

from pacsd.identity.id_card import check_character, read, warnings


def test_the_example_of_the_standard_is_valid() -> None:
    assert check_character("11010519491231002") == "X"
    card = read("11010519491231002X")
    assert card is not None and (card.valid, card.birth_date, card.sex) == (True, date(1949, 12, 31), "F")
    assert check_character("44052418800101001") == "4"


@pytest.mark.parametrize(
    "text", ["11010519491231002x", "110105 19491231 002X", "11010519491231002Ｘ", "110105491231002"]
)
def test_all_ways_to_write_a_number_are_one(text: str) -> None:
    card = read(text)
    assert card is not None and card.number == "11010519491231002X" and card.valid


@pytest.mark.parametrize("text", ["", "1101051949123100", "110105194912310020X", "A10105194912310020", "护照E1234567"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "birth_date", "sex", "said"),
    [
        ("11010519491231002X", date(1949, 12, 31), "F", []),
        ("110105194912310021", None, None, ["fails its check"]),
        ("110105194913310027", None, None, ["fails its check"]),
        ("11010519491231002X", date(1950, 1, 1), "M", ["another birth date", "another sex"]),
        ("11010519491231002X", None, "O", []),
        ("E1234567", None, None, ["neither 18 nor 15"]),
    ],
)
def test_what_speaks_against_a_number_is_told_without_telling_it(
    text: str, birth_date: date | None, sex: str | None, said: list[str]
) -> None:
    found = warnings(text, birth_date=birth_date, sex=sex)
    assert len(found) == len(said) and all(word in line for word, line in zip(said, found, strict=True))
    assert not any(text in line for line in found)
