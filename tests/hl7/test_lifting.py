"""Long encoded data leaves before text is read, and is there again, whatever stands around it."""

import base64
import os

import pytest

from hl7.lifting import LONG_BYTES, lifted
from hl7.message import parse, with_carriage_returns

DATA = base64.b64encode(os.urandom(LONG_BYTES))
LINES = b"\\.br\\".join(DATA[at : at + 76] for at in range(0, len(DATA), 76))
HEADER = "MSH|^~\\&|HIS|EAST|PACSD|EAST|20260101120000||ORU^R01|1|P|2.5.1|||||||"


def message(data: bytes, *, charset: str = "UNICODE UTF-8", codec: str = "utf-8", name: str = "\u5f20^\u4e09") -> bytes:
    head = f"{HEADER.removesuffix('|')}{charset}\rPID|1||1||{name}\rOBX|1|ED|||\u5c71^application^PDF^Base64^"
    return head.encode(codec) + data + b"||||||F\r"


def given(raw: bytes) -> bytes:
    found = parse(raw)
    segment = found.segment("OBX")
    assert segment is not None
    return b"".join(map(bytes, found.encoded(segment.component(segment.field(5), 5))))


@pytest.mark.parametrize("data", [DATA, LINES])
@pytest.mark.parametrize(("charset", "codec"), [("UNICODE UTF-8", "utf-8"), ("GB 18030-2000", "gb18030")])
def test_a_long_value_is_lifted_and_comes_back(data: bytes, charset: str, codec: str) -> None:
    raw = message(data, charset=charset, codec=codec)
    found = parse(raw)
    assert len(found.text) < 500 and bytes(found) == raw
    assert given(raw) == data
    assert found.value("PID-5") == "\u5f20" and found.value("OBX-11") == "F"
    assert with_carriage_returns(found) == raw


def test_what_only_looks_like_the_mark_is_left_alone() -> None:
    raw = message(b"\x1e0\x1e" + DATA)
    assert lifted(raw).runs == () and parse(raw).text.encode() == raw


@pytest.mark.parametrize("header", [HEADER.replace("\\&", "/&"), HEADER.replace("|^~", "|=~").replace("ORU^", "ORU=")])
def test_separators_that_are_digits_of_the_encoding_keep_all_where_it_is(header: str) -> None:
    raw = f"{header}\rOBX|1|ED|||".encode() + DATA + b"\r"
    assert lifted(raw).runs == () and parse(raw).text.encode() == raw


def test_japanese_of_seven_bits_is_left_alone() -> None:
    raw = message(DATA, charset="ISO IR87", codec="iso2022_jp_2", name="\u5c71\u7530")
    assert lifted(raw).runs == () and parse(raw).value("PID-5") == "\u5c71\u7530"


def test_the_first_character_of_a_run_may_be_half_of_another() -> None:
    raw = f"{HEADER}\rZZZ|".replace("|||||||\r", "||||||GBK\r").encode() + b"\x81JVBE" + DATA + b"\r"
    found = parse(raw)
    assert len(found.text) < 200
    assert found.value("ZZZ-1")[0] == b"\x81J".decode("gb18030")


def test_long_text_that_is_no_encoded_data_reads_as_it_was_sent() -> None:
    word = "x" * LONG_BYTES
    assert parse(f"{HEADER}\rNTE|1||{word} {word}y\r".encode()).value("NTE-3") == f"{word} {word}y"


def test_short_messages_are_not_looked_at() -> None:
    raw = message(DATA[: LONG_BYTES // 2])
    assert lifted(raw).body is raw
