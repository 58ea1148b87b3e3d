"""Resources as JSON keep what was written."""

import time

import pytest

from fhir.format import json
from pacsd.faults import Fault, PacsdError


def test_decimals_keep_their_precision_and_keys_their_order() -> None:
    assert json.write(json.read(b'{"b": 1.10, "a": {"c": 0.0, "d": -3}}')) == b'{"b":1.10,"a":{"c":0.0,"d":-3}}'


def test_brackets_within_strings_do_not_nest() -> None:
    text = b'{"a":"' + b"[{" * 1000 + b'\\\\"}'
    assert json.write(json.read(text)) == text


def test_integers_longer_than_64_bits_are_kept() -> None:
    text = b'{"a":123456789012345678901234567890,"b":-999999999999999999,"c":9223372036854775807}'
    assert json.write(json.read(text)) == text


def test_escaped_characters_are_read() -> None:
    assert json.read(b'\xef\xbb\xbf{"a":"\\u5f20\\ud83d\\ude00\\\\\\"[["}') == {"a": '张😀\\"[['}


@pytest.mark.parametrize("body", [
    b"", b"[]", b"7", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":"\xff"}', b'{"a":"',
    b'{"a":9e999999999999999999999}', b'{"a":"\\ud800"}', b'{"a":"\xed\xa0\x80"}', '{"a":1}'.encode("utf-16"),
    b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", b"[" * 1_000_000,
])  # fmt: skip
def test_what_is_no_resource_is_refused(body: bytes) -> None:
    with pytest.raises(PacsdError) as refused:
        json.read(body)
    assert refused.value.fault is Fault.MALFORMED


def test_a_key_that_stands_there_twice_among_many_is_found_at_once() -> None:
    body = b"{" + b",".join(b'"k%d":0' % number for number in range(60_000)) + b',"k59999":1}'
    begun = time.monotonic()
    with pytest.raises(PacsdError, match="'k59999' stands there twice"):
        json.read(body)
    assert time.monotonic() - begun < 3
