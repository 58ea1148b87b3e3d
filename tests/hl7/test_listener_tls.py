"""MLLP inside TLS (IHE ITI-19), both ways."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import Hl7DestinationSettings, Hl7SenderSettings, Hl7Settings, Settings
from hl7.client import Client, NotDelivered
from hl7.listener import Limits, Listener
from hl7.ports import Caller
from ihe_profiles.exchange.dialling import dial_of
from ihe_profiles.exchange.senders import KnownSenders
from pacsd.access.handshakes import Handshakes
from pacsd.access.peer_certificate import PeerCertificate
from pacsd.access.tls import TlsContexts
from tests.certificates import Authority, Files
from tests.hl7.peer import Peer

MESSAGE = b"MSH|^~\\&|HIS|EAST|||20260102||ADT^A08|17|P|2.5.1\r"
ANSWER = b"MSH|^~\\&|||HIS|EAST|20260102||ACK|1|P|2.5.1\rMSA|AA|17\r"


class Keeping:
    """Answers everything, and keeps who called."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []

    def receive(self, raw: bytes, caller: Caller) -> Sequence[bytes]:
        self.callers.append(caller)
        return [ANSWER]

    def too_long(self, beginning: bytes, limit_bytes: int) -> Sequence[bytes]:
        return []


@contextmanager
def listening(authority: Authority, files: Files, clients: str = "required") -> Iterator[tuple[int, Keeping]]:
    keeping = Keeping()
    handshakes = Handshakes(TlsContexts(authority.settings(files)), clients)
    made = Listener(keeping, host="127.0.0.1", port=0, limits=Limits(max_connections=3), handshakes=handshakes)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made.port, keeping
    finally:
        made.close()
        made.drain(5.0)
        thread.join(5.0)
        assert not thread.is_alive()


def peer(authority: Authority, files: Files | None, port: int) -> Peer:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if files is not None:
        context.load_cert_chain(files.certificate, files.key)
    made = Peer(port)
    made.socket = context.wrap_socket(made.socket, server_hostname="127.0.0.1")
    return made


def test_messages_come_inside_tls_and_the_certificate_is_known(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, his = authority.make("pacs"), authority.make("his", "his.example")
    with listening(authority, server) as (port, keeping):
        with peer(authority, his, port) as one:
            for cut in (1, 20, len(MESSAGE)):
                one.socket.sendall(b"\x0b" + MESSAGE[:cut])
                one.socket.sendall(MESSAGE[cut:] + b"\x1c\r")
                assert one.answer() == ANSWER
        certificate = keeping.callers[0].certificate
        assert isinstance(certificate, PeerCertificate)
        assert certificate.answers_to("HIS.example") and certificate.answers_to(his.thumbprint)
        assert not certificate.answers_to(server.thumbprint)
        with pytest.raises((OSError, EOFError)), peer(authority, None, port) as one:
            one.ask(MESSAGE)
        with Peer(port) as plain:
            plain.send(MESSAGE)
            with pytest.raises((EOFError, ConnectionError)):
                plain.answer()
        assert len(keeping.callers) == 3


def test_half_open_handshakes_take_no_connection_away(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, his = authority.make("pacs"), authority.make("his")
    with listening(authority, server) as (port, _):
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        with peer(authority, his, port) as one:
            assert one.ask(MESSAGE) == ANSWER
        for each in held:
            each.close()


def test_we_send_inside_tls_only_to_whom_is_meant(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, ours = authority.make("ris"), authority.make("pacs")
    tls = authority.settings(ours)
    with listening(authority, server) as (port, keeping):
        ris = Hl7DestinationSettings("ris", "127.0.0.1", port, tls=True)
        client = Client("127.0.0.1", port, dial=dial_of(ris, tls))
        assert client.send(MESSAGE).accepted and client.send(MESSAGE).accepted
        client.close()
        bound = replace(ris, certificate=server.thumbprint)
        client = Client("127.0.0.1", port, dial=dial_of(bound, tls))
        assert client.send(MESSAGE).accepted
        client.close()
        for wrong in (replace(ris, certificate=ours.thumbprint), replace(ris, certificate="other.example")):
            with pytest.raises(NotDelivered):
                Client("127.0.0.1", port, dial=dial_of(wrong, tls)).send(MESSAGE)
        with pytest.raises(NotDelivered):                # its certificate is for another name
            Client("localhost", port, dial=dial_of(ris, Authority(tmp_path / "other").settings(None))).send(MESSAGE)
        assert len(keeping.callers) == 3
    assert dial_of(replace(ris, tls=False), tls) is None


def test_a_sender_is_known_by_its_certificate_or_its_address() -> None:
    shown = PeerCertificate("CN=his", ("his.example",), "ab" * 32)
    bound = Hl7SenderSettings("bound", "HIS", "default", certificate="his.example")
    near = Hl7SenderSettings("near", "LIS", "default", addresses=("10.0.0.0/8",))
    loose = Hl7SenderSettings("loose", "RIS", "default")
    senders = KnownSenders(Settings(hl7_senders=(bound, near, loose), hl7=Hl7Settings(accept_unknown_senders=True)))

    def name(application: str, caller: Caller) -> str | None:
        found = senders.sender(application=application, facility="", caller=caller)
        return found.name if found else None

    assert name("HIS", Caller("10.0.0.1", shown)) == "bound"
    assert name("HIS", Caller("10.0.0.1", replace(shown, names=()))) is None
    assert name("HIS", Caller("10.0.0.1")) is None
    assert name("HIS", Caller("10.0.0.1", is_vouched=True)) == "bound"
    assert name("LIS", Caller("10.0.0.1", is_listed=True)) == "near"
    assert name("RIS", Caller("10.0.0.1", is_listed=True)) is None and name("RIS", Caller("10.0.0.1")) == "loose"
    assert name("ANY", Caller("10.0.0.1", is_listed=True)) is None and name("ANY", Caller("10.0.0.1")) == ""
