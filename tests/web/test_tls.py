"""HTTPS: versions and suites, certificates of clients, renewal, and that nobody who dawdles keeps others out."""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from websockets.sync.client import connect

from config.settings import TlsNameSettings
from conformance.tls_socket import in_turns
from pacsd.access.tls import TlsContexts
from pacsd.web.entrance import ALPN, Gate, listening_socket
from pacsd.web.neighbours import Neighbours
from pacsd.web.server import ServerLimits, run
from tests.certificates import Authority, Files
from tests.clients import require

LARGE = 3 << 20


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers what it knows of the connection, and how long the body was."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        told = scope["extensions"]["tls"]["client_cert_name"]
        await send({"type": "websocket.send", "text": f"{scope['scheme']} {told}"})
        await send({"type": "websocket.close"})
        return
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    tls = scope.get("extensions", {}).get("tls")
    answer = json.dumps({"scheme": scope["scheme"], "tls": tls, "size": size}).encode()
    answer += b" " * (LARGE if scope["path"] == "/large" else 0)
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": answer})


@dataclass
class House:
    """A server of one process, its authority and the clock by which it looks at its files."""

    authority: Authority
    server: Files
    port: int
    now: list[float]

    @property
    def base(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def context(self, files: Files | None = None) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.authority.certificate))
        if files is not None:
            made.load_cert_chain(files.certificate, files.key)
        return made

    def get(self, files: Files | None = None, path: str = "/") -> Any:
        with httpx.Client(verify=self.context(files), timeout=20, trust_env=False) as client:
            return client.get(self.base + path).json()

    def openssl(self, *options: str) -> "subprocess.CompletedProcess[str]":
        require("openssl")
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-CAfile",
                   str(self.authority.certificate), *options]  # fmt: skip
        return subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)


@contextmanager
def serving(folder: Path, clients: str = "none", processes: int = 1, **settings: Any) -> Iterator[House]:
    authority = Authority(folder)
    files, now = authority.make("pacs"), [0.0]
    other = authority.make("other", "other.example")
    settings.setdefault("max_handshakes", 512)
    contexts = TlsContexts(
        authority.settings(files, names=(named("other.example", other),), **settings), clock=lambda: now[0]
    )
    stop, threads = threading.Event(), []
    neighbours = Neighbours(processes)
    first = listening_socket("127.0.0.1", 0)
    port = first.getsockname()[1]
    listening = [first, *(listening_socket("127.0.0.1", port) for _ in range(processes - 1))]
    for number, one in enumerate(listening):
        gate = Gate(one, partial(contexts.server, clients, protocols=ALPN), None,
                    contexts.settings.handshake_timeout_s, contexts.settings.max_handshakes)  # fmt: skip
        desk = neighbours.desk(number) if processes > 1 else None
        options = {"gates": [gate], "stop": stop, "limits": ServerLimits(grace_s=2.0), "desk": desk}
        threads.append(threading.Thread(target=run, args=(app, []), kwargs=options))
    for thread in threads:
        thread.start()
    try:
        yield House(authority, files, port, now)
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        neighbours.close()


def named(name: str, files: Files) -> TlsNameSettings:
    return TlsNameSettings(name, files.certificate, files.key)


def test_requests_come_with_what_their_connection_is(tmp_path: Path) -> None:
    with serving(tmp_path, "optional") as house:
        viewer = house.authority.make("viewer", "viewer.example", use="client")
        told = house.get(viewer)
        assert told["scheme"] == "https" and told["tls"]["tls_version"] == 0x0304
        assert told["tls"]["client_cert_name"] == "CN=viewer"
        pem = viewer.certificate.read_text()
        assert ssl.PEM_cert_to_DER_cert(told["tls"]["client_cert_chain"][0]) == ssl.PEM_cert_to_DER_cert(pem)
        without = house.get()["tls"]
        assert without["client_cert_name"] is None and without["client_cert_chain"] == []


def test_large_bodies_go_both_ways_on_one_connection(tmp_path: Path) -> None:
    with serving(tmp_path) as house, httpx.Client(verify=house.context(), timeout=60, trust_env=False) as client:
        for size in (0, 10, LARGE, 70_000, 4 * LARGE + 1):
            answer = client.post(f"{house.base}/large", content=bytes(size))
            assert answer.json()["size"] == size and len(answer.content) > LARGE


def test_a_web_socket_inside_tls_knows_its_certificate(tmp_path: Path) -> None:
    with serving(tmp_path, "required") as house:
        viewer = house.context(house.authority.make("viewer", use="client"))
        with connect(f"wss://127.0.0.1:{house.port}/", ssl=in_turns(viewer), proxy=None) as channel:
            assert channel.recv(timeout=10) == "wss CN=viewer"


