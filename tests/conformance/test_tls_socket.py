"""The suites' own connections over TLS: one thread reads while another writes."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.tls_socket import InTurns, in_turns
from tests.certificates import Authority


@contextmanager
def connected(folder: Path) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """The client's end, and the server's."""
    authority = Authority(folder)
    files = authority.make("localhost", use="server")
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(files.certificate, files.key)
    ours = in_turns(ssl.create_default_context(cafile=str(authority.certificate)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted: list[ssl.SSLSocket] = []
        thread = threading.Thread(target=lambda: accepted.append(theirs.wrap_socket(listener.accept()[0], True)))
        thread.start()
        with ours.wrap_socket(socket.create_connection(listener.getsockname()), server_hostname="localhost") as client:
            thread.join(10)
            with accepted[0] as server:
                yield client, server


def test_what_two_threads_send_and_read_at_once_arrives(tmp_path: Path) -> None:
    sent = bytes(range(256)) * 4_000
    came = bytearray()
    with connected(tmp_path) as (client, server):
        assert isinstance(client, InTurns)
        reader = threading.Thread(target=lambda: came.extend(received(client, len(sent))))
        reader.start()

        def echo() -> None:
            for _ in range(len(sent) // 1_000):
                server.sendall(received(server, 1_000))

        answering = threading.Thread(target=echo)
        answering.start()
        client.sendall(sent)
        reader.join(30)
        answering.join(30)
    assert bytes(came) == sent


def test_who_waits_too_long_is_told_and_the_end_is_the_end(tmp_path: Path) -> None:
    with connected(tmp_path) as (client, server):
        client.settimeout(0.01)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(None)
        server.sendall(b"end")
        assert received(client, 3) == b"end"
        server.close()
        assert client.recv(1) == b""
        client.close()
        with pytest.raises(OSError):
            client.recv(1)


def received(end: ssl.SSLSocket, size: int) -> bytes:
    came = b""
    while len(came) < size:
        more = end.recv(size - len(came))
        assert more, "it ended early"
        came += more
    return came
