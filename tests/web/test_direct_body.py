"""Bodies that a thread writes to the socket: what stands in files arrives as it stands there, and nothing waits."""

import http.client
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pacsd.archive.retrieve import FileRange
from pacsd.web.server import ServerLimits
from pacsd.web.services import WebLimits
from tests.web.fakes import EXPLICIT, FakePart10, FakeRef
from tests.web.test_server import INSTANCE, WANTED, Running, read_all, serving

SIZE = 5_000_011


@pytest.fixture
def file(tmp_path: Path) -> Iterator[tuple[int, bytes]]:
    """A descriptor and what stands behind it, of which no part looks like another."""
    content = b"".join(number.to_bytes(4, "big") for number in range(SIZE // 4 + 1))[:SIZE]
    (tmp_path / "blob").write_bytes(content)
    descriptor = os.open(tmp_path / "blob", os.O_RDONLY)
    yield descriptor, content
    os.close(descriptor)


def give(one: Running, *pieces: bytes | FileRange, size_bytes: int | None = None) -> None:
    """Have one instance whose file is these pieces."""
    one.web.archive.refs = [FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"")]
    one.web.archive.part10 = lambda ref: FakePart10(size_bytes, iter(pieces))


@pytest.mark.parametrize("declared", [True, False])
def test_pieces_in_memory_and_in_files_arrive_in_order_and_the_connection_goes_on(file, declared: bool) -> None:
    descriptor, content = file
    pieces = (b"head", FileRange(descriptor, 7, 100_000), b"", b"between", FileRange(descriptor, 0, SIZE), b"tail")
    expected = b"head" + content[7:100_007] + b"between" + content + b"tail"
    with serving(ServerLimits()) as one:
        give(one, *pieces, size_bytes=len(expected) if declared else None)
        with closing(http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)) as connection:
            for _ in range(3):
                connection.request("GET", INSTANCE, headers={"Accept": "application/dicom"})
                answer = connection.getresponse()
                assert (answer.getheader("content-length") is not None) is declared
                assert answer.read() == expected
            connection.request("GET", "/health/live")
            assert connection.getresponse().read() == b'{"status":"live"}'


def test_the_end_of_a_small_body_does_not_wait_for_more(file) -> None:
    with serving(ServerLimits()) as one:
        give(one, b"small", b" and whole", size_bytes=15)
        with closing(http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)) as connection:
            began = time.monotonic()
            for _ in range(50):                      # 200 ms each if the last piece were held back for a next one
                connection.request("GET", INSTANCE, headers={"Accept": "application/dicom"})
                assert connection.getresponse().read() == b"small and whole"
            assert time.monotonic() - began < 50 * 0.2


def test_a_range_of_what_stands_in_a_file_is_cut_out_unread(file) -> None:
    descriptor, content = file
    with serving(ServerLimits()) as one:
        give(one, b"head", FileRange(descriptor, 0, SIZE), size_bytes=4 + SIZE)
        status, body = one.get(INSTANCE, Accept="application/dicom", Range="bytes=1000000-1000999")
        assert (status, body) == (206, content[999_996:1_000_996])
        status, body = one.get(INSTANCE, Accept="application/dicom", Range="bytes=2-5")
        assert (status, body) == (206, b"ad" + content[:2])


def test_a_file_that_is_shorter_than_it_should_be_is_seen_to_be_incomplete(file) -> None:
    descriptor, _ = file
    with serving(ServerLimits()) as one:
        for size in (None, SIZE + 1):
            give(one, FileRange(descriptor, 0, SIZE + 1), size_bytes=size)
            with pytest.raises(http.client.IncompleteRead):
                one.get(INSTANCE, Accept="application/dicom")
        assert one.get("/health/live")[0] == 200


def test_clients_that_take_nothing_hold_up_nobody_and_are_let_go(file) -> None:
    descriptor, _ = file
    closed = threading.Semaphore(0)

    def pieces() -> Iterator[FileRange]:
        try:
            for _ in range(100):
                yield FileRange(descriptor, 0, SIZE)
        finally:
            closed.release()

    with serving(ServerLimits(), limits=WebLimits(download_stall_s=1.0)) as one:
        one.web.archive.refs = [FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"")]
        one.web.archive.part10 = lambda ref: FakePart10(100 * SIZE, pieces())
        stalled = [one.connect() for _ in range(40)]     # more than there are threads
        for connection in stalled:
            connection.sendall(WANTED)
        give_other = one.get("/dicom-web/studies/1.2/series/1.3/instances/1.9", Accept="application/dicom")
        assert give_other[0] == 404
        for _ in stalled:
            assert closed.acquire(timeout=20)
        for connection in stalled:
            assert len(read_all(connection)) < 100 * SIZE
            connection.close()


def test_a_head_sends_nothing_and_closes_what_was_opened(file) -> None:
    descriptor, _ = file
    with serving(ServerLimits()) as one:
        give(one, FileRange(descriptor, 0, SIZE), size_bytes=SIZE)
        with closing(http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)) as connection:
            connection.request("HEAD", INSTANCE, headers={"Accept": "application/dicom"})
            answer = connection.getresponse()
            assert answer.getheader("content-length") == str(SIZE) and answer.read() == b""
            connection.request("GET", "/health/live")
            assert connection.getresponse().status == 200
