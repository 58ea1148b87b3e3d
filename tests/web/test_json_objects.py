import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.faults import Fault, PacsdError
from pacsd.web.json_objects import json_objects

TEXT = st.text(max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8
)


def pieces(text, size):
    return [text[at : at + size] for at in range(0, len(text), size)]


@settings(max_examples=30)
@given(
    st.lists(st.dictionaries(TEXT, VALUES), max_size=4), st.integers(1, 40), st.sampled_from([None, 1]), st.booleans()
)
def test_every_object_as_it_stands(objects, size, indent, ascii_only):
    text = json.dumps(objects, indent=indent, ensure_ascii=ascii_only).encode()
    assert [json.loads(one) for one in json_objects(pieces(text, size))] == objects


def test_an_object_that_stands_alone():
    assert list(json_objects([b' {"a": "]}" } '])) == [b'{"a": "]}" }']


@pytest.mark.parametrize(
    "text",
    [b"", b" ", b"[", b"[{}", b"[{},", b"[{},]", b"[{}]x", b"[{}][", b"{}{}", b"{} ,", b"[{} {}]", b"[,{}]", b"[1]",
     b'["a"]', b"[[{}]]", b"]", b"}", b'[{"a":"]', b"x[{}]", b"null", b'"'],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 100])
def test_what_is_no_array_of_objects(text, size):
    with pytest.raises(PacsdError) as raised:
        list(json_objects(pieces(text, size)))
    assert raised.value.fault is Fault.MALFORMED


def test_deep_and_long_objects_end_before_they_are_parsed():
    with pytest.raises(PacsdError) as raised:
        list(json_objects([b'[{"a":' * 10_000]))
    assert raised.value.fault is Fault.MALFORMED
    read = []

    def endless():
        while True:
            read.append(1)
            yield b'[{"a":"' if len(read) == 1 else b"x" * 1000

    with pytest.raises(PacsdError) as raised:
        list(json_objects(endless(), max_bytes=10_000))
    assert raised.value.fault is Fault.TOO_MUCH and len(read) < 20


def test_many_small_objects_take_time_by_their_number_only():
    assert sum(1 for _ in json_objects([b"[" + b"{}," * 300_000 + b"{}]"])) == 300_001
