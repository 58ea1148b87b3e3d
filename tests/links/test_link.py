"""Tokens: long, even, and nothing that can be told from another one."""

import math
from collections import Counter

import pytest

from pacsd.links.link import TOKEN_BYTES, TOKEN_CHARACTERS, digest_of, new_token


def test_a_token_has_more_than_128_bits_and_none_comes_twice() -> None:
    tokens = [new_token() for _ in range(4_000)]
    assert len(set(tokens)) == len(tokens) and {len(one) for one in tokens} == {TOKEN_CHARACTERS}
    assert TOKEN_BYTES * 8 >= 128
    letters = Counter("".join(tokens))
    total = sum(letters.values())
    entropy = -sum(count / total * math.log2(count / total) for count in letters.values())
    assert len(letters) == 64 and entropy * TOKEN_CHARACTERS > 190            # of 192 bits
    for place in range(TOKEN_CHARACTERS):                                      # every place of it
        assert len({one[place] for one in tokens}) == 64


@pytest.mark.parametrize(
    "text", ["", "x", "a" * 31, "a" * 33, "a" * 31 + "/", "a" * 31 + "é", "../" * 10 + "aa", "a" * 31 + "\0"]
)
def test_what_is_no_token_is_not_looked_for(text: str) -> None:
    assert digest_of(text) is None


def test_a_digest_is_of_one_token() -> None:
    one, other = new_token(), new_token()
    assert digest_of(one) == digest_of(one) != digest_of(other)
    assert len(digest_of(one) or b"") == 32