def test_curl_is_let_in_with_a_client_certificate_alone(tmp_path: Path) -> None:
    require("curl")
    with serving(tmp_path, "required") as house:
        good = house.authority.make("good", use="client")
        expired = house.authority.make("expired", use="client", days=1, began=timedelta(days=3))
        revoked = house.authority.make("revoked", use="client")
        stranger = Authority(tmp_path / "other", "Other CA").make("stranger", use="client")
        house.authority.revoke(revoked)
        house.now[0] += 2
        for version in ("--tls-max", "1.2"), ("--tlsv1.3",):
            for files in (good, expired, revoked, stranger, None):
                own = ["--cert", str(files.certificate), "--key", str(files.key)] if files else []
                command = ["curl", "--silent", "--cacert", str(house.authority.certificate), *version, *own, house.base]
                done = subprocess.run(command, capture_output=True, timeout=30, check=False)
                assert (done.returncode == 0) == (files is good), (files, version)


def test_openssl_finds_no_old_version_weak_suite_or_renegotiation(tmp_path: Path) -> None:
    with serving(tmp_path) as house:
        for weak in (["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "AES128-SHA256"], ["-tls1_2", "-cipher", "CBC"]):
            cipher = [] if "-cipher" in weak else ["-cipher", "DEFAULT:@SECLEVEL=0"]
            assert house.openssl(*weak, *cipher).returncode != 0, weak
        done = house.openssl("-tls1_2", "-alpn", "h2,http/1.1")
        assert done.returncode == 0 and "ALPN protocol: http/1.1" in done.stdout
        assert "Compression: NONE" in done.stdout and "Verify return code: 0" in done.stdout
        assert house.openssl("-tls1_3").returncode == 0
        assert "CN = other" in house.openssl("-servername", "other.example").stdout
        assert "CN = pacs" in house.openssl("-servername", "unknown.example").stdout
        again = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{house.port}", "-tls1_2"], input="R\n",
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert again.returncode != 0 and "no renegotiation" in again.stderr


def test_certificates_are_read_again_while_requests_run(tmp_path: Path) -> None:
    with serving(tmp_path) as house, ExitStack() as stack:
        kept = stack.enter_context(httpx.Client(verify=house.context(), timeout=20, trust_env=False))
        assert kept.get(house.base).status_code == 200
        seen, failed, over = set(), [], threading.Event()

        def ask() -> None:
            while not over.is_set():
                try:
                    raw = socket.create_connection(("127.0.0.1", house.port), timeout=20)
                    with house.context().wrap_socket(raw, server_hostname="127.0.0.1") as one:
                        seen.add(one.getpeercert(True))
                except OSError as error:
                    failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        for _ in range(3):
            before = len(seen)
            house.authority.make("pacs")
            house.now[0] += 2
            house.get()
            while len(seen) == before and not failed:
                house.get()
        over.set()
        thread.join(20)
        assert not failed and len(seen) >= 3
        assert kept.get(house.base).status_code == 200       # on its connection of before


def test_a_thousand_half_open_handshakes_keep_nobody_out(tmp_path: Path) -> None:
    with serving(tmp_path, max_handshakes=100) as house, ExitStack() as stack:
        for number in range(1000):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", house.port), timeout=20))
            if number % 2:
                raw.sendall(b"\x16\x03\x01\x02\x00\x01")
            if number % 200 == 199:
                assert house.get()["scheme"] == "https"


def test_a_slow_handshake_ends_in_time(tmp_path: Path) -> None:
    with serving(tmp_path, handshake_timeout_s=0.2) as house:
        with closing(socket.create_connection(("127.0.0.1", house.port), timeout=20)) as raw:
            with contextlib.suppress(ConnectionResetError):
                assert raw.recv(1) == b""
        assert house.get()["scheme"] == "https"


def test_plain_http_is_not_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as house, closing(socket.create_connection(("127.0.0.1", house.port), timeout=20)) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP/1.1 200" not in raw.recv(1000)
        assert house.get()["scheme"] == "https"


def test_processes_share_connections_out_before_their_handshakes(tmp_path: Path) -> None:
    with serving(tmp_path, processes=2) as house, ExitStack() as stack:
        for _ in range(12):
            client = stack.enter_context(httpx.Client(verify=house.context(), timeout=20, trust_env=False))
            assert client.get(house.base).json()["scheme"] == "https"


def test_a_gate_for_listed_networks_turns_others_away() -> None:
    for networks, is_let_in in ((("127.0.0.0/8",), True), (("10.0.0.0/8",), False)):
        stop, listening = threading.Event(), listening_socket("127.0.0.1", 0)
        port = listening.getsockname()[1]
        options = {"gates": [Gate(listening, None, networks)], "stop": stop, "limits": ServerLimits(grace_s=2.0)}
        thread = threading.Thread(target=run, args=(app, []), kwargs=options)
        thread.start()
        try:
            with httpx.Client(timeout=20, trust_env=False) as client:
                if is_let_in:
                    assert client.get(f"http://127.0.0.1:{port}/").json()["tls"] is None
                else:
                    with pytest.raises(httpx.TransportError):
                        client.get(f"http://127.0.0.1:{port}/")
        finally:
            stop.set()
            thread.join(20)
