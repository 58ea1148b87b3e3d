"""Who a request comes from: authenticated once, resolved to an access, and put on the request.

What the access is stands in the ASGI scope under ACCESS, for every handler and whatever stands around it. Answers that
are a few seconds old serve without a thread or a statement.
"""

import ssl
import time
from collections.abc import Callable, Hashable, MutableMapping
from functools import lru_cache
from typing import Any, Protocol

from pacsd.access.asking import Access
from pacsd.access.directory import Peer
from pacsd.access.operations import Operation
from pacsd.access.principal import HELD, Principal, Proof, Role
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.web.services import Readers
from pacsd.web.threads import Threads

ACCESS = "pacsd.access"                  # where in the ASGI scope the Access stands
AGAIN_S = 0.25                           # so long the same is found for the same asker
_MOST_LATELY = 1_000
EVERY_ROLE = HELD - {Role.PATIENT, Role.RESEARCHER}
NOBODY = Principal("", "", frozenset(), Proof.NOTHING)
_NOBODYS = Access(NOBODY, Peer("", 0, "", "", Scope((), 0), services=frozenset()))

Asgi = MutableMapping[str, Any]


class Authenticator(Protocol):
    """Tells who a request comes from, by its headers and connection."""

    def known(self, scope: Asgi) -> Principal | None:
        """The principal, where that needs neither a disk, a database nor a network; else None.

        Raises PacsdError UNAUTHENTICATED for credentials that prove nothing.
        """

    def principal(self, scope: Asgi) -> Principal:
        """The principal; NOBODY for a request without credentials. Raises as `known`."""


class Resolver(Protocol):
    """access.resolution.Resolution"""

    def known(self, principal: Principal) -> Access | None: ...
    def access(self, principal: Principal) -> Access: ...


class Tokens(Protocol):
    """access.tokens.Verifier, as far as this edge asks it. Raises PacsdError UNAUTHENTICATED, UNAVAILABLE."""

    def known(self, token: str, *, certificate: bytes | None = None, address: str = "") -> Principal | None:
        """Who a token is of, if it was verified a moment ago and still holds."""

    def verify(self, token: str, *, certificate: bytes | None = None, address: str = "") -> Principal:
        """Who a token is of; may wait for its issuer."""


class Bearer:
    """Access tokens of RFC 6750 2.1. Without one a request comes from `otherwise`.

    Tokens in a form or in the query are not taken: those land in logs (RFC 6750 2.3, RFC 9700 2.2).
    """

    def __init__(
        self, tokens: Tokens | None, *, otherwise: Principal = NOBODY, address: Callable[[Asgi], str] | None = None,
        certificate: Callable[[Asgi], bytes | None] | None = None,
    ) -> None:  # fmt: skip
        """`address` and `certificate` of who asks; without them of the connection."""
        self._tokens = tokens
        self._otherwise = otherwise
        self._address = address or _address
        self._certificate = certificate or shown_certificate

    def known(self, scope: Asgi) -> Principal | None:
        """As Authenticator has it."""
        if self._tokens is None and self._otherwise is not NOBODY:
            return self._otherwise       # whatever credentials there are, nobody here could tell what they prove
        token = bearer(scope)
        if token is None:
            return self._otherwise
        return self._required().known(token, certificate=self._certificate(scope), address=self._address(scope))

    def key(self, scope: Asgi) -> Hashable | None:
        """What requests with one token from one address have in common; None where more than that is to be proven."""
        found = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(found) != 1 or self._certificate(scope) is not None:
            return None
        return found[0], self._address(scope)

    def principal(self, scope: Asgi) -> Principal:
        """As Authenticator has it."""
        token = bearer(scope)
        if token is None:
            return self._otherwise
        return self._required().verify(token, certificate=self._certificate(scope), address=self._address(scope))

    def _required(self) -> Tokens:
        if self._tokens is None:
            raise PacsdError(Fault.UNAUTHENTICATED, "no issuer of tokens is known here")
        return self._tokens


def bearer(scope: Asgi) -> str | None:
    """The token of the Authorization header; None where there is none.

    Raises PacsdError UNAUTHENTICATED for two of them and for other schemes.
    """
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    if not found:
        return None
    credentials: bytes = found[0]
    scheme, _, token = credentials.decode("latin-1").partition(" ")
    if len(found) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise PacsdError(Fault.UNAUTHENTICATED, "the Authorization header holds no single Bearer token")
    return token.strip()


