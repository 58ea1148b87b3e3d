"""The token end point (RFC 6749 3.2; IHE IUA ITI-71)."""

from collections.abc import Callable, Mapping

from starlette.responses import Response

from pacsd.index.oauth_clients import Client
from pacsd.oauth.answers import json
from pacsd.oauth.asked import Asked
from pacsd.oauth.authorization_request import audience_of
from pacsd.oauth.desk import Desk
from pacsd.oauth.granting import by_client, by_code, by_refresh
from pacsd.oauth.refusal import OAuthError

Told = Mapping[str, str]


def token(desk: Desk, asked: Asked) -> Response:
    """Tokens for a code, a refresh token, or a client that acts for itself."""
    told = asked.fields
    act = GRANTS.get(told.get("grant_type", ""))
    if act is None:
        raise OAuthError("unsupported_grant_type", "grant_type is " + " or ".join(GRANTS))
    client = desk.clients.client(asked)
    if told["grant_type"] not in client.grants:
        desk.clients.refused(asked, "the client may not use this grant")
        raise OAuthError("unauthorized_client", "the client may not use this grant")
    given = act(desk, client, told, asked.certificate)
    if told["grant_type"] == "client_credentials":           # of others a person signed in
        desk.provider.recording.entered(client.client_id, organisation=client.organisation, address=asked.address)
    return json(given)


def _authorization_code(desk: Desk, client: Client, told: Told, certificate: bytes | None) -> dict[str, object]:
    for name in ("code", "redirect_uri", "code_verifier"):
        if name not in told:
            raise OAuthError("invalid_request", f"{name} is missing")
    return by_code(desk.provider, client, code=told["code"], redirect_uri=told["redirect_uri"],
                   verifier=told["code_verifier"], certificate=certificate)  # fmt: skip


def _refresh_token(desk: Desk, client: Client, told: Told, certificate: bytes | None) -> dict[str, object]:
    if "refresh_token" not in told:
        raise OAuthError("invalid_request", "refresh_token is missing")
    return by_refresh(desk.provider, client, refresh=told["refresh_token"], scope=told.get("scope", ""),
                      certificate=certificate)  # fmt: skip


def _client_credentials(desk: Desk, client: Client, told: Told, certificate: bytes | None) -> dict[str, object]:
    if client.method == "none":
        raise OAuthError("unauthorized_client", "a client without a secret cannot act for itself")
    return by_client(desk.provider, client, scope=told.get("scope", ""), audience=audience_of(desk.provider, told),
                     certificate=certificate)  # fmt: skip


GRANTS: Mapping[str, Callable[[Desk, Client, Told, bytes | None], dict[str, object]]] = {
    "authorization_code": _authorization_code,
    "refresh_token": _refresh_token,
    "client_credentials": _client_credentials,
}
