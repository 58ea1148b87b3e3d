"""How two records compare: names in every writing, dates mistyped, cards lent and mistaken."""

from datetime import date

import pytest

from pacsd.identity import blocking
from pacsd.identity.id_card import check_character
from pacsd.identity.matching import Thresholds, compare
from pacsd.identity.traits import Traits, traits

BORN = date(1980, 1, 2)


def one(number: int = 1, name: str = "张^三丰", **more: object) -> Traits:
    row = {"patient": number, "assigning_authority": f"H{number}", "patient_id": str(number), "organisation": 1,
           "name": name, "birth_date": BORN, "sex": "M", "health_card": "HC123456", **more}  # fmt: skip
    return traits(row)


def levels(first: Traits, second: Traits) -> dict[str, str]:
    return dict(compare(first, second, Thresholds()).levels)


@pytest.mark.parametrize(
    ("first", "second", "level"),
    [
        ("张^三丰", "张三丰", "same"),
        ("张^三丰", "ZHANG^SANFENG=张^三丰", "same"),
        ("张^三丰", "ZHANG^SANFENG", "same reading"),
        ("张^三丰", "Zhang^San Feng", "same reading"),
        ("張^三", "章^三", "same reading"),
        ("张^三丰", "三丰^张", "turned"),
        ("张^三丰", "SANFENG^ZHANG", "turned"),
        ("SMITH^JOHN", "JOHN^SMITH", "turned"),
        ("SMITH^JOHN", "Smith^John", "same"),
        ("张^三丰", "张^三风", "same reading"),
        ("张^一鸣", "张^二鸣", "similar"),
        ("张^三丰", "李^四", "other"),
    ],
)
def test_names_compare_across_writings(first: str, second: str, level: str) -> None:
    assert levels(one(1, first), one(2, second))["name"] == level
    assert levels(one(2, second), one(1, first))["name"] == level


@pytest.mark.parametrize(
    ("other", "level"),
    [(BORN, "same"), (date(1980, 2, 1), "mistyped"), (date(1980, 1, 3), "mistyped"), (date(1908, 1, 2), "mistyped"),
     (date(1981, 5, 2), "other"), (None, None)],
)  # fmt: skip
def test_birth_dates_may_be_mistyped(other: date | None, level: str | None) -> None:
    assert levels(one(), one(2, birth_date=other)).get("birth date") == level


def test_the_card_alone_proves_nothing_where_the_rest_does_not_agree() -> None:
    assert compare(one(), one(2), Thresholds()).automatic
    for different in (
        {"name": "张^四丰"}, {"birth_date": date(2026, 1, 2)}, {"sex": "F"}, {"name": "李^四"}, {"birth_date": None},
        {"name": "张三丰之子"}, {"name": "BABY^ZHANG"}, {"health_card": "HC999999"}, {"health_card": ""}, {"name": ""},
    ):  # fmt: skip
        assert not compare(one(), one(2, **different), Thresholds()).automatic, different


def test_newborns_under_their_mothers_name_are_never_linked_even_if_all_agrees() -> None:
    assert not compare(one(1, "张三丰之女"), one(2, "张三丰之女"), Thresholds()).automatic


def test_two_valid_cards_that_differ_contradict_each_other() -> None:
    numbers = [body + check_character(body) for body in ("11010119800102123", "11010119800102987")]
    found = compare(one(id_card=numbers[0]), one(2, id_card=numbers[1]), Thresholds())
    assert found.contradictory and not found.automatic
    mistyped = compare(one(id_card=numbers[0]), one(2, id_card=numbers[0][:-1] + "0"), Thresholds())
    assert not mistyped.contradictory and dict(mistyped.levels)["id card"] == "mistyped"


@pytest.mark.parametrize("number", ["0000000000", "无", "-", "111", ""])
def test_what_only_fills_a_field_is_no_card(number: str) -> None:
    assert one(health_card=number).health_card == ""


@pytest.mark.parametrize("more", [{"name": "三丰^张"}, {"birth_date": date(1980, 12, 2)}, {"name": "ZHANG^SANFENG"},
                                  {"name": "张^三风", "sex": "F"}])  # fmt: skip
def test_one_that_was_mistyped_is_still_looked_at(more: dict[str, object]) -> None:
    without = {"health_card": "", "phone": ""}
    assert set(blocking.keys(one(**without))) & set(blocking.keys(one(2, **{**without, **more})))  # type: ignore[arg-type]


def test_reasons_name_fields_and_no_values() -> None:
    reasons = compare(one(), one(2), Thresholds()).reasons
    assert reasons == "health card same, name same, birth date same, sex same"
