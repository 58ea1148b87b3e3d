"""Nothing of a chain can be changed, left out, moved or repeated unseen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacsd.audit import chain

NAME = chain.file_name("W", 1)


def written(payloads: list[bytes]) -> list[bytes]:
    head, lines = chain.START, []
    for payload in payloads:
        line, head = chain.appended(head, payload)
        lines.append(line)
    return lines


def read(data: bytes) -> list[bytes]:
    return [one.payload for one in chain.records(lambda _, at, size: data[at : at + size], NAME)]


@given(st.lists(st.dictionaries(st.text(), st.text(), max_size=3), max_size=8))
def test_what_was_appended_is_read(bodies: list[dict[str, str]]) -> None:
    import orjson

    payloads = [orjson.dumps(body) for body in bodies]
    assert read(b"".join(written(payloads))) == payloads


@given(st.integers(0, 5), st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_is_found(number: int, at: int, change: int) -> None:
    lines = written([b'{"n":%d}' % n for n in range(6)])
    line = bytearray(lines[number])
    at %= len(line) - 1
    line[at] ^= change
    if bytes(line) == lines[number]:
        return
    with pytest.raises(chain.Broken):
        read(b"".join([*lines[:number], bytes(line), *lines[number + 1 :]]) + b"\n")


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (0, 2, 3), (1, 2, 3), (0, 1, 1, 2, 3)])
def test_a_line_that_is_missing_moved_or_repeated_is_found(order: tuple[int, ...]) -> None:
    lines = written([b'{"n":%d}' % n for n in range(4)])
    with pytest.raises(chain.Broken):
        read(b"".join(lines[n] for n in order))


def test_a_last_line_without_its_end_is_left_out() -> None:
    lines = written([b"{}", b'{"a":1}'])
    assert read(lines[0] + lines[1][:-1]) == [b"{}"]
    assert read(lines[0] + lines[1][:5]) == [b"{}"]


def test_a_line_without_end_costs_bounded_memory() -> None:
    with pytest.raises(chain.Broken, match="without end"):
        read(b"1 " + b"x" * (chain.MAX_RECORD_BYTES + (2 << 20)))


@pytest.mark.parametrize("name", ["x", "W-1.log", "W-00000x.log", "-000001.log", "W-000001.txt"])
def test_other_names_are_no_files_of_records(name: str) -> None:
    assert chain.split_name(name) is None
    assert chain.split_name(NAME) == ("W", 1)


def half_written(whole: int, lost: int, lines: list[bytes]) -> bytes:
    """A file that was written ahead, of which some sectors came to the disk when the last lines were appended."""
    before, after = b"".join(lines[:whole]), b"".join(lines[whole:])
    file = bytearray(before + after + bytes(8192))
    sector = len(before) // 512 + 1
    file[len(before) : (sector + lost) * 512] = bytes((sector + lost) * 512 - len(before))
    return bytes(file)


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_where_some_sectors_of_the_last_lines_are_lost_those_before_are_read(lost: int) -> None:
    lines = written([b'{"n":%d,"more":"%b"}' % (n, b"x" * 300) for n in range(20)])
    assert len(read(half_written(10, lost, lines))) == 10


def test_zeros_before_what_was_written_later_are_found() -> None:
    payloads = [b'{"n":%d,"more":"%b"}' % (n, b"x" * 300) for n in range(20)]
    with pytest.raises(chain.Broken, match="zeros"):     # the writer went on to its end
        read(half_written(10, 1, written([*payloads, chain.closing("W", None)])))
    lines = written(payloads)
    lines[4] = bytes(len(lines[4]))                      # no disk writes so
    with pytest.raises(chain.Broken, match="zeros"):
        read(b"".join(lines))
