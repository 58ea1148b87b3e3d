"""Text as it is searched."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.codec.text import NameKeys, grams, name_keys, normalise


@pytest.mark.parametrize(
    ("text", "key"),
    [("Buc^Jérôme", "buc jerome"), ("  A  B ", "a b"), ("ＡＢＣ", "abc"),
     ("Straße", "strasse"), ("ﾔﾏﾀﾞ", "ヤマダ"),
     ("Łódź", "lodz"), ("張 三", "張 三"), ("가나", "가나")],
)
def test_normal_form(text: str, key: str) -> None:
    assert normalise(text) == key


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("name", "pinyin"),
    [("单^田芳", "shan tian fang"), ("曾国藩", "zeng guo fan"), ("Qiu^Ying=仇^英", "qiu ying"),
     ("欧阳^修", "ou yang xiu"), ("Smith^John", "")],
)
def test_pinyin_reads_surnames_as_surnames(name: str, pinyin: str) -> None:
    assert name_keys(name).pinyin == pinyin


def test_groups_are_kept_apart() -> None:
    assert name_keys("Yamada^Tarou=山田^太郎=やまだ^たろう") == NameKeys(
        "yamada tarou", "山田 太郎", "やまだ たろう", "shan tian tai lang"
    )


def test_two_chinese_characters_and_one_can_be_looked_up() -> None:
    assert grams("张三") == {"张", "三", "张三"}
    assert grams("Ab c") == {"ab", "c"}


def test_a_long_text_makes_a_bounded_number_of_grams() -> None:
    assert len(grams("".join(map(chr, range(0x4E00, 0x9000))))) < 3000


def test_pinyin_tables_wait_for_a_chinese_name() -> None:
    import subprocess

    code = "import sys, pacsd.codec.text as t; t.name_keys('A^B'); sys.exit('pypinyin' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
