"""Revocation (RFC 7009): a client gives back a token. A refresh token takes its whole grant with it."""

from datetime import UTC, datetime

from starlette.responses import Response

from pacsd.access.key_sets import KeySet
from pacsd.access.signed import Expected, is_signed, moment, proven_claims
from pacsd.faults import Fault, PacsdError
from pacsd.index import oauth_grants
from pacsd.oauth.answers import NO_STORE
from pacsd.oauth.asked import Asked
from pacsd.oauth.desk import Desk
from pacsd.oauth.keys import ALGORITHM
from pacsd.oauth.refusal import OAuthError
from pacsd.oauth.sealing import hashed


def revoke(desk: Desk, asked: Asked) -> Response:
    """200, also for a token that is none or not the client's: that tells nobody anything (RFC 7009 2.2)."""
    client = desk.clients.client(asked)
    token = asked.fields.get("token", "")
    if not token:
        raise OAuthError("invalid_request", "token is missing")
    pool = desk.provider.pool
    if is_signed(token):
        _revoke_access(desk, token, client.client_id)
    else:
        oauth_grants.revoke_by_refresh(pool, hashed(token), client.client_id)
    return Response(status_code=200, headers=NO_STORE)


def _revoke_access(desk: Desk, token: str, client_id: str) -> None:
    provider = desk.provider
    expected = Expected(provider.issuer, provider.audience, (ALGORITHM,), ("at+jwt",))
    try:
        claims = proven_claims(token, KeySet(provider.keys.document), expected, clock=provider.clock)
    except PacsdError as error:
        if error.fault is Fault.UNAUTHENTICATED:
            return
        raise
    if claims.get("client_id") == client_id:
        expires_at = datetime.fromtimestamp(moment(claims, "exp"), UTC)
        oauth_grants.revoke_token(provider.pool, hashed(str(claims.get("jti"))), expires_at)
