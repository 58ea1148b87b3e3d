"""Character sets: the standard's own examples, what devices really send, and round trips."""

from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.codec.charset import decode_text, encode, is_supported

# PS3.5 Annexes H, I, J, K
EXAMPLES = [
    (("", "ISO 2022 IR 87"),
     b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
     "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (("ISO 2022 IR 13", "ISO 2022 IR 87"),
     b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3="
     b"\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
     "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    (("", "ISO 2022 IR 149"),
     b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
     "Hong^Gildong=洪^吉洞=홍^길동"),
    (("", "ISO 2022 IR 58"),
     b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东="),
    (("GB18030",), b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
    (("ISO_IR 192",), "Wang^XiaoDong=王^小東=".encode(), "Wang^XiaoDong=王^小東="),
]
LATIN = [
    "Buc^Jérôme", "Äneas^Rüdiger", "größer", "AÇÃO", "Süße", "Müller", "jäääär", "Noël^Zoé", "T1 5° 10 µm²",
    "François^Éléonore", "Ångström^Åsa", "José Ñuñez", "Weiß^Günther", "Österreich", "ÄÖÜ", "Þórður^Ægir",
]
CHINESE = [
    "张三", "王^小东", "欧阳^修", "朱^镕基", "胸部CT", "CT头", "王", "Zhang^San=张^三",
    "单^田芳", "张喆", "李四",
    "腹部平扫+增强", "司马·光",
]


@pytest.mark.parametrize(("sets", "raw", "text"), EXAMPLES)
def test_the_standards_examples(sets: tuple[str, ...], raw: bytes, text: str) -> None:
    assert decode_text(raw, "PN", sets) == text
    assert decode_text(encode(text, "PN", sets) or b"", "PN", sets) == text


@pytest.mark.parametrize("text", LATIN)
@pytest.mark.parametrize("sets", [("ISO_IR 100",), ("ISO 2022 IR 100",), ()])
def test_real_latin_1_stays_latin_1(text: str, sets: tuple[str, ...]) -> None:
    assert decode_text(text.encode("latin_1"), "PN", sets) == text


@pytest.mark.parametrize("text", CHINESE)
@pytest.mark.parametrize("codec", ["gbk", "gb18030", "utf_8"])
@pytest.mark.parametrize("sets", [("ISO_IR 100",), ("ISO_IR 6",), ()])
def test_chinese_under_a_wrong_declaration_is_recognised(
    text: str, codec: str, sets: tuple[str, ...]
) -> None:
    assert decode_text(text.encode(codec), "PN", sets) == text


@pytest.mark.parametrize("text", LATIN)
def test_utf_8_under_a_wrong_declaration_is_recognised(text: str) -> None:
    assert decode_text(text.encode(), "PN", ("ISO_IR 100",)) == text


@pytest.mark.parametrize(
    ("term", "codec", "text"),
    [("ISO_IR 126", "iso8859_7", "Διονυσιος"), ("ISO_IR 144", "iso8859_5", "Люкceмбypг"),
     ("ISO_IR 166", "iso8859_11", "นามสกุล"),
     ("ISO_IR 127", "iso8859_6", "قباني"), ("ISO_IR 138", "iso8859_8", "שרון")],
)
def test_what_is_declared_properly_is_believed(term: str, codec: str, text: str) -> None:
    assert decode_text(text.encode(codec), "PN", (term,)) == text


@pytest.mark.parametrize("term", ["ISO-IR 100", "iso_ir 192", "ISO 2022 IR 6", "GBK", "utf-8", ""])
def test_misspelt_terms_are_understood(term: str) -> None:
    assert is_supported((term,))
    assert not is_supported(("EBCDIC",))


def test_an_override_comes_before_the_declaration_when_it_fits() -> None:
    raw = "Ä".encode("gb18030")
    assert decode_text("镕".encode("gbk"), "LO", ("ISO_IR 100",), override="GB18030") == "镕"
    assert decode_text(b"\xe9", "LO", ("ISO_IR 100",), override="GB18030") == "é"
    assert decode_text(raw, "LO", ("ISO_IR 192",), override="GB18030") == "Ä"


def test_text_that_does_not_fit_is_none() -> None:
    assert encode("张", "PN", ("ISO_IR 100",)) is None
    assert encode("é", "CS", ("ISO_IR 100",)) is None
    assert encode("é", "LO", ()) is None


DECLARED = [
    ("ISO_IR 100",), ("ISO_IR 192",), ("GB18030",), ("ISO_IR 13",), ("ISO 2022 IR 13", "ISO 2022 IR 87"),
    ("", "ISO 2022 IR 149"), ("", "ISO 2022 IR 58"), ("ISO 2022 IR 100", "ISO 2022 IR 144"),
    ("", "ISO 2022 IR 159"),
]


@settings(max_examples=150, deadline=None)
@given(raw=st.binary(max_size=60), sets=st.sampled_from(DECLARED), override=st.sampled_from([None, "GBK"]))
def test_no_bytes_make_it_raise(raw: bytes, sets: tuple[str, ...], override: str | None) -> None:
    decode_text(raw, "PN", sets, override=override)


@settings(max_examples=150, deadline=None)
@given(text=st.text("abc ^=\\éÖЖ山田张三洪길やﾔ東", max_size=20), sets=st.sampled_from(DECLARED[1:]))
def test_what_can_be_encoded_comes_back(text: str, sets: tuple[str, ...]) -> None:
    raw = encode(text, "PN", sets)
    if raw is not None:
        assert decode_text(raw, "PN", sets) == text


def test_agrees_with_pydicom_on_real_files(data_folder: Path) -> None:
    files = sorted((data_folder / "dicom" / "charset").iterdir())
    for path in files:
        dataset = pydicom.dcmread(path)
        raw = dataset.get_item("PatientName").value
        declared = dataset.SpecificCharacterSet
        sets = (declared,) if isinstance(declared, str) else tuple(declared)
        assert decode_text(raw, "PN", sets).rstrip(" =") == str(dataset.PatientName).rstrip(" =")
    assert len(files) > 5


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b$)A\xd6\xec\xe9F\xbb\xf9", "朱镕基"),                        # the second byte of 镕 is F
        ("Zhu^RongJi=\x1b$)A\xd6\xec^\x1b$)A\xe9F\xbb\xf9", "Zhu^RongJi=朱^镕基"),
        ("\x1b$)A\x86\xb4^\x1b$)A\x88\xd2", "喆^堃"),
        ("\x1b$)A\x81\\\xd2\xbb", "乗一"),
        ("\x1b$)A\xd5", "\ufffd"),
        ("\x1b$)A\xd5\xc5^\xd0", "张^\ufffd"),
    ],
)
def test_characters_of_gbk_are_read_where_gb_2312_is_declared(written: str, shown: str) -> None:
    """Names use more than the 6,763 characters of GB/T 2312, and devices send them under ISO 2022 IR 58."""
    assert decode_text(written.encode("latin_1"), "PN", ("", "ISO 2022 IR 58")) == shown


def test_the_middle_dot_of_transcribed_names_is_one_character_whatever_it_came_in() -> None:
    name = "买买提·阿不都"
    for sets in (("", "ISO 2022 IR 58"), ("GB18030",), ("GBK",), ("ISO_IR 192",)):
        encoded = encode(name, "PN", sets)
        assert encoded is not None and decode_text(encoded, "PN", sets) == name, sets
    assert encode("镕", "PN", ("", "ISO 2022 IR 58")) is None
