"""Frames out of a stream, whatever the sizes of its pieces and the manners of the peer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7.mllp import Frame, FrameReader, NotMllp, Oversized, Room, framed

NO_BLOCKS = st.binary(max_size=60).map(lambda data: data.replace(b"\x0b", b"").replace(b"\x1c", b""))


def reader(**limits: int) -> FrameReader:
    return FrameReader(**{"max_message_bytes": 1000, **limits})


@given(st.lists(NO_BLOCKS, max_size=6), st.lists(st.integers(1, 40), min_size=1))
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(messages: list[bytes], sizes: list[int]) -> None:
    stream, found, at, turn = b"".join(map(framed, messages)), [], 0, 0
    one = reader()
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += [frame.message for frame in one.feed(stream[at : at + size]) if isinstance(frame, Frame)]
        at, turn = at + size, turn + 1
    assert found == messages and not one.inside


@given(st.binary(max_size=500))
def test_no_bytes_make_it_stumble(data: bytes) -> None:
    one = reader(max_message_bytes=100, max_garbage_bytes=100)
    try:
        for piece in (data[:200], data[200:]):
            for frame in one.feed(piece):
                if isinstance(frame, Oversized):
                    return
    except NotMllp:
        return


def test_what_stands_between_frames_is_skipped() -> None:
    found = list(reader().feed(b"\r\nnoise" + framed(b"MSH|1") + b"\x00\n" + b"\x0bMSH|2\x1c" + framed(b"MSH|3")))
    assert [frame.message for frame in found if isinstance(frame, Frame)] == [b"MSH|1", b"MSH|2", b"MSH|3"]


def test_who_never_begins_a_frame_does_not_speak_mllp() -> None:
    one = reader(max_garbage_bytes=100)
    list(one.feed(b"x" * 100))
    with pytest.raises(NotMllp):
        list(one.feed(b"x"))


def test_a_sender_that_begins_again_is_understood() -> None:
    found = list(reader().feed(b"\x0bMSH|half of" + framed(b"MSH|whole")))
    assert found == [Frame(b"MSH|whole", restarted=True)]


def test_a_vertical_tab_in_a_text_is_text() -> None:
    assert list(reader().feed(framed(b"MSH|a\x0bb"))) == [Frame(b"MSH|a\x0bb")]


def test_a_message_without_an_end_is_given_up_at_the_limit_and_its_beginning_kept() -> None:
    one = reader(max_message_bytes=10_000)
    found: list[Frame | Oversized] = list(one.feed(b"\x0bMSH|" + b"x" * 5000))
    assert found == [] and one.inside
    found = list(one.feed(b"y" * 5000))
    assert found == [Oversized(b"MSH|" + b"x" * 4092, 10_000)] and not one.inside


def test_room_is_shared_and_given_back() -> None:
    room, size = Room(3 << 20), 3 << 20
    first, second = (FrameReader(max_message_bytes=10 << 20, room=room) for _ in range(2))
    assert not list(first.feed(b"\x0b" + b"x" * size))
    assert [type(one) for one in second.feed(b"\x0b" + b"x" * size)] == [Oversized]
    assert [type(one) for one in first.feed(b"\x1c\r")] == [Frame]
    third = FrameReader(max_message_bytes=10 << 20, room=room)
    assert [type(one) for one in third.feed(framed(b"x" * size))] == [Frame]
    first.close()
    assert room.take(3 << 20)
