"""Identifiers in text, as people write them."""

import pytest

from pacsd.deidentify.identifiers import Identifiers
from pacsd.faults import Fault, PacsdError

FOUND = Identifiers(
    ["Zhang^Sanfeng=张^三丰", "Müller^Jörg", "Li^Bo", "欧阳修"], ["00012345678", "MC-77", "Ward 9 North", "市立医院"],
    uid=lambda uid: "2.25.1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("CT of 张三丰 today", "CT of *** today"),
        ("张 三丰", "***"),
        ("三丰 复查", "*** 复查"),
        ("张先生复查", "***复查"),
        ("欧阳医生", "***"),
        ("ouyang xiu", "***"),
        ("ZHANG SANFENG", "***"),
        ("zhang san feng", "***"),
        ("Sanfeng, Zhang", "***"),
        ("zhangsanfeng2", "***2"),
        ("MULLER", "***"),
        ("for mueller", "for mueller"),
        ("Jörg Müller", "***"),
        ("Li Bo", "***"), ("LiBo", "***"), ("lithium boride", "lithium boride"),
        ("id 12345678.", "id ***."),
        ("x00012345678y", "x***y"),
        ("mc-77", "***"), ("mc-778", "mc-778"),
        ("from ward 9 north", "from ***"),
        ("送市立医院放射科", "送***放射科"),
        ("on 2020-01-03 and 3.4.1999", "on *** and ***"),
        ("2019年3月4日", "***"), ("20190304", "***"), ("4 Mar 2019", "***"), ("March 4, 2019", "***"),
        ("uid 1.2.840.113619.2.55.3.604688119.969", "uid 2.25.1"),
        ("phone 138 1234 5678", "phone ***"), ("mail a.b@c.org", "mail ***"),
        ("110101199003074233", "***"), ("MRN: 8837", "***"), ("住院号：A-8837", "***"), ("姓名：李四 男", "*** 男"),
        ("CT ABDOMEN 5.0 B30f", "CT ABDOMEN 5.0 B30f"),
        ("T2 TSE TR 3200/TE 98", "T2 TSE TR 3200/TE 98"),
        ("12 cm x 14 cm", "12 cm x 14 cm"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_identifies_goes_and_the_rest_stays(text: str, clean: str) -> None:
    assert FOUND.cleaned(text) == clean


def test_dates_stay_where_they_are_kept() -> None:
    kept = Identifiers([], ["19800102"], uid=None, dates=True)
    assert kept.cleaned("2019-03-04, born 19800102") == "2019-03-04, born ***"


def test_more_expressions_come_from_the_policy() -> None:
    assert Identifiers([], [], uid=None, also=["ROOM [0-9]+"]).cleaned("in ROOM 12") == "in ***"


def test_hostile_lists_of_names_are_refused() -> None:
    names = (f"Family{number}^Given{number}" for number in range(20_000))
    with pytest.raises(PacsdError) as caught:
        Identifiers(names, (), uid=None)
    assert caught.value.fault is Fault.TOO_MUCH
    assert next(names) != "Family19999^Given19999"      # nobody went through all of them


def test_a_word_of_a_defined_list_is_not_touched_unless_an_identifier_stands_in_it() -> None:
    assert FOUND.is_in("X_00012345678")
    assert not FOUND.is_in("ABDOMEN")
