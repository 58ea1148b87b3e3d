"""JSON Web Tokens taken apart and proven (RFC 7519, RFC 8725): nothing in one counts before its signature does."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from joserfc import jws
from joserfc.errors import JoseError

from pacsd.access.key_sets import KeySet, document_of
from pacsd.codec.base64url import decoded
from pacsd.faults import Fault, PacsdError

LEEWAY_S = 30.0                          # between the clocks of two machines
MAX_TOKEN_CHARACTERS = 16_384
Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. `types`: its `typ`, without `application/`; None: any, as of client assertions."""

    issuer: str
    audience: Collection[str]
    algorithms: Collection[str]
    types: Collection[str] | None = None


def is_signed(token: str) -> bool:
    """Whether a token has the form of a JWS in three parts."""
    return token.count(".") == 2


def unproven_claims(token: str) -> Claims:
    """What a token says of itself, to find out whose keys prove it; never to be relied on."""
    return _part(token, 1)


def proven_claims(token: str, keys: KeySet, expected: Expected, *, clock: Callable[[], float] = time.time) -> Claims:
    """The claims of a token whose signature, issuer, audience and times are right. Raises PacsdError UNAUTHENTICATED.

    The algorithm must be on the list, and the key of the kind that the algorithm needs: `none`, and a public key used
    as a shared secret, come to nothing (RFC 8725 3.1, 3.2).
    """
    header = _part(token, 0)
    algorithm, key_id = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or algorithm not in expected.algorithms:
        refuse("the token's signature is of a kind that does not count")
    if not isinstance(key_id, str) or "crit" in header or header.get("b64") is not None:
        refuse("the token's header is not understood")
    if expected.types is not None and _type(header) not in expected.types:
        refuse("this is no access token")
    if not any(_is_signed_by(token, key, algorithm) for key in keys.find(algorithm, key_id)):
        refuse("the token's signature is not right")
    claims = _part(token, 1)
    check(claims, expected, now=clock())
    return claims


def check(claims: Claims, expected: Expected, *, now: float) -> None:
    """Issuer, audience and times (RFC 9068 4). Raises PacsdError UNAUTHENTICATED."""
    if claims.get("iss") != expected.issuer:
        refuse("the token's issuer is another")
    named = claims.get("aud")
    audience = named if isinstance(named, list) else [named]
    if not any(isinstance(one, str) and one in expected.audience for one in audience):
        refuse("the token is meant for somebody else")
    if moment(claims, "exp") <= now - LEEWAY_S:
        refuse("the token has expired")
    if moment(claims, "nbf", 0.0) > now + LEEWAY_S or moment(claims, "iat", 0.0) > now + LEEWAY_S:
        refuse("the token does not count yet")


def moment(claims: Claims, name: str, default: float | None = None) -> float:
    """A NumericDate (RFC 7519 2). Raises PacsdError UNAUTHENTICATED for what is none."""
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        refuse(f"the token's {name} is not a time")
    return float(value)


def refuse(reason: str) -> NoReturn:
    """Raise what a token that does not count is answered with."""
    raise PacsdError(Fault.UNAUTHENTICATED, reason)


def _type(header: Claims) -> str:
    return str(header.get("typ", "")).lower().removeprefix("application/")


def _is_signed_by(token: str, key: Any, algorithm: str) -> bool:
    try:
        jws.deserialize_compact(token, key, algorithms=[algorithm])
    except (JoseError, ValueError, TypeError):
        return False
    return True


def _part(token: str, number: int) -> Claims:
    if len(token) > MAX_TOKEN_CHARACTERS or not is_signed(token):
        refuse("this is no token")
    try:
        return document_of(decoded(token.split(".")[number]))
    except PacsdError as error:
        raise PacsdError(Fault.UNAUTHENTICATED, "this is no token") from error
