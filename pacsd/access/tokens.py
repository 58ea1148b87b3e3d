"""Access tokens: who asks with one (RFC 6750, RFC 9068, RFC 7662, RFC 8705; IHE IUA ITI-72).

A token that was found good is remembered by its hash: one of another issuer's keys until it expires, one that a server
was asked about for a few seconds, so that a revocation is felt within them.
"""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Protocol, TypeVar

from config.oauth import IssuerSettings
from pacsd.access.key_sets import Document, KeySet, document_of
from pacsd.access.peer_certificate import PeerCertificate
from pacsd.access.principal import Principal
from pacsd.access.signed import (
    LEEWAY_S,
    MAX_TOKEN_CHARACTERS,
    Claims,
    Expected,
    check,
    is_signed,
    moment,
    proven_claims,
    refuse,
    unproven_claims,
)
from pacsd.access.token_claims import ClaimReader, FindPatient
from pacsd.codec.base64url import encoded
from pacsd.faults import Fault, PacsdError

REVOKED_WITHIN_S = 4.75                  # so long what was asked of a server or the index counts; edges add a moment
_MOST_REMEMBERED = 8_192
_MOST_ADDRESSES = 16                     # of one token
T = TypeVar("T")
Certificate = bytes | PeerCertificate       # a TLS client's, in DER or as it was read


class Fetch(Protocol):
    """Asks another server; the edge's, for this room opens no sockets. Raises PacsdError UNAVAILABLE."""

    def __call__(self, url: str, *, form: Mapping[str, str] | None = None, user: str = "", secret: str = "") -> bytes:
        """The body of a good answer: to a GET, or to a POST of a form."""


class Own(Protocol):
    """The authorization server of this product, as far as its tokens are concerned."""

    @property
    def issuer(self) -> str: ...
    @property
    def audience(self) -> Sequence[str]: ...

    def keys(self) -> Document:
        """Its JWK Set."""

    def principal(self, claims: Claims) -> Principal:
        """Whom one of its tokens is for as things stand now. Raises PacsdError UNAUTHENTICATED once it is revoked."""


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    thumbprint: str                      # of the certificate that the token is bound to, if it is
    until: float
    callers: dict[str, Principal] = field(default_factory=dict)      # the same by address: nothing is made twice


@dataclass(frozen=True, slots=True)
class _Issuer:
    settings: IssuerSettings
    keys: KeySet | None
    reader: ClaimReader
    secret: str

    @property
    def expected(self) -> Expected:
        one = self.settings
        return Expected(one.issuer, one.audience, one.algorithms, [name.lower() for name in one.types])


