"""Leaping over fragments: however the bytes come in pieces, the same end is told."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from pacsd.codec.fragments import FragmentLeaps

ITEM, DELIMITATION = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


def fragments(lengths: list[int]) -> bytes:
    return b"".join(ITEM + struct.pack("<I", one) + bytes(one) for one in lengths)


def leapt(data: bytes, cuts: list[int], *, at: int = 10, overlap: int = 0) -> int:
    whole = bytes(at) + data
    leaps = FragmentLeaps(at)
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {len(whole)})
    start = 0
    for end in ends:
        leaps.feed(memoryview(whole)[max(0, start - overlap) : end], max(0, start - overlap))
        start = end
    return leaps.reaches


@given(
    lengths=st.lists(st.integers(0, 40), max_size=6), cuts=st.lists(st.integers(0, 300), max_size=30),
    overlap=st.integers(0, 12), lost=st.integers(0, 60),
)  # fmt: skip
def test_pieces_do_not_matter_and_a_cut_fragment_is_noticed(
    lengths: list[int], cuts: list[int], overlap: int, lost: int
) -> None:
    ends = [10]
    for one in lengths:
        ends.append(ends[-1] + 8 + one)
    whole = fragments(lengths)
    data = whole[: max(0, len(whole) - lost)]
    begun = [start for start in ends[:-1] if start + 8 <= 10 + len(data)]
    expected = 10 if not begun else ends[len(begun)]
    assert leapt(data, cuts, overlap=overlap) == expected


def test_the_delimitation_ends_it_and_what_follows_is_not_looked_at() -> None:
    data = fragments([4, 6]) + DELIMITATION + bytes(4)
    assert leapt(data + ITEM + struct.pack("<I", 1 << 20), [15, 16, 17]) == 10 + len(fragments([4, 6]))


def test_what_is_no_fragment_ends_it() -> None:
    assert leapt(fragments([4]) + b"not an item at all", []) == 10 + 12
    assert leapt(ITEM + b"\xff\xff\xff\xff" + bytes(20), []) == 10
