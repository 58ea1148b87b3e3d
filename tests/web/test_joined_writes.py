"""Heads leave with what follows them."""

from collections.abc import Iterable

from pacsd.web.joined_writes import JoinedWrites

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"


class Wire:
    """A transport that notes what each of its system calls would send."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(bytes(data))

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.sent.append(b"".join(pieces))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def joined() -> tuple[JoinedWrites, Wire]:
    wire = Wire()
    return JoinedWrites(wire), wire  # type: ignore[arg-type]


def test_a_head_leaves_with_the_beginning_of_its_body_and_the_rest_at_once() -> None:
    writes, wire = joined()
    writes.write(HEAD)
    assert wire.sent == []
    writes.write(b"abc")
    writes.write(b"def")
    assert wire.sent == [HEAD + b"abc", b"def"]


def test_an_answer_without_a_body_leaves_when_it_is_over() -> None:
    writes, wire = joined()
    writes.write(HEAD)
    writes.flush()
    writes.flush()
    assert wire.sent == [HEAD]


def test_a_head_leaves_before_the_connection_is_closed() -> None:
    writes, wire = joined()
    writes.write(HEAD)
    writes.close()
    assert wire.sent == [HEAD] and writes.is_closing()


def test_an_interim_answer_waits_for_nothing() -> None:
    writes, wire = joined()
    writes.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert wire.sent == [b"HTTP/1.1 100 Continue\r\n\r\n"]


def test_a_body_that_looks_like_a_head_is_sent_whole_and_in_order() -> None:
    writes, wire = joined()
    writes.write(HEAD)
    writes.write(HEAD)
    writes.write(HEAD)
    writes.write(b"end")
    writes.flush()
    assert b"".join(wire.sent) == HEAD * 3 + b"end"