class Verifier:
    """Turns access tokens into principals; one for a process, for any number of threads."""

    def __init__(
        self, issuers: Sequence[IssuerSettings], organisations: Mapping[str, str], *, fetch: Fetch,
        own: Own | None = None, secrets: Mapping[str, str] | None = None,
        find_patient: FindPatient = lambda _organisation, _patient: None, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """`organisations`: code and assigning authority of each; `secrets`: for introspection, by issuer."""
        self._fetch = fetch
        self._own = own
        self._clock = clock
        self._own_keys = KeySet(own.keys, of=own.issuer, pause_s=1.0) if own is not None else None
        self._issuers = {
            one.issuer: _Issuer(
                one,
                _remote_keys(one, fetch) if one.jwks_url else None,
                ClaimReader(one, organisations, find_patient),
                (secrets or {}).get(one.issuer, ""),
            )
            for one in issuers
        }
        self._lock = Lock()
        self._held: OrderedDict[bytes, _Known] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()

    def known(self, token: str, *, certificate: Certificate | None = None, address: str = "") -> Principal | None:
        """Who asks, if that is remembered: it waits for nothing. Raises as `verify` does."""
        with self._lock:
            known = self._held.get(_digest(token))
        if known is None or known.until <= self._clock():
            return None
        return _bound(known, certificate, address)

    def verify(self, token: str, *, certificate: Certificate | None = None, address: str = "") -> Principal:
        """Who asks. `certificate`: that of the TLS client. May wait for the index or another server.

        Raises PacsdError UNAUTHENTICATED for a token that does not count, UNAVAILABLE where that cannot be found out.
        """
        if not token or len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            refuse("this is no token")
        remembered = self.known(token, certificate=certificate, address=address)
        if remembered is not None:
            return remembered
        known = self._signed(token) if is_signed(token) else self._opaque(token)
        self._remember(_digest(token), known)
        return _bound(known, certificate, address)

    def claims(self, token: str) -> Claims:
        """What a token says, for who asks about it and does not use it: one may be bound to a certificate.

        Raises as `verify` does.
        """
        if not token or len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            refuse("this is no token")
        return (self._signed(token) if is_signed(token) else self._opaque(token)).principal.claims

    def _signed(self, token: str) -> _Known:
        named = unproven_claims(token).get("iss")
        if self._own is not None and self._own_keys is not None and named == self._own.issuer:
            expected = Expected(self._own.issuer, self._own.audience, ("RS256",), ("at+jwt",))
            claims = proven_claims(token, self._own_keys, expected, clock=self._clock)
            return self._found(claims, self._own.principal(claims), self._clock() + REVOKED_WITHIN_S)
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        if issuer is None:
            refuse("the token's issuer is not known")
        if issuer.keys is None:
            return self._introspected(token, issuer)
        claims = proven_claims(token, issuer.keys, issuer.expected, clock=self._clock)
        return self._found(claims, issuer.reader.principal(claims), float("inf"))

    def _opaque(self, token: str) -> _Known:
        """A token that only its server understands; who is not asked again about one that it did not know."""
        digest = _digest(token)
        with self._lock:
            if self._unknown.get(digest, 0.0) > self._clock():
                refuse("the token does not count")
        for issuer in self._issuers.values():
            if issuer.settings.introspection_url:
                try:
                    return self._introspected(token, issuer)
                except PacsdError as error:
                    if error.fault is not Fault.UNAUTHENTICATED:
                        raise
        with self._lock:
            _put(self._unknown, digest, self._clock() + REVOKED_WITHIN_S)
        raise PacsdError(Fault.UNAUTHENTICATED, "the token does not count")

    def _introspected(self, token: str, issuer: _Issuer) -> _Known:
        """What the token's server says of it (RFC 7662 2.2); it speaks for its own tokens alone."""
        one = issuer.settings
        form = {"token": token, "token_type_hint": "access_token"}
        try:
            told = document_of(self._fetch(one.introspection_url, form=form, user=one.client_id, secret=issuer.secret))
        except PacsdError as error:
            raise PacsdError(Fault.UNAVAILABLE, "the token's issuer cannot be asked") from error
        if told.get("active") is not True:
            refuse("the token does not count")
        claims = {"iss": one.issuer, "exp": self._clock() + REVOKED_WITHIN_S, **told}
        if "aud" not in claims:
            refuse("the token's issuer does not say for whom it is meant")
        check(claims, issuer.expected, now=self._clock())
        return self._found(claims, issuer.reader.principal(claims), self._clock() + REVOKED_WITHIN_S)

    def _found(self, claims: Claims, principal: Principal, until: float) -> _Known:
        return _Known(principal, _thumbprint(claims), min(until, moment(claims, "exp") + LEEWAY_S))

    def _remember(self, digest: bytes, known: _Known) -> None:
        with self._lock:
            _put(self._held, digest, known)


def thumbprint(certificate: Certificate) -> str:
    """`x5t#S256` of a certificate (RFC 8705 3.1)."""
    if isinstance(certificate, PeerCertificate):
        return encoded(bytes.fromhex(certificate.thumbprint))
    return encoded(hashlib.sha256(certificate).digest())


def _remote_keys(issuer: IssuerSettings, fetch: Fetch) -> KeySet:
    return KeySet(lambda: document_of(fetch(issuer.jwks_url)), of=issuer.issuer)


def _bound(known: _Known, certificate: Certificate | None, address: str) -> Principal:
    """The principal, if whoever shows the token also holds its key (RFC 8705 3)."""
    if known.thumbprint:
        shown = thumbprint(certificate) if certificate is not None else ""
        if not hmac.compare_digest(known.thumbprint, shown):
            refuse("the token is bound to the certificate of another client")
    if not address:
        return known.principal
    found = known.callers.get(address)
    if found is None:
        found = replace(known.principal, address=address)
        if len(known.callers) < _MOST_ADDRESSES:
            known.callers[address] = found
    return found


def _thumbprint(claims: Claims) -> str:
    """What a token is bound to; empty where to nothing. One that is bound to what we cannot prove is no bearer's."""
    confirmation = claims.get("cnf")
    if confirmation is None:
        return ""
    bound = confirmation.get("x5t#S256") if isinstance(confirmation, Mapping) else None
    if not isinstance(bound, str) or not bound or len(confirmation) != 1:
        refuse("the token is bound to a key in a way that is not supported")
    return bound


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _put(kept: "OrderedDict[bytes, T]", key: bytes, value: T) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > _MOST_REMEMBERED:
        kept.popitem(last=False)
