"""ER7: what came in is there again, byte for byte, however it is divided; and is read as its sender meant it."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7.conditions import Condition, Hl7Error
from hl7.message import MOST_SEGMENTS, NULL, Message, parse
from tests.hl7.expected_answers import EXPECTED
from tests.hl7.files import hl7_files

MSH = "MSH|^~\\&|HIS|EAST|PACSD|EAST|20260101120000||ADT^A08^ADT_A01|1|P|2.5.1"
# second byte: | ^ ~ \ in GBK
HIDING = "\u9b71\u7dc1\u7c74\u7dbe"


def message(*segments: str, header: str = MSH, encoding: str = "utf-8", end: str = "\r") -> Message:
    return parse(end.join((header, *segments, "")).encode(encoding))


def gbk_characters(second: int) -> str:
    """Characters whose second byte in GBK is that of a separator."""
    found = ""
    for first in range(0x81, 0xFF):
        try:
            found += bytes((first, second)).decode("gbk")
        except UnicodeDecodeError:
            continue
    return found


def divided(one: Message) -> str:
    """The text put together again from the smallest parts."""
    marks = one.delimiters
    text = ""
    for segment in one.segments:
        fields = []
        for number, field in enumerate(segment.fields()):
            if number <= 1 and segment.is_header:            # MSH-2 is not divided by itself
                fields.append(field)
                continue
            number += segment.is_header
            parts = segment.repetitions(number) if number else [field]
            repetitions = [
                marks.component.join(
                    marks.subcomponent.join(component.split(marks.subcomponent)) if marks.subcomponent else component
                    for component in part.split(marks.component)
                )
                for part in parts
            ]
            fields.append(marks.repetition.join(repetitions))
        text += marks.field.join(fields) + segment.end
    return text


def test_every_file_is_divided_and_put_together_without_loss(data_folder: Path) -> None:
    files = hl7_files(data_folder)
    assert set(files) == set(EXPECTED)
    for name, raw in files.items():
        if EXPECTED[name].location == "MSH^1^2":
            with pytest.raises(Hl7Error):
                parse(raw)
            continue
        one = parse(raw)
        assert bytes(one) == raw, name
        assert divided(one).encode(one.character_set.codec or "") == raw.removeprefix(b"\xef\xbb\xbf"), name
        assert one.header.name == "MSH" and all(segment.name.isalnum() for segment in one.segments), name


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_any_text_after_a_header_comes_back(text: str) -> None:
    raw = f"{MSH}\r{text}".encode()
    one = parse(raw)
    assert bytes(one) == raw
    assert "".join(segment.text + segment.end for segment in one.segments) == one.text
    assert divided(one) == one.text


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_precise_refusal(data: bytes) -> None:
    for raw in (data, b"MSH" + data, MSH.encode() + data):
        try:
            one = parse(raw)
        except Hl7Error:
            continue
        assert bytes(one) == raw and divided(one) == one.text
        for path in ("MSH-9.1", "PID-3[2].4.1", "ZZZ[3]-1"):
            one.sent(path)


def test_values_are_found_by_their_path() -> None:
    one = message(
        "PID|1||A^^^HIS&1.2&ISO^MR~B^^^MPI||ZHANG&van^SAN||19800101|M^Male",
        "OBX|1|TX|A||one", "OBX|2|TX|B||two\\.br\\more",
    )
    assert one.value("MSH-1") == "|" and one.value("MSH-2") == "^~\\&"
    assert one.value("MSH-9.2") == "A08" and one.value("MSH-9") == "ADT"
    assert one.sent("PID-3[1].4") == "HIS&1.2&ISO"
    assert one.value("PID-3.4.2") == "1.2" and one.value("PID-3[2].4.1") == "MPI"
    assert one.value("PID-5.1") == "ZHANG" and one.value("PID-5.1.2") == "van"
    assert one.value("PID-8") == "M" and one.value("PID-8.1") == "M"
    assert one.value("OBX[2]-5") == "two\nmore" and one.value("OBX[3]-5") == ""
    assert one.sent("PID-3") == "A^^^HIS&1.2&ISO^MR~B^^^MPI"
    assert one.value("PID-99.9") == ""


def test_null_is_not_empty() -> None:
    one = message('PID|1||A||""||')
    assert one.value("PID-5.1") == NULL and one.value("PID-7") == ""


@pytest.mark.parametrize("place", ["PID", "PID-0", "pid-5", "PID-5.x", "PID[a]-1", "PID-5.1.1.1"])
def test_a_place_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(ValueError):
        message("PID|1").value(place)


def test_own_separators_count() -> None:
    one = message("PID#1##A*B*C#!N!#x%y", header="MSH#*@!%#HIS#EAST#A#B#2026##ADT*A08#1#P#2.5")
    assert one.value("PID-3.2") == "B" and one.value("MSH-9.2") == "A08"
    assert one.value("PID-4") == "" and one.value("PID-5.1.2") == "y"


def test_the_truncation_character_is_one_of_the_separators() -> None:
    one = message("PID|1||a\\P\\b", header=MSH.replace("^~\\&", "^~\\&#"))
    assert one.delimiters.truncation == "#" and one.value("PID-3.1") == "a#b"


def test_fewer_separators_divide_less() -> None:
    one = message("PID|1||A^B&C~D", header=MSH.replace("^~\\&", "^"))
    assert one.value("PID-3.2") == "B&C~D" and one.sent("PID-3[1]") == "A^B&C~D"


@pytest.mark.parametrize(
    ("raw", "condition", "location"),
    [
        (b"", Condition.SEGMENT_SEQUENCE, "MSH^1"),
        (b"PID|1", Condition.SEGMENT_SEQUENCE, "MSH^1"),
        (b"MSH", Condition.REQUIRED_FIELD, "MSH^1^1"),
        (b"MSH|", Condition.REQUIRED_FIELD, "MSH^1^2"),
        (b"MSH|||", Condition.REQUIRED_FIELD, "MSH^1^2"),
        (b"MSH|^~\\\\&|", Condition.DATA_TYPE, "MSH^1^2"),
        (b"MSH|^^\\&|", Condition.DATA_TYPE, "MSH^1^2"),
        (b"MSHA^~\\&|", Condition.DATA_TYPE, "MSH^1^2"),
        (b"MSH|^~\\&|\xff\xfe", Condition.DATA_TYPE, "MSH^1^18"),
        (MSH.encode() + b"||||||KLINGON", Condition.TABLE_VALUE, "MSH^1^18"),
        (MSH.encode() + b"||||||UNICODE UTF-16", Condition.TABLE_VALUE, "MSH^1^18"),
        (MSH.encode() + b"||||||CNS 11643-1992", Condition.TABLE_VALUE, "MSH^1^18"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(raw: bytes, condition: Condition, location: str) -> None:
    with pytest.raises(Hl7Error) as caught:
        parse(raw)
    assert caught.value.condition is condition and str(caught.value.location) == location


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_line_ends_of_other_systems_end_segments(end: str) -> None:
    one = message("PID|1||A", "PV1|1|O", end=end)
    assert [segment.name for segment in one.segments] == ["MSH", "PID", "PV1"]
    assert one.value("PV1-2") == "O"


def test_a_line_feed_inside_a_text_is_part_of_it_unless_a_segment_follows() -> None:
    one = message("OBX|1|TX|A||first line\nsecond line", "OBX|2|TX|B||x")
    assert one.value("OBX-5") == "first line\nsecond line" and one.value("OBX[2]-5") == "x"


def test_with_strict_ends_only_cr_ends_a_segment() -> None:
    one = parse(f"{MSH}\nPID|1||A\rPV1|1".encode(), lenient_ends=False)
    assert [segment.name for segment in one.segments] == ["MSH", "PV1"]


@pytest.mark.parametrize("second", [0x7C, 0x5E, 0x7E, 0x5C], ids=["bar", "caret", "tilde", "backslash"])
@pytest.mark.parametrize("said", ["GBK", "GB 18030-2000"])
def test_characters_with_a_separator_for_a_second_byte_arrive_whole(second: int, said: str) -> None:
    names = gbk_characters(second)
    assert len(names) > 100
    header = f"MSH|^~\\&|{names[:4]}|{names[4:8]}|PACSD|EAST|2026||ADT^A08|1|P|2.5.1||||||{said}"
    patients = [f"PID|1||{n}||{name}^{name}|||M" for n, name in enumerate(names)]
    one = message(*patients, header=header, encoding="gb18030")
    assert one.value("MSH-3") == names[:4] and one.value("MSH-18") == said
    for n, name in enumerate(names):
        assert one.value(f"PID[{n + 1}]-5.1") == name and one.value(f"PID[{n + 1}]-5.2") == name
        assert one.value(f"PID[{n + 1}]-8") == "M"


@pytest.mark.parametrize(
    ("said", "encoding", "text"),
    [
        ("UNICODE UTF-8", "utf-8", "张三Ñ"),
        ("BIG-5", "cp950", "功許蓋"),
        ("KS X 1001", "cp949", "홍길동"),
        ("ISO IR87", "iso2022_jp", "山田太郎"),
        ("8859/1", "latin-1", "Näch"),
        ("8859/5", "iso8859-5", "Иванов"),
        ("ASCII", "ascii", "Smith"),
        ("", "utf-8", "张三"),
    ],
)
def test_the_character_set_of_the_header_counts(said: str, encoding: str, text: str) -> None:
    one = message(f"PID|1||A||{text}^{text}|||M", header=f"{MSH}||||||{said}", encoding=encoding)
    assert one.value("PID-5.1") == one.value("PID-5.2") == text and one.value("PID-8") == "M"


def test_a_senders_own_character_set_counts_where_it_says_nothing_or_wrongly() -> None:
    raw = f"{MSH}\rPID|1||A||{HIDING}|||M\r".encode("gb18030")
    assert parse(raw, default="GBK").value("PID-5") == HIDING
    wrong = raw.replace(b"|2.5.1\r", b"|2.5.1||||||8859/1\r")
    assert parse(wrong, default="GBK", overrides=True).value("PID-5") == HIDING
    assert parse(wrong, default="GBK").value("PID-5") != HIDING
    with pytest.raises(Hl7Error) as caught:
        parse(raw)
    assert str(caught.value.location) == "MSH^1^18"


def test_a_byte_order_mark_says_utf8() -> None:
    raw = b"\xef\xbb\xbf" + f"{MSH}\rPID|1||A||张三\r".encode()
    one = parse(raw, default="GBK")
    assert one.value("PID-5") == "张三" and bytes(one) == raw


def test_ten_thousand_fields_are_no_trouble() -> None:
    one = message("ZZZ|" + "|".join(map(str, range(10_000))))
    assert one.value("ZZZ-10000") == "9999" and one.value("ZZZ-10001") == ""


def test_a_message_of_line_ends_is_refused_before_it_is_held() -> None:
    header = f"{MSH}\r".encode()
    assert len(parse(header + b"\r" * (MOST_SEGMENTS - 1)).segments) == MOST_SEGMENTS
    for end in (b"\r", b"\r\n", b"\n"):
        tracemalloc.start()
        try:
            with pytest.raises(Hl7Error) as refused:
                parse(header + end * 1_000_000)
            assert tracemalloc.get_traced_memory()[1] < 50 << 20
        finally:
            tracemalloc.stop()
        assert refused.value.condition is Condition.VALUE_TOO_LONG
