"""From a person's consent to a code, from a code to tokens, and from a refresh token to the next."""

import hashlib
import hmac
from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import uuid4

from pacsd.access.launch_patient import LaunchPatient
from pacsd.access.smart_scopes import is_allowed, parse
from pacsd.codec.base64url import encoded
from pacsd.index import oauth_grants, oauth_users
from pacsd.index.oauth_clients import Client
from pacsd.index.oauth_grants import Grant
from pacsd.index.oauth_sessions import Session
from pacsd.index.oauth_users import User
from pacsd.oauth.authorization_request import AuthorizationRequest
from pacsd.oauth.issuing import access_token, id_token
from pacsd.oauth.provider import Provider
from pacsd.oauth.refusal import OAuthError
from pacsd.oauth.sealing import hashed, new_token

CODE_LASTS_S = 60.0
OFFLINE_LASTS = timedelta(days=365)      # then a person is asked again, however often a client refreshed
REFRESHING = ("offline_access", "online_access")


def grant_code(
    provider: Provider, request: AuthorizationRequest, user: User, session: Session, *, scopes: Sequence[str],
    patient: LaunchPatient | None = None, encounter: str = "",
) -> str:  # fmt: skip
    """Keep what a person granted; the code that the client fetches it with (RFC 6749 4.1.2)."""
    offline = "offline_access" in scopes
    code, now = new_token(), provider.now()
    grant = Grant(
        uuid4(), request.client.client_id, user.pk, session.id, offline, tuple(scopes), request.audience,
        patient.key.assigning_authority if patient is not None else None,
        patient.key.patient_id if patient is not None else None,
        patient.id if patient is not None else "", encounter, request.nonce, session.methods, session.made_at,
        now + OFFLINE_LASTS if offline else session.expires_at,
    )  # fmt: skip
    oauth_grants.add(provider.pool, grant, code=hashed(code), redirect_uri=request.redirect_uri,
                     challenge=request.challenge, code_lasts_s=CODE_LASTS_S)  # fmt: skip
    return code


def permitted(user: User, scopes: Sequence[str], chosen: Collection[str] | None = None) -> tuple[str, ...]:
    """Of the scopes that are asked for those that a user can grant, and that they chose.

    A patient grants what is about themselves, and nothing that is about all that a user may see.
    """
    patient = user.patient is not None
    fitting = [one for one in scopes if not (patient and one.startswith("user/"))]
    return tuple(one for one in fitting if chosen is None or parse(one) is None or one in chosen)


def by_code(
    provider: Provider, client: Client, *, code: str, redirect_uri: str, verifier: str, certificate: bytes | None = None
) -> dict[str, object]:
    """Tokens for a code (RFC 6749 4.1.3, RFC 7636 4.6). Raises OAuthError invalid_grant.

    Only who is the client of the code and has its verifier uses it up; a second use takes back the first one's tokens.
    """
    told = oauth_grants.code(provider.pool, hashed(code))
    if told is None or told.client_id != client.client_id:
        raise OAuthError("invalid_grant", "the code does not count")
    challenge = encoded(hashlib.sha256(verifier.encode("utf-8", "replace")).digest())
    if not 43 <= len(verifier) <= 128 or not hmac.compare_digest(challenge, told.challenge):
        raise OAuthError("invalid_grant", "code_verifier is not right")
    if redirect_uri != told.redirect_uri:
        raise OAuthError("invalid_grant", "redirect_uri is another than before")
    refresh = new_token()
    refreshes = "refresh_token" in client.grants and any(one in told.scopes for one in REFRESHING)
    row = (hashed(refresh), provider.settings.refresh_token_s) if refreshes else None
    grant = oauth_grants.use_code(provider.pool, hashed(code), row)
    if grant is None:
        raise OAuthError("invalid_grant", "the code does not count")
    return _answer(provider, client, grant, grant.scopes, refresh if refreshes else "", certificate)


def by_refresh(
    provider: Provider, client: Client, *, refresh: str, scope: str = "", certificate: bytes | None = None
) -> dict[str, object]:
    """The next tokens of a grant (RFC 6749 6, RFC 9700 4.14). Raises OAuthError invalid_grant, invalid_scope."""
    granted = oauth_grants.granted_scopes(provider.pool, hashed(refresh), client.client_id)
    scopes = tuple(dict.fromkeys(scope.split())) or granted
    if granted and not all(is_allowed(one, granted) for one in scopes):
        raise OAuthError("invalid_scope", "a scope is asked for that was not granted")
    following = new_token()
    row = (hashed(following), provider.settings.refresh_token_s)
    grant = oauth_grants.use_refresh(provider.pool, hashed(refresh), client.client_id, row)
    if grant is None:
        raise OAuthError("invalid_grant", "the refresh token does not count")
    return _answer(provider, client, grant, scopes, following, certificate, again=True)


def by_client(
    provider: Provider, client: Client, *, scope: str, audience: Sequence[str], certificate: bytes | None = None
) -> dict[str, object]:
    """A token for a client that acts for itself (RFC 6749 4.4, SMART Backend Services). Raises OAuthError."""
    words = tuple(dict.fromkeys(scope.split()))
    known = [one for one in words if (parsed := parse(one)) is not None and parsed.context == "system"]
    scopes = tuple(one for one in known if is_allowed(one, client.scopes))
    if not scopes:
        raise OAuthError("invalid_scope", "none of the scopes may be asked for by this client for itself")
    token = access_token(provider, client, scopes=scopes, audience=audience, certificate=certificate)
    return _told(provider, token, scopes)


def _answer(
    provider: Provider, client: Client, grant: Grant, scopes: Sequence[str], refresh: str, certificate: bytes | None,
    *, again: bool = False,
) -> dict[str, object]:  # fmt: skip
    """What the token end point says (RFC 6749 5.1, SMART App Launch 2.2 "launch context")."""
    user = oauth_users.by_key(provider.pool, grant.user_pk)
    if user is None:
        raise OAuthError("invalid_grant", "the user is gone")
    token = access_token(provider, client, scopes=scopes, audience=grant.audience, grant=grant, user=user,
                         certificate=certificate)  # fmt: skip
    told = _told(provider, token, scopes)
    if refresh:
        told["refresh_token"] = refresh
    if "openid" in scopes and not again:
        told["id_token"] = id_token(provider, client, grant, user, token)
    if grant.patient:
        told |= {"patient": grant.patient, "need_patient_banner": True}
    if grant.encounter:
        told["encounter"] = grant.encounter
    return told


def _told(provider: Provider, token: str, scopes: Sequence[str]) -> dict[str, object]:
    lasts = int(provider.settings.access_token_s)
    return {"access_token": token, "token_type": "Bearer", "expires_in": lasts, "scope": " ".join(scopes)}
