"""Bearers: what of the connection is told to whoever verifies tokens."""

import ssl
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from pacsd.access.principal import Principal, Proof
from pacsd.oauth.peer import Peers
from pacsd.web.addresses import Addresses
from pacsd.web.admission import Bearer, shown_certificate


class Told:
    """A verifier that notes what it is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes | None, str]] = []

    def known(self, token: str, *, certificate: bytes | None = None, address: str = "") -> Principal | None:
        self.asked.append((token, certificate, address))
        return None

    def verify(self, token: str, *, certificate: bytes | None = None, address: str = "") -> Principal:
        self.asked.append((token, certificate, address))
        return Principal("x", "east", frozenset(), Proof.TOKEN)


def scope(kind: str, client: str, pem: str = "", **headers: str) -> dict[str, Any]:
    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    extensions = {"tls": {"client_cert_chain": [pem]}} if pem else {}
    return {"type": kind, "client": (client, 4000), "extensions": extensions,
            "headers": [(b"authorization", b"Bearer t"), *told]}  # fmt: skip


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_token_comes_with_the_address_and_certificate_behind_the_proxies(kind: str) -> None:
    tokens, addresses = Told(), Addresses(trusted_proxies=("10.0.0.0/8",))
    peers = Peers(("10.0.0.0/8",), direct=lambda request: shown_certificate(request.scope))
    bearer = Bearer(
        tokens, address=lambda one: addresses.client(HTTPConnection(one)),
        certificate=lambda one: peers.certificate(HTTPConnection(one)),
    )  # fmt: skip
    shown = ssl.DER_cert_to_PEM_cert(b"its own")
    told = {"x_forwarded_for": "198.51.100.7", "client_cert": ":dG9sZA==:"}
    for one in (scope(kind, "10.0.0.1", shown, **told), scope(kind, "192.0.2.1", shown, **told)):
        bearer.known(one)
        bearer.principal(one)
    assert tokens.asked == [("t", b"told", "198.51.100.7")] * 2 + [("t", b"its own", "192.0.2.1")] * 2
