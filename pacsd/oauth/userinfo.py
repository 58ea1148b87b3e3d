"""UserInfo (OpenID Connect Core 5.3.1), by GET and by POST: the token stands in the Authorization header."""

from starlette.responses import Response

from pacsd.faults import Fault, PacsdError
from pacsd.index import oauth_users
from pacsd.oauth.answers import json
from pacsd.oauth.asked import Asked
from pacsd.oauth.desk import Desk
from pacsd.oauth.issuing import profile


def userinfo(desk: Desk, asked: Asked) -> Response:
    """Who the user of an access token is, as far as its scopes tell."""
    scheme, _, token = asked.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise PacsdError(Fault.UNAUTHENTICATED, "an access token is needed")
    principal = desk.tokens.verify(token.strip(), certificate=asked.certificate)
    user = oauth_users.user(desk.provider.pool, principal.subject)
    scopes = principal.permissions or ()
    if user is None or "openid" not in scopes or "grant" not in principal.claims:
        raise PacsdError(Fault.FORBIDDEN, "the token is for no user, or without openid")
    patient = str(principal.claims.get("patient", ""))
    return json({"sub": user.username, **profile(desk.provider, user, scopes, patient=patient)})
