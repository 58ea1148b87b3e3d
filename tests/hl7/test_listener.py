"""The listener: what it answers, when it ends a connection, and that it holds no more than it may."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from hl7.listener import Limits, Listener
from hl7.ports import Caller
from tests.hl7.peer import Peer


class Echo:
    """Answers what it got; waits inside a message for `gate`, where that is closed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def receive(self, raw: bytes, caller: Caller) -> Sequence[bytes]:
        self.begun.set()
        self.gate.wait(10)
        return [] if raw == b"silence" else [b"got " + raw[:20]]

    def too_long(self, beginning: bytes, limit_bytes: int) -> Sequence[bytes]:
        return [b"too long " + beginning[:4]]


@contextmanager
def listening(echo: Echo | None = None, **limits: float) -> Iterator[Listener]:
    made = Listener(echo or Echo(), host="127.0.0.1", port=0, limits=Limits(**limits))  # type: ignore[arg-type]
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        made.drain(5.0)
        thread.join(5.0)
        assert not thread.is_alive()


def test_many_messages_come_over_one_connection_in_pieces_of_any_size() -> None:
    with listening() as listener, Peer(listener.port) as peer:
        for piece in (b"\x0bon", b"e", b"\x1c", b"\r\x0btwo\x1c\r\x0bthree\x1c\r"):
            peer.socket.sendall(piece)
        assert [peer.answer() for _ in range(3)] == [b"got one", b"got two", b"got three"]
        peer.send(b"silence")
        assert peer.ask(b"four") == b"got four"


def test_a_message_that_does_not_end_is_answered_at_the_limit_and_its_connection_ended() -> None:
    with listening(max_message_bytes=1 << 20) as listener, Peer(listener.port) as peer, Peer(listener.port) as other:
        sender = threading.Thread(target=flood, args=(peer, b"\x0bMSH|" + b"x" * 65536))
        sender.start()
        assert peer.answer() == b"too long MSH|" and peer.ended()
        peer.close()
        sender.join(10)
        assert other.ask(b"next") == b"got next"


def flood(peer: Peer, piece: bytes) -> None:
    try:
        for _ in range(16_384):                  # a GiB
            peer.socket.sendall(piece)
            piece = piece[-65536:]
    except OSError:
        return
    raise AssertionError("a GiB was read")


def test_who_speaks_something_else_is_cut_off() -> None:
    with listening() as listener, Peer(listener.port) as peer:
        with suppress(OSError):
            peer.socket.sendall(b"GET / HTTP/1.1\r\n" * 10_000)
        assert peer.ended()


def test_silence_inside_a_message_ends_its_connection_but_not_between_messages() -> None:
    with listening(message_timeout_s=0.2) as listener, Peer(listener.port) as half, Peer(listener.port) as idle:
        half.socket.sendall(b"\x0bMSH|half")
        assert half.ended()
        time.sleep(0.1)
        assert idle.ask(b"still here") == b"got still here"


def test_silence_between_messages_ends_a_connection_where_that_is_wished() -> None:
    with listening(idle_timeout_s=0.2) as listener, Peer(listener.port) as idle:
        assert idle.ended()


def test_connections_above_the_limit_are_closed_and_the_others_served() -> None:
    with listening(max_connections=2) as listener, Peer(listener.port) as one, Peer(listener.port) as two:
        assert one.ask(b"1") == b"got 1" and two.ask(b"2") == b"got 2"
        with Peer(listener.port) as three:
            assert three.ended()
        one.close()
        wait(lambda: _served(listener.port))
        assert two.ask(b"2") == b"got 2"


def _served(port: int) -> bool:
    with Peer(port) as peer:
        try:
            return peer.ask(b"x") == b"got x"
        except (EOFError, OSError):
            return False


def test_a_message_in_hand_is_answered_before_the_server_stops() -> None:
    echo = Echo()
    echo.gate.clear()
    with listening(echo) as listener, Peer(listener.port) as busy, Peer(listener.port) as idle:
        busy.send(b"last")
        assert echo.begun.wait(5)
        listener.close()
        drain = threading.Thread(target=listener.drain, args=(5.0,))
        drain.start()
        assert idle.ended()
        echo.gate.set()
        assert busy.answer() == b"got last" and busy.ended()
        drain.join(5)
        assert not drain.is_alive()


def wait(true: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
