"""Large bodies on a real socket: what comes is what was sent, and the connection goes on."""

import gc
import socket
import threading
import time
import tracemalloc
from contextlib import ExitStack

import pytest

from pacsd.web.large_body import LARGE_BYTES
from pacsd.web.server import ServerLimits
from pacsd.web.services import WebLimits
from tests.web.test_server import Running, read_all, serving

PATH = b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\n"
LATER = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SIZE = 3 * LARGE_BYTES + 12_345


def content(size: int = SIZE) -> bytes:
    """Bytes of which no part looks like another."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]


def asked(one: Running, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Everything that comes back for pieces that are sent one after the other."""
    with one.connect() as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause_s)
        return read_all(connection)


@pytest.mark.parametrize("first", [0, 1, 40_000, LARGE_BYTES + 7])
def test_a_large_body_comes_whole_and_the_next_request_after_it(first: int) -> None:
    body = content()
    with serving(ServerLimits()) as one:
        head = PATH + b"Content-Length: %d\r\n\r\n" % SIZE
        answer = asked(one, head + body[:first], body[first:] + LATER)
        assert answer.startswith(b"HTTP/1.1 200 ") and b'{"status":"live"}' in answer
        assert one.web.archive.kept == [body]


def test_two_large_bodies_without_waiting_for_the_first_answer() -> None:
    bodies = [content(), content(LARGE_BYTES)[::-1]]
    with serving(ServerLimits()) as one:
        requests = b"".join(PATH + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies)
        answer = asked(one, requests + LATER)
        assert answer.count(b"HTTP/1.1 200 ") == 3
        assert one.web.archive.kept == bodies


def test_a_body_that_comes_in_small_pieces_with_pauses() -> None:
    body = content(LARGE_BYTES + 1000)
    pieces = [body[at : at + 300_000] for at in range(0, len(body), 300_000)]
    pieces[1:2] = [pieces[1][:1], pieces[1][1:2], pieces[1][2:]]
    with serving(ServerLimits()) as one:
        head = PATH + b"Content-Length: %d\r\n\r\n" % len(body)
        answer = asked(one, head, *pieces, LATER, pause_s=0.02)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert one.web.archive.kept == [body]


def test_a_client_that_waits_to_be_told_to_continue() -> None:
    body = content()
    with serving(ServerLimits()) as one, one.connect() as connection:
        connection.sendall(PATH + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % SIZE)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body + LATER)
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")
        assert one.web.archive.kept == [body]


def test_a_large_chunked_body_comes_whole_too() -> None:
    body = content()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:1_000_000], body[1_000_000:]))
    with serving(ServerLimits()) as one:
        answer = asked(one, PATH + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n" + LATER)
        assert answer.startswith(b"HTTP/1.1 200 ") and one.web.archive.kept == [body]


def test_a_body_that_nobody_wants_is_passed_over_and_the_next_request_answered() -> None:
    with serving(ServerLimits()) as one:
        head = b"POST /health/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % SIZE
        answer = asked(one, head + content(), LATER)
        assert answer.startswith(b"HTTP/1.1 405 ") and b'{"status":"live"}' in answer


def test_the_rest_of_a_body_that_nobody_wants_is_not_waited_for_for_ever() -> None:
    with serving(ServerLimits(header_timeout_s=0.3)) as one, one.connect() as connection:
        connection.sendall(b"POST /health/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % SIZE)
        connection.sendall(bytes(LARGE_BYTES))
        began = time.monotonic()
        answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 405 ") and b"HTTP/1.1 408 " in answer
        assert time.monotonic() - began < 5


def test_a_large_upload_that_stalls_is_let_go() -> None:
    with serving(ServerLimits(), limits=WebLimits(upload_stall_s=0.3)) as one:
        answer = asked(one, PATH + b"Content-Length: %d\r\n\r\n" % SIZE + content(LARGE_BYTES + 9))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert one.web.archive.kept == [] and all(reception.aborted for reception in one.web.archive.receptions)


def test_a_client_that_leaves_in_the_middle_is_forgotten() -> None:
    with serving(ServerLimits()) as one:
        with one.connect() as connection:
            connection.sendall(PATH + b"Content-Length: %d\r\n\r\n" % SIZE + content(2 * LARGE_BYTES + 17))
        pause = threading.Event()
        for _ in range(100):
            if one.web.archive.receptions and all(reception.aborted for reception in one.web.archive.receptions):
                break
            pause.wait(0.05)
        assert [reception.aborted for reception in one.web.archive.receptions] == [True]
        assert one.get("/health/live")[0] == 200


def test_a_sender_faster_than_the_disk_has_to_wait() -> None:
    gate = threading.Event()
    with serving(ServerLimits()) as one:
        receive = one.web.archive.receive_part10

        def slow(*arguments: object, **named: object) -> object:
            gate.wait(20)
            return receive(*arguments, **named)  # type: ignore[arg-type]

        one.web.archive.receive_part10 = slow  # type: ignore[assignment, method-assign]
        with one.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
            connection.settimeout(1.0)
            connection.sendall(PATH + b"Content-Length: %d\r\n\r\n" % (200 << 20))
            sent, piece = 0, bytes(1 << 20)
            with pytest.raises(TimeoutError):
                while sent < 200 << 20:
                    sent += connection.send(piece)
            assert sent < 40 << 20
            gate.set()


def test_clients_that_send_next_to_nothing_take_next_to_nothing() -> None:
    count, head = 40, PATH + b"Content-Length: %d\r\n\r\n" % (200 << 20)
    gc.collect()
    gc.disable()                                 # what ended must not lie about until it is collected
    try:
        with serving(ServerLimits(grace_s=2.0)) as one, ExitStack() as clients:
            tracemalloc.start()
            connections = [clients.enter_context(one.connect()) for _ in range(count)]
            for piece in (head, b"x"):
                for connection in connections:
                    connection.sendall(piece)
                time.sleep(0.3)
            assert tracemalloc.get_traced_memory()[0] < count * (200 << 10)
            for connection in connections:
                connection.sendall(content(LARGE_BYTES + 9))
            clients.close()
            deadline = time.monotonic() + 10
            while not all(reception.aborted for reception in one.web.archive.receptions):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            one.web.archive.receptions.clear()
            while tracemalloc.get_traced_memory()[0] > count * (200 << 10):
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        tracemalloc.stop()
        gc.enable()
