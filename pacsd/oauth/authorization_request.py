"""What a client asks a person for (RFC 6749 4.1.1, RFC 7636, OpenID Connect Core 3.1.2.1, SMART App Launch 2.2)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pacsd.access.smart_scopes import is_allowed, parse
from pacsd.access.token_claims import is_about_one
from pacsd.index import oauth_clients
from pacsd.index.oauth_clients import Client
from pacsd.oauth.provider import Provider
from pacsd.oauth.refusal import OAuthError, Untrusted

MAX_SCOPES, MAX_STATE = 100, 2048
OTHER_SCOPES = ("openid", "profile", "fhirUser", "launch", "launch/patient", "launch/encounter", "offline_access",
                "online_access")  # fmt: skip
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")            # base64url of a SHA-256 (RFC 7636 4.2)
_LOOPBACK = ("127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One that may be shown to a person."""

    client: Client
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    challenge: str
    audience: tuple[str, ...]
    nonce: str = ""
    launch: str = ""
    prompt: frozenset[str] = frozenset()
    max_age_s: int | None = None
    username: str = ""

    @property
    def wants_patient(self) -> bool:
        """Whether a patient must be in context."""
        return "launch/patient" in self.scopes or is_about_one(self.scopes)


class Declined(OAuthError):
    """A refusal that the client is told through the person's browser."""

    def __init__(self, code: str, description: str, *, redirect_uri: str, state: str) -> None:
        super().__init__(code, description)
        self.redirect_uri = redirect_uri
        self.state = state


def authorization_request(provider: Provider, told: Mapping[str, str]) -> AuthorizationRequest:
    """What parameters ask for.

    Raises Untrusted where it is not sure whom to tell, Declined where the client can be told.
    """
    client = oauth_clients.client(provider.pool, told.get("client_id", "")[:256])
    if client is None:
        raise Untrusted("unknown_client")
    redirect_uri = told.get("redirect_uri", "")
    if not any(is_registered(redirect_uri, one) for one in client.redirect_uris):
        raise Untrusted("unknown_redirect")
    try:
        return _checked(provider, client, redirect_uri, told)
    except OAuthError as error:
        state = told.get("state", "")
        raise Declined(error.code, error.description, redirect_uri=redirect_uri,
                       state=state if len(state) <= MAX_STATE else "") from error  # fmt: skip


def is_registered(asked: str, registered: str) -> bool:
    """Whether a redirect URI is exactly a registered one; of a loopback address any port is (RFC 8252 7.3)."""
    if asked == registered:
        return True
    for host in _LOOPBACK:
        begin = f"http://{host}/"
        if registered.startswith(begin):
            found = re.fullmatch(rf"http://{re.escape(host)}:([0-9]{{1,5}})/(.*)", asked)
            return found is not None and int(found[1]) < 65_536 and begin + found[2] == registered
    return False


def redirect_problem(uri: str) -> str | None:
    """Why a redirect URI cannot be registered; None where it can (RFC 6749 3.1.2, RFC 8252 7)."""
    if not uri.isascii() or not uri.isprintable() or any(one in uri for one in " \"'<>\\^`{}|*;,"):
        return "has letters that no redirect URI has"
    parts = urlsplit(uri)
    if "#" in uri or "@" in parts.netloc:
        return "has a fragment or a user"
    if parts.scheme == "https" and parts.netloc:
        return None
    if parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1"):
        return None
    if "." in parts.scheme and not parts.netloc and parts.path.startswith("/"):
        return None                      # an app's own scheme, by its reversed domain
    return "must be https, or http of 127.0.0.1 or [::1], or a scheme such as org.example.app:/"


def _checked(
    provider: Provider, client: Client, redirect_uri: str, told: Mapping[str, str]
) -> AuthorizationRequest:
    if told.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code")
    if told.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "response_mode must be query")
    if "request" in told or "request_uri" in told:
        code = "request_not_supported" if "request" in told else "request_uri_not_supported"
        raise OAuthError(code, "requests as objects are not supported")
    if "authorization_code" not in client.grants:
        raise OAuthError("unauthorized_client", "the client may not ask people")
    state = told.get("state", "")
    if not state or len(state) > MAX_STATE:
        raise OAuthError("invalid_request", "state is missing or too long")
    if told.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(told.get("code_challenge", "")):
        raise OAuthError("invalid_request", "code_challenge with code_challenge_method S256 is required")
    scopes = asked_scopes(client, told.get("scope", ""))
    _check_launch(scopes, told)
    return AuthorizationRequest(
        client, redirect_uri, state, scopes, told["code_challenge"], audience_of(provider, told),
        nonce=told.get("nonce", "")[:MAX_STATE], launch=told.get("launch", ""),
        prompt=frozenset(told.get("prompt", "").split()), max_age_s=_seconds(told.get("max_age")),
        username=told.get("login_hint", "")[:64],
    )  # fmt: skip


def asked_scopes(client: Client, text: str) -> tuple[str, ...]:
    """The scopes that a client asks for and may ask for; others are left out (RFC 6749 3.3). Raises OAuthError."""
    words = list(dict.fromkeys(text.split()))
    if len(words) > MAX_SCOPES:
        raise OAuthError("invalid_scope", f"at most {MAX_SCOPES} scopes")
    known = [one for one in words if one in OTHER_SCOPES or parse(one) is not None]
    allowed = tuple(one for one in known if not one.startswith("system/") and is_allowed(one, client.scopes))
    if not allowed:
        raise OAuthError("invalid_scope", "none of the scopes may be asked for by this client")
    return allowed


def audience_of(provider: Provider, told: Mapping[str, str]) -> tuple[str, ...]:
    """For whom a token is asked: `resource` (RFC 8707) or `aud` (SMART). Raises OAuthError."""
    named = [told[name].rstrip("/") for name in ("aud", "resource") if name in told]
    for one in named:
        if one not in provider.audience:
            raise OAuthError("invalid_target", "the resource is none of this server")
    return tuple(dict.fromkeys(named)) or provider.audience[:1]


def _check_launch(scopes: Sequence[str], told: Mapping[str, str]) -> None:
    """SMART App Launch 2.2: a launch comes with its scope, and both with `aud`."""
    launching = any(one == "launch" or one.startswith("launch/") for one in scopes)
    if "launch" in told and "launch" not in scopes:
        raise OAuthError("invalid_scope", "launch comes with the scope launch")
    if "launch" in scopes and "launch" not in told:
        raise OAuthError("invalid_request", "the scope launch comes with launch")
    if launching and "aud" not in told:
        raise OAuthError("invalid_request", "aud is missing")


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or len(text) > 9:
        raise OAuthError("invalid_request", "max_age is not a number of seconds")
    return int(text)
