"""The ports themselves: who has no certificate, or another's, is nobody; no handshake is begun again."""

import contextlib
import socket
import ssl
import subprocess

import pytest

from hl7.mllp import framed
from tests.certificates import Authority, Files
from tests.clients import require
from tests.dimse.wire import request
from tests.security.house import Guarded

ACCEPTED = b"\x02"                       # A-ASSOCIATE-AC (PS3.8 9.3.3)
ADT = (b"MSH|^~\\&|HIS|EAST|PACSD|F|20260101120000||ADT^A04^ADT_A01|spoof1|P|2.5.1\rEVN|A04|20260101120000\r"
       b"PID|||SPOOF1^^^EAST-HIS||Spoof^Ed||19700101|M\rPV1|1|O\r")


def context(house: Guarded, files: Files | None, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    made = house.context
    made.maximum_version = newest
    if files is not None:
        made.load_cert_chain(files.certificate, files.key)
    return made


def associated(house: Guarded, files: Files | None, calling: str, **options: ssl.TLSVersion) -> bool:
    """Whether an association under a title is accepted inside TLS."""
    try:
        with socket.create_connection(("127.0.0.1", house.dicom), timeout=10) as raw, context(
            house, files, **options
        ).wrap_socket(raw, server_hostname="localhost") as connection:
            connection.sendall(request(called="PACSD", calling=calling))
            return connection.recv(1) == ACCEPTED
    except OSError:
        return False


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_title_is_nobody_elses(guarded: Guarded, newest: ssl.TLSVersion) -> None:
    assert associated(guarded, guarded.files["ct1"], "CT1", newest=newest)
    for who, calling in ((None, "CT1"), ("mr1", "CT1"), ("his", "CT1"), ("ct1", "NOBODY"), ("mr1", "FAR"),
                         ("pacs", "CT1"), ("ct1", "ct1"), ("ct1", "")):  # fmt: skip
        assert not associated(guarded, guarded.files[who] if who else None, calling, newest=newest), (who, calling)


def test_a_certificate_of_a_name_alike_is_another(guarded: Guarded) -> None:
    stranger = Authority(guarded.authority.folder.parent / "stranger", "Test CA").make("ct1", "ct1.example")
    alike = [guarded.authority.make(f"like{number}", name) for number, name in enumerate(
        ("ct1.example.evil.example", "xct1.example", "ct1.exampl", "*.example", "CT1"))]  # fmt: skip
    for files in (stranger, *alike):
        assert not associated(guarded, files, "CT1"), files.certificate


@pytest.mark.parametrize("calling", ["CT1", "FAR", "NOBODY", "PACSD"])
def test_a_title_without_a_certificate_is_nobody_on_the_plain_port(guarded: Guarded, calling: str) -> None:
    with socket.create_connection(("127.0.0.1", guarded.server.dicom_port), timeout=10) as connection:
        connection.sendall(request(called="PACSD", calling=calling))
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) != ACCEPTED


def acknowledged(house: Guarded, files: Files | None, *, plain: bool = False) -> bytes:
    """What MSA-1 says to a message of the HIS; nothing where nobody answers."""
    try:
        port = house.server.mllp_port if plain else house.mllp
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            connection = raw if plain else context(house, files).wrap_socket(raw, server_hostname="localhost")
            with connection:
                connection.sendall(framed(ADT))
                _, _, rest = connection.recv(65_536).partition(b"\rMSA|")
                return rest[:2]
    except OSError:
        return b""


def test_a_sender_of_messages_is_nobody_else(guarded: Guarded) -> None:
    assert acknowledged(guarded, guarded.files["his"]) == b"AA"
    for files in (None, guarded.files["ct1"], guarded.files["mr1"]):
        assert acknowledged(guarded, files) not in (b"AA", b"CA"), files
    assert acknowledged(guarded, None, plain=True) not in (b"AA", b"CA")


@pytest.mark.parametrize("port", ["https", "dicom", "mllp"])
def test_no_handshake_is_begun_again(guarded: Guarded, port: str) -> None:
    """A renegotiation that a client asks for is refused (RFC 9325 3.5)."""
    require("openssl")
    files = guarded.files["ct1"]
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{getattr(guarded, port)}", "-tls1_2", "-CAfile",
               str(guarded.authority.certificate), "-cert", str(files.certificate), "-key", str(files.key)]  # fmt: skip
    done = subprocess.run(command, input="R\n", capture_output=True, text=True, timeout=30, check=False)
    assert "Verify return code: 0" in done.stdout
    assert "no renegotiation" in done.stderr and done.returncode != 0