def shown_certificate(scope: Asgi) -> bytes | None:
    """The TLS client's own certificate in DER, where the server that speaks TLS tells it (ASGI TLS extension)."""
    told = scope.get("extensions", {}).get("tls", {}).get("client_cert_chain") or ()
    return _der(told[0]) if told else None


@lru_cache(maxsize=256)
def _der(certificate: str) -> bytes:
    """Kept: it is the same for all requests of a connection."""
    return ssl.PEM_cert_to_DER_cert(certificate)


def _address(scope: Asgi) -> str:
    """Where the connection came from."""
    return str((scope.get("client") or ("",))[0])


class _Found:
    """An access that was found, with how far it reaches for each operation that was asked for."""

    __slots__ = ("_permitted", "access", "until")

    def __init__(self, until: float, access: Access) -> None:
        self.until = until
        self.access = access
        self._permitted: dict[tuple[Operation, bool], Access] = {}

    def permitted(self, operation: Operation, deidentifying: bool) -> Access:
        """As Access has it."""
        found = self._permitted.get((operation, deidentifying))
        if found is None:
            found = self.access.permitted(operation, deidentifying=deidentifying)
            self._permitted[operation, deidentifying] = found
        return found


class Admission:
    """Admits requests."""

    def __init__(
        self, authenticator: Authenticator, resolver: Resolver, *, threads: Threads | None = None,
        key: Callable[[Asgi], Hashable | None] = lambda _scope: None, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`key`: what requests of one asker have in common, for whom the same is found for AGAIN_S; None: nothing."""
        self._authenticator = authenticator
        self._resolver = resolver
        self._threads = threads or Threads()
        self._key = key
        self._clock = clock
        self._found_lately: dict[Hashable, _Found] = {}

    async def admitted(self, scope: Asgi, operation: Operation, *, deidentifying: bool = False) -> Access:
        """The access with which an operation is done; `deidentifying` as in Access.permitted.

        Raises PacsdError UNAUTHENTICATED, FORBIDDEN.
        """
        return (await self._entry(scope)).permitted(operation, deidentifying)

    async def access(self, scope: Asgi) -> Access:
        """Who asks, and what they see; one of nobody where nobody says who asks. Raises PacsdError UNAUTHENTICATED."""
        return (await self._entry(scope)).access

    async def _entry(self, scope: Asgi) -> _Found:
        """What was found for this request, else of the same asker a moment ago, else now."""
        given: Access | None = scope.get(ACCESS)
        if given is not None:
            return _Found(0.0, given)
        key, now = self._key(scope), self._clock()
        found = self._found_lately.get(key) if key is not None else None
        if found is None or now >= found.until:
            found = _Found(now + AGAIN_S, await self._found(scope))
            if key is not None and found.access.principal is not NOBODY:
                self._remember(key, found)
        scope[ACCESS] = found.access
        return found

    def _remember(self, key: Hashable, found: _Found) -> None:
        if len(self._found_lately) >= _MOST_LATELY:
            self._found_lately.clear()
        self._found_lately[key] = found

    async def _found(self, scope: Asgi) -> Access:
        principal = self._authenticator.known(scope)
        if principal is None:
            principal = await self._threads.run(self._authenticator.principal, scope)
        if principal is NOBODY:
            return _NOBODYS
        known = self._resolver.known(principal)
        return known if known is not None else await self._threads.run(self._resolver.access, principal)


class _Fixed:
    """The resolver of one principal."""

    def __init__(self, directory: Readers) -> None:
        self._directory = directory

    def known(self, principal: Principal) -> Access | None:
        return self.access(principal)

    def access(self, principal: Principal) -> Access:
        return Access(principal, self._directory.web_reader())


def everybody(directory: Readers) -> Admission:
    """Where nobody says who asks, and everybody is the directory's web reader."""
    peer = directory.web_reader()
    return Admission(Bearer(None, otherwise=web_reader(peer.organisation_code)), _Fixed(directory))


def web_reader(organisation: str) -> Principal:
    """Whoever asks on a listener that trusts its network: as all of an organisation."""
    return Principal("anonymous", organisation, EVERY_ROLE, Proof.NOTHING, name="anonymous")
