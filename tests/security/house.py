"""A guarded server as a site runs it, and what attackers of it need: TLS, tokens required, two hospitals.

`trap` is where the server must never be made to ask, and `canary` what it must never be made to read.
"""

from __future__ import annotations

import itertools
import secrets
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from pacsd.access.tokens import thumbprint
from pacsd.index.connect import pool
from pacsd.oauth.administration import Administration
from pacsd.supervise.cluster import running_dsn
from tests.access.minting import AUDIENCE, ISSUER, JWKS_URL, Mint
from tests.certificates import Authority, Files
from tests.oauth.house import CALLBACK, PASSWORD
from tests.server import Server, free_port, remove_folder, scratch_folder

SETTINGS = """
[[organisations]]
code = "east"
assigning_authority = "EAST-HIS"
[[organisations]]
code = "west"
assigning_authority = "WEST-HIS"
[[remote_aes]]
title = "CT1"
host = "127.0.0.1"
port = 104
organisation = "east"
certificate = "ct1.example"
[[remote_aes]]
title = "FAR"
host = "10.9.9.9"
port = 104
organisation = "east"
addresses = ["10.9.9.9"]
[[hl7_senders]]
name = "his"
application = "HIS"
organisation = "east"
certificate = "his.example"
[hl7]
accept_unknown_senders = false
[web]
public_url = "https://localhost:{https}/"
trusted_proxies = ["127.0.0.1"]
[security]
authentication = "required"
[security.tls]
certificate = "{folder}/ca/pacs.pem"
key = "{folder}/ca/pacs.key.pem"
authorities = "{folder}/ca/ca.pem"
revocations = "{folder}/ca/crl.pem"
https_port = {https}
dicom_port = {dicom}
mllp_port = {mllp}
[security.oauth]
enabled = true
[[security.oauth.issuers]]
issuer = "{issuer}"
audience = ["{audience}"]
jwks_url = "http://127.0.0.1:{keys}/jwks"
[storage]
quiet_s = 1.0
grace_s = 5.0
"""
SCOPES = ("openid", "profile", "fhirUser", "launch", "launch/patient", "offline_access", "patient/*.rs", "user/*.cruds")


class Trap:
    """A listener that counts who comes; it answers nobody."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.came = 0
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.came += 1
                connection.close()

    def close(self) -> None:
        """Nobody is waited for any more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Publisher:
    """Publishes the keys of a mint on this machine."""

    def __init__(self, mint: Mint) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = mint.fetch(JWKS_URL)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing is said."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Guarded:
    """The running server. Each `browser` and `client` comes from an address of its own, so that no test's refusals
    are counted against another's (`web.trusted_proxies` are this machine)."""

    server: Server
    authority: Authority
    mint: Mint
    trap: Trap
    administration: Administration
    https: int
    dicom: int
    mllp: int
    files: dict[str, Files]
    canary: Path
    secrets: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def base(self) -> str:
        """Without trailing slash."""
        return f"https://localhost:{self.https}"

    @property
    def context(self) -> ssl.SSLContext:
        """Trusts the server's authority."""
        return ssl.create_default_context(cafile=str(self.authority.certificate))

    def address(self) -> str:
        """One that nobody came from yet."""
        number = next(self._numbers)
        return f"10.77.{number >> 8 & 255}.{number & 255}"

    def client(self, token: str = "", **headers: str) -> httpx.Client:
        """Somebody with a token; redirects are not followed."""
        told = {"X-Forwarded-For": self.address(), **({"Authorization": f"Bearer {token}"} if token else {}), **headers}
        return httpx.Client(base_url=self.base, verify=self.context, headers=told, timeout=30, trust_env=False)

    def token(self, organisation: str = "east", *roles: str, **claims: Any) -> str:
        """One of the outside issuer."""
        return self.mint.token(organisation, *(roles or ("system",)), **claims)

    def own_token(self, client: str = "his", scope: str = "system/*.cruds") -> str:
        """One of the server's own, for a client that acts for itself."""
        with self.client() as http:
            answer = http.post("/oauth/token", data={"grant_type": "client_credentials", "scope": scope},
                               auth=(client, self.secrets[client]))  # fmt: skip
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def log(self) -> str:
        """What the server wrote so far."""
        return self.server.log.read_text(errors="replace")


@contextmanager
def opened() -> Iterator[Guarded]:
    """The server, with people and clients of both hospitals."""
    folder = scratch_folder("pacsd-guarded-")
    mint, trap = Mint(), Trap()
    publisher = Publisher(mint)
    ports = {name: free_port() for name in ("https", "dicom", "mllp")}
    authority = Authority(folder / "ca")
    authority.folder.chmod(0o755)
    files = {"pacs": authority.make("pacs"), "ct1": authority.make("ct1", "ct1.example"),
             "mr1": authority.make("mr1", "mr1.example"), "his": authority.make("his", "his.example")}  # fmt: skip
    canary = folder / "canary"
    canary.write_text(f"canary{secrets.token_hex(16)}")
    canary.chmod(0o644)
    config = SETTINGS.format(folder=folder, issuer=ISSUER, audience=AUDIENCE, keys=publisher.port, **ports)
    server = Server(folder / "data", config=config)
    try:
        server.start()
        _install_viewer(server.data / "viewer")
        rows = pool(running_dsn(server.data / "postgres"), max_size=2)
        administration = Administration(rows)
        made = Guarded(server, authority, mint, trap, administration, files=files, canary=canary, **ports)
        _populate(made)
        yield made
        rows.close()
    finally:
        server.kill()
        publisher.close()
        trap.close()
        remove_folder(folder)


def _install_viewer(folder: Path) -> None:
    """A page and a file of it, where the prebuilt viewer would be."""
    (folder / "assets").mkdir(parents=True)
    for name in ("index.html", "assets/app.js"):
        (folder / name).write_text("viewer")
    for made in (folder, *folder.rglob("*")):
        made.chmod(0o755 if made.is_dir() else 0o644)


def _populate(made: Guarded) -> None:
    add_user, add_client = made.administration.add_user, made.administration.add_client
    for name, organisation, role in (("wang", "east", "radiologist"), ("lin", "west", "radiologist"),
                                     ("careful", "east", "clinician"), ("chen", "east", "auditor")):  # fmt: skip
        add_user(name, PASSWORD, organisation=organisation, name=name, roles=[role])
    for name in ("viewer", "neighbour"):
        add_client(name, organisation="east", name=name.title(), redirect_uris=[CALLBACK], scopes=SCOPES)
    add_client("backend", organisation="east", method="private_key_jwt", scopes=["system/*.rs"],
               keys=made.mint.fetch(JWKS_URL))
    for name, organisation in (("his", "east"), ("west-his", "west")):
        made.secrets[name] = add_client(
            name, organisation=organisation, method="client_secret_basic", scopes=("system/*.cruds",),
            launches=True, introspects=True,
        )  # fmt: skip
    add_client("device", organisation="east", method="self_signed_tls_client_auth", scopes=["system/*.rs"],
               certificate=thumbprint(ssl.PEM_cert_to_DER_cert(made.files["ct1"].certificate.read_text())))  # fmt: skip
