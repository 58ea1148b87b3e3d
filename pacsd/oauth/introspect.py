"""Introspection (RFC 7662; IHE IUA ITI-102): what an access token of ours stands for, told to servers that may ask."""

from starlette.responses import Response

from pacsd.access.token_claims import IUA
from pacsd.faults import Fault, PacsdError
from pacsd.oauth.answers import json
from pacsd.oauth.asked import Asked
from pacsd.oauth.client_authentication import unknown
from pacsd.oauth.desk import Desk
from pacsd.oauth.refusal import OAuthError

MAY_ASK = "introspection"                # among the grants of a client
_COPIED = ("iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope", "cnf", "patient", "auth_time")


def introspect(desk: Desk, asked: Asked) -> Response:
    """What is known of a token; of one that does not count nothing (RFC 7662 2.2)."""
    client = desk.clients.client(asked, public=False)
    if MAY_ASK not in client.grants:
        desk.clients.refused(asked, "the client may not ask about tokens")
        raise unknown()
    token = asked.fields.get("token", "")
    if not token:
        raise OAuthError("invalid_request", "token is missing")
    try:
        claims = desk.tokens.claims(token)
    except PacsdError as error:
        if error.fault is Fault.UNAUTHENTICATED:
            return json({"active": False})
        raise
    told = {name: claims[name] for name in _COPIED if name in claims}
    extension = claims.get("extensions", {}).get(IUA, {})
    return json({"active": True, "token_type": "Bearer", "username": claims["sub"], **told, "extensions": {
        IUA: extension}})  # fmt: skip
