"""Access tokens that are JWT (RFC 7515, RFC 7519), taken apart and forged."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, OctKey, RSAKey

from conformance.judging import Failed, NotTested

OURS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """What that says."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Header, claims and signature. Raises NotTested for a token that is no JWS."""
    try:
        header, claims, signature = token.split(".")
        return json.loads(decoded(header)), json.loads(decoded(claims)), signature
    except ValueError:
        raise NotTested("the token is no JWT that can be read from outside") from None


def joined(header: Mapping[str, Any], claims: Mapping[str, Any], signature: str) -> str:
    """A token of these parts, whether they fit or not."""
    return ".".join((encoded(json.dumps(header).encode()), encoded(json.dumps(claims).encode()), signature))


def by_secret(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    """A token signed by HMAC with these bytes, which a verifier may take for its own secret (RFC 8725 2.1)."""
    head = joined({**header, "alg": "HS256"}, claims, "")
    mac = hmac.new(secret, head[:-1].encode(), hashlib.sha256).digest()
    return head + encoded(mac)


def by_key(header: Mapping[str, Any], claims: Mapping[str, Any], key: RSAKey) -> str:
    """A token that is well signed, by somebody's own key."""
    told = {**{name: value for name, value in header.items() if name != "alg"}, "alg": "RS256"}
    return jwt.encode(told, dict(claims), key, algorithms=["RS256"])


def public_keys(document: Mapping[str, Any]) -> list[Key]:
    """The keys of a JWK Set. Raises Failed where there are secrets among them (RFC 7517 5, 9.2)."""
    listed = document.get("keys")
    if not isinstance(listed, list) or not listed:
        raise Failed(f"expected a JWK Set with keys, got {str(document)[:80]}")
    for one in listed:
        secret = {"d", "p", "q", "k"} & set(one) if isinstance(one, dict) else {"a key"}
        if secret or one.get("kty") == "oct":
            raise Failed("expected public keys alone, got secret ones")
    return [JWKRegistry.import_key(one) for one in listed]


def is_signed(token: str, keys: list[Key]) -> bool:
    """Whether one of the keys made the signature."""
    algorithm = parts(token)[0].get("alg")
    if algorithm not in OURS:
        return False
    for key in keys:
        if isinstance(key, OctKey):
            continue
        try:
            jwt.decode(token, key, algorithms=[algorithm])
        except (JoseError, ValueError, TypeError):           # of another kind than the algorithm, or another one
            continue
        return True
    return False
