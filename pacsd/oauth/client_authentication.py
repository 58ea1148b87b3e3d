"""Who a client is (RFC 6749 2.3, RFC 7523, RFC 8705, SMART Backend Services)."""

import base64
import binascii
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from urllib.parse import unquote_plus

from pacsd.access.key_sets import KeySet, document_of
from pacsd.access.signed import Expected, moment, proven_claims, unproven_claims
from pacsd.access.tokens import Fetch, thumbprint
from pacsd.faults import Fault, PacsdError
from pacsd.index import oauth_clients, oauth_grants
from pacsd.index.oauth_clients import Client
from pacsd.oauth.asked import Asked
from pacsd.oauth.provider import Provider
from pacsd.oauth.refusal import OAuthError
from pacsd.oauth.sealing import hashed

METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "self_signed_tls_client_auth", "none")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS = ("RS384", "ES384", "RS256", "ES256", "PS256", "PS384", "EdDSA", "Ed25519")
MAX_ASSERTION_S = 300.0                  # SMART Backend Services: exp no more than five minutes ahead
_NO_SECRET = bytes(32)
_MOST_KEY_SETS = 256


class ClientAuthentication:
    """Tells who a client is by one of the methods, the one it is registered with."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._key_sets = RemoteKeySets(provider.fetch)

    def client(self, asked: Asked, *, public: bool = True) -> Client:
        """The client of a request; with `public` one without any secret too.

        Raises OAuthError invalid_client, once it is on record who said to be whom.
        """
        try:
            return self._proven(asked, public)
        except OAuthError as error:
            if error.code == "invalid_client":
                self.refused(asked, "the client did not prove who it is")
            raise

    def refused(self, asked: Asked, reason: str) -> None:
        """Record that a client was refused, by the name that it gave. Raises PacsdError UNAVAILABLE."""
        self._provider.recording.refused(_said(asked), address=asked.address, reason=reason)

    def _proven(self, asked: Asked, public: bool) -> Client:
        fields = asked.fields
        basic = _basic(asked.headers.get("authorization", ""))
        used = [basic is not None, "client_secret" in fields, "client_assertion" in fields]
        if sum(used) > 1:
            raise OAuthError("invalid_request", "a client proves who it is in one way")
        if "client_assertion" in fields:
            return self._by_assertion(fields)
        client_id, secret = basic or (fields.get("client_id", ""), fields.get("client_secret", ""))
        if basic is not None and fields.get("client_id", client_id) != client_id:
            raise OAuthError("invalid_request", "client_id is another in the form")
        client = self._registered(client_id)
        if secret or basic is not None:
            return _by_secret(client, secret)
        if client is not None and client.method == "self_signed_tls_client_auth":
            return _by_certificate(client, asked.certificate)
        if client is None or client.method != "none" or not public:
            raise unknown(basic is not None)
        return client

    def _registered(self, client_id: str) -> Client | None:
        """A client of an organisation that is still one of ours."""
        found = oauth_clients.client(self._provider.pool, client_id[:256])
        return found if found is not None and found.organisation in self._provider.organisations else None

    def _by_assertion(self, fields: Mapping[str, str]) -> Client:
        """A JWT signed by one of the client's registered keys, for us, once (RFC 7523 3)."""
        if fields.get("client_assertion_type") != ASSERTION_TYPE:
            raise OAuthError("invalid_request", "client_assertion_type is not understood")
        provider, assertion = self._provider, fields["client_assertion"]
        try:
            named = unproven_claims(assertion).get("sub")
            client = self._registered(named) if isinstance(named, str) else None
            if client is None or client.method != "private_key_jwt" or fields.get("client_id", named) != named:
                raise unknown()
            expected = Expected(client.client_id, (provider.url("token"), provider.issuer), ASSERTION_ALGORITHMS)
            claims = proven_claims(assertion, self._key_sets.of(client), expected, clock=provider.clock)
            expires = moment(claims, "exp")
        except PacsdError as error:
            if error.fault is Fault.UNAVAILABLE:
                raise
            raise unknown() from error
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti or expires > provider.clock() + MAX_ASSERTION_S + 30:
            raise unknown()
        once = hashed(f"{client.client_id} {jti}")
        if not oauth_grants.first_use(provider.pool, once, datetime.fromtimestamp(expires, UTC)):
            raise unknown()
        return client


class RemoteKeySets:
    """The key sets of clients, kept as long as they are used."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._lock = Lock()
        self._kept: OrderedDict[str, KeySet] = OrderedDict()

    def of(self, client: Client) -> KeySet:
        """That of a client: as it was registered, or from where it says."""
        if client.keys is not None:
            return KeySet(lambda: client.keys or {})
        url = client.keys_url or ""
        with self._lock:
            found = self._kept.get(url)
            if found is None:
                found = self._kept[url] = KeySet(lambda: document_of(self._fetch(url)), of=client.client_id)
                while len(self._kept) > _MOST_KEY_SETS:
                    self._kept.popitem(last=False)
        return found


def unknown(basic: bool = True) -> OAuthError:
    """The answer to a client that did not prove who it is; the same whatever was wrong (RFC 6749 5.2)."""
    headers = {"WWW-Authenticate": 'Basic realm="pacsd"'} if basic else None
    return OAuthError("invalid_client", "the client did not prove who it is", headers=headers)


def _said(asked: Asked) -> str:
    """Who a client says it is, proven or not; empty where it does not say."""
    fields = asked.fields
    try:
        if basic := _basic(asked.headers.get("authorization", "")):
            return basic[0]
        named = unproven_claims(fields["client_assertion"]).get("sub") if "client_assertion" in fields else None
    except (OAuthError, PacsdError):     # it cannot be read
        named = None
    said = named if isinstance(named, str) else fields.get("client_id", "")
    return "".join(one for one in said if one.isprintable())


def _by_secret(client: Client | None, secret: str) -> Client:
    expected = client.secret if client is not None and client.secret is not None else _NO_SECRET
    is_right = hmac.compare_digest(expected, hashed(secret))
    if not is_right or client is None or client.method not in ("client_secret_basic", "client_secret_post"):
        raise unknown()
    return client


def _by_certificate(client: Client, certificate: bytes | None) -> Client:
    shown = thumbprint(certificate) if certificate is not None else ""
    if not client.certificate or not hmac.compare_digest(client.certificate, shown):
        raise unknown()
    return client


def _basic(header: str) -> tuple[str, str] | None:
    """Client id and secret of an Authorization header, each form-encoded (RFC 6749 2.3.1)."""
    scheme, _, told = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(told.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise unknown() from error
    if not colon:
        raise unknown()
    return unquote_plus(client_id), unquote_plus(secret)
