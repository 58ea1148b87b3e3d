"""Bearers: what of the connection is told to whoever verifies tokens."""

import asyncio
import ssl
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from pacsd.access.asking import Access
from pacsd.access.directory import Peer
from pacsd.access.operations import Operation
from pacsd.access.principal import Principal, Proof, Role
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.oauth.peer import Peers
from pacsd.web.addresses import Addresses
from pacsd.web.admission import AGAIN_S, Admission, Bearer, shown_certificate


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


class Everything:
    """A resolver that counts whom it is asked about."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def known(self, principal: Principal) -> Access | None:
        return self.access(principal)

    def access(self, principal: Principal) -> Access:
        self.asked.append(principal.address)
        return Access(principal, Peer("", 0, "", "", Scope((), 0), services=frozenset()))


def test_what_was_found_of_a_token_a_moment_ago_is_found_again_for_that_address_alone() -> None:
    class Known(Told):
        def known(self, token: str, *, certificate: bytes | None = None, address: str = "") -> Principal | None:
            del token, certificate
            return Principal("x", "east", frozenset({Role.SYSTEM}), Proof.TOKEN, address=address)

    bearer, resolver, at = Bearer(Known()), Everything(), 0.0
    admission = Admission(bearer, resolver, key=bearer.key, clock=lambda: at)

    def ask(one: dict[str, Any], operation: Operation = Operation.SEARCH_STUDIES) -> Access:
        return asyncio.run(admission.admitted(one, operation))

    first = ask(scope("http", "192.0.2.1"))
    assert ask(scope("http", "192.0.2.1")) is first
    assert ask(scope("http", "192.0.2.2")).principal.address == "192.0.2.2"
    assert resolver.asked == ["192.0.2.1", "192.0.2.2"]
    for _ in range(2):
        with pytest.raises(PacsdError) as refused:
            ask(scope("http", "192.0.2.1"), Operation.READ_AUDIT)
        assert refused.value.fault is Fault.FORBIDDEN
    at = AGAIN_S
    ask(scope("http", "192.0.2.1"))
    assert len(resolver.asked) == 3
    with_certificate = scope("http", "192.0.2.1", ssl.DER_cert_to_PEM_cert(b"its own"))
    twice = {**scope("http", "192.0.2.1"), "headers": [(b"authorization", b"Bearer t")] * 2}
    assert bearer.key(with_certificate) is None and bearer.key(twice) is None
    assert bearer.key({**twice, "headers": []}) is None
