"""The real server on a real socket, over an archive in memory."""

import contextlib
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.web.server import ServerLimits, listening_socket, run
from pacsd.web.services import WebLimits
from tests.web.fakes import EXPLICIT, FakeBulk, FakePart10, FakeRef, Web

BULK = "/dicom-web/studies/1.2/series/1.3/instances/1.4/bulkdata/7FE00010"
INSTANCE = "/dicom-web/studies/1.2/series/1.3/instances/1.4"
WANTED = b"GET %b HTTP/1.1\r\nHost: localhost\r\nAccept: application/dicom\r\n\r\n" % INSTANCE.encode()


@dataclass
class Running:
    web: Web
    port: int
    stop: threading.Event
    thread: threading.Thread

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def raw(self, *pieces: bytes) -> bytes:
        """Send pieces, read until the server closes."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):
                for piece in pieces:
                    connection.sendall(piece)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


@contextmanager
def serving(server_limits: ServerLimits, **changes: object) -> Iterator[Running]:
    web = Web(**changes)
    listening = listening_socket("127.0.0.1", 0)
    port = listening.getsockname()[1]
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(web.app, listening), kwargs={"stop": stop, "limits": server_limits})
    thread.start()
    try:
        yield Running(web, port, stop, thread)
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def running() -> Iterator[Running]:
    with serving(ServerLimits(header_timeout_s=0.3, max_header_bytes=16_384, grace_s=2.0)) as one:
        yield one


def test_two_processes_may_share_a_port():
    with closing(listening_socket("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with closing(listening_socket("127.0.0.1", port)) as second:
            assert second.getsockname()[1] == port
        with pytest.raises(OSError, match="in use"):
            listening_socket("127.0.0.1", port, share=False)


def test_it_answers_and_stops_on_the_event(running):
    assert running.get("/health/live") == (200, b'{"status":"live"}')
    running.stop.set()
    running.thread.join(10)
    assert not running.thread.is_alive()
    with pytest.raises(OSError):
        running.connect()


def test_huge_headers_are_refused(running):
    answer = running.raw(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n", b"X: " + b"y" * 40_000)
    assert answer.startswith(b"HTTP/1.1 431 ")
    answer = running.raw(b"GET /health/live HTTP/1.1\r\n" + b"X-A: y\r\n" * 8_000 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert running.raw(b"GET /" + b"y" * 40_000).startswith(b"HTTP/1.1 431 ")
    assert running.get("/health/live")[0] == 200


def test_endless_trailers_are_refused(running):
    head = b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    assert b"HTTP/1.1 431 " in running.raw(head, *(b"X: " + b"y" * 40_000 for _ in range(20)))


def test_a_client_that_does_not_finish_its_headers_is_let_go(running):
    assert running.raw(b"").startswith(b"HTTP/1.1 408 ")
    assert running.raw(b"GET /health/live HTTP/1.1\r\n").startswith(b"HTTP/1.1 408 ")


def test_nonsense_is_a_bad_request(running):
    assert running.raw(b"\x16\x03\x01 nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert running.get("/health/live")[0] == 200


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"])
def test_a_request_that_does_not_name_one_host_is_a_bad_request(running, hosts):
    answer = running.raw(b"GET /health/live HTTP/1.1\r\n" + hosts + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert running.raw(b"GET /health/live HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_large_body_is_not_taken_for_headers(running):
    content = b"x" * 1_000_000
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)) as connection:
        for _ in range(3):
            connection.request("POST", "/dicom-web/studies", content, {"Content-Type": "application/dicom"})
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read()
    assert running.web.archive.kept == [content] * 3


def test_a_stalled_upload_is_let_go_and_forgotten():
    with serving(ServerLimits(), limits=WebLimits(upload_stall_s=0.2)) as one:
        head = b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\n"
        answer = one.raw(head + b"Content-Length: 100\r\n\r\nbegin")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert [reception.aborted for reception in one.web.archive.receptions] in ([], [True])
        assert one.web.archive.kept == []


def test_an_upload_that_breaks_off_is_forgotten(running):
    head = b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\n"
    with running.connect() as connection:
        connection.sendall(head + b"Content-Length: 9000000\r\n\r\n" + bytes(4_000_000))
    deadline = threading.Event()
    for _ in range(100):
        if any(one.aborted for one in running.web.archive.receptions):
            break
        deadline.wait(0.05)
    assert [one.aborted for one in running.web.archive.receptions] == [True]
    assert running.web.archive.kept == []


def test_an_answer_whose_source_fails_is_seen_to_be_incomplete(running, caplog):
    def failing() -> Iterator[bytes]:
        yield bytes(1 << 20)
        raise PacsdError(Fault.UNAVAILABLE, "a stored object is shorter than the index says")

    running.web.archive.refs = [FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"")]
    for size in (None, 2 << 20):
        running.web.archive.part10 = lambda ref, size=size: FakePart10(size, failing())
        with pytest.raises(http.client.IncompleteRead):
            running.get(INSTANCE, Accept="application/dicom")
    assert running.get("/health/live")[0] == 200


def test_a_client_that_leaves_ends_the_reading(running):
    left = threading.Event()
    taken = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                taken.append(1)
                yield bytes(1 << 20)
        finally:
            left.set()

    running.web.archive.refs = [FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"")]
    running.web.archive.part10 = lambda ref: FakePart10(None, endless())
    with running.connect() as connection:
        connection.sendall(WANTED)
        connection.recv(1000)
    assert left.wait(10)
    assert len(taken) < 64


def test_a_slow_reader_does_not_fill_the_memory():
    left = threading.Event()
    taken = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                taken.append(1)
                yield bytes(1 << 20)
        finally:
            left.set()

    with serving(ServerLimits(), limits=WebLimits(download_stall_s=0.5)) as one:
        one.web.archive.refs = [FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"")]
        one.web.archive.part10 = lambda ref: FakePart10(None, endless())
        with one.connect() as connection:
            connection.sendall(WANTED)
            assert left.wait(10)
        assert len(taken) < 32


def test_a_slow_client_that_goes_on_taking_a_large_frame_gets_all_of_it():
    with serving(ServerLimits(), limits=WebLimits(download_stall_s=1.0)) as one:
        one.web.archive.refs = [FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"")]
        one.web.archive.part10 = lambda ref: FakePart10(48 << 20, iter([bytes(16 << 20)] * 3))
        with one.connect() as connection:
            connection.sendall(WANTED)
            taken = 0
            while taken < 48 << 20 and (chunk := connection.recv(1 << 20, socket.MSG_WAITALL)):
                taken += len(chunk)
                threading.Event().wait(0.08)             # all of it in 4 s, a chunk in more than it may stall
        assert taken >= 48 << 20


def test_a_large_value_arrives_whole(running):
    value = bytes(range(256)) * 40_000
    running.web.archive.bulk_value = FakeBulk(value)
    assert running.get(BULK) == (200, value)


def test_nothing_is_logged_of_what_is_asked(running, caplog):
    caplog.set_level(logging.DEBUG)
    running.get("/dicom-web/studies?PatientName=Zhang%5ESan&NoSuchThing=1")
    running.get("/dicom-web/studies?PatientName=Zhang%5ESan")
    assert "Zhang" not in caplog.text


def test_a_request_in_progress_is_finished_before_the_end(running):
    running_on = threading.Event()
    go_on = threading.Event()

    def slow() -> Iterator[bytes]:
        running_on.set()
        go_on.wait(5)
        yield b"the end"

    running.web.archive.refs = [FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"")]
    running.web.archive.part10 = lambda ref: FakePart10(7, slow())
    answers = []
    client = threading.Thread(target=lambda: answers.append(running.get(INSTANCE, Accept="application/dicom")))
    client.start()
    assert running_on.wait(5)
    running.stop.set()
    go_on.set()
    client.join(10)
    assert answers == [(200, b"the end")]


def test_an_upload_that_does_not_end_within_the_grace_is_told_to_come_again() -> None:
    with serving(ServerLimits(grace_s=1.0)) as one, one.connect() as connection:
        connection.sendall(STORE + b"Host: localhost\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")         # somebody reads it now
        connection.sendall(b"half of it")
        one.stop.set()
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after: 5" in head.lower()
    assert json.loads(body)["fault"] == "unavailable"
    assert one.web.archive.kept == []


@pytest.mark.parametrize("body", [b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
def test_a_websocket_handshake_with_a_body_is_refused_and_holds_up_no_end(body: bytes) -> None:
    handshake = b"GET /dicom-web/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    with serving(ServerLimits(grace_s=2.0)) as one:
        with one.connect() as connection:
            connection.settimeout(5)
            connection.sendall(handshake + body)
            assert read_all(connection).startswith(b"HTTP/1.1 400 ")
        began = time.monotonic()
    assert time.monotonic() - began < 5


OFFER = b"Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
STORE = b"POST /dicom-web/studies HTTP/1.1\r\nContent-Type: application/dicom\r\n"
LAST = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("size", [3, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_offers_http2_is_answered_in_http1(size: int, chunked: bool) -> None:
    body = bytes(range(256)) * (size // 256) + b"abc"
    coded = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    length = b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % len(body)
    with serving(ServerLimits(grace_s=2.0)) as one:
        plain = b"GET /health/live HTTP/1.1\r\n" + OFFER + b"\r\n"
        answer = one.raw(plain + STORE + OFFER + length + (coded if chunked else body) + plain + LAST)
        assert answer.count(b"HTTP/1.1 200 ") == 4 and answer.count(b'"live"') == 3
        assert one.web.archive.kept == [body]


def test_many_offers_at_once_and_a_tunnel_hold_up_nobody() -> None:
    with serving(ServerLimits(grace_s=2.0)) as one:
        plain = b"GET /health/live HTTP/1.1\r\n" + OFFER + b"\r\n"
        assert one.raw(plain * 1_500 + LAST).count(b"HTTP/1.1 200 ") == 1_501
        assert one.raw(b"CONNECT x:80 HTTP/1.1\r\n" + OFFER + b"\r\n").startswith(b"HTTP/1.1 400 ")
