"""What this authorization server can do (RFC 8414, OpenID Connect Discovery, SMART App Launch, IHE IUA ITI-103)."""

from starlette.responses import Response

from pacsd.oauth.answers import public_json
from pacsd.oauth.asked import Asked
from pacsd.oauth.authorization_request import OTHER_SCOPES
from pacsd.oauth.client_authentication import ASSERTION_ALGORITHMS, METHODS
from pacsd.oauth.desk import Desk
from pacsd.oauth.keys import ALGORITHM
from pacsd.oauth.provider import Provider
from pacsd.oauth.token import GRANTS
from pacsd.oauth.words import LANGUAGES

CAPABILITIES = (                         # SMART App Launch 2.2, "Capabilities"
    "launch-ehr", "launch-standalone", "authorize-post", "client-public", "client-confidential-symmetric",
    "client-confidential-asymmetric", "sso-openid-connect", "context-ehr-patient", "context-ehr-encounter",
    "context-standalone-patient", "context-banner", "permission-offline", "permission-online", "permission-patient",
    "permission-user", "permission-v1", "permission-v2",
)  # fmt: skip
SCOPES = (*OTHER_SCOPES, "patient/*.rs", "user/*.cruds", "system/*.cruds")
_LASTS_S = 300


def authorization_server(desk: Desk, _asked: Asked) -> Response:
    """/.well-known/oauth-authorization-server"""
    return public_json(document(desk.provider), lasts_s=_LASTS_S)


def openid_configuration(desk: Desk, _asked: Asked) -> Response:
    """/.well-known/openid-configuration"""
    return public_json(document(desk.provider), lasts_s=_LASTS_S)


def smart_configuration(desk: Desk, _asked: Asked) -> Response:
    """[fhir base]/.well-known/smart-configuration"""
    told = document(desk.provider)
    return public_json({**told, "capabilities": list(CAPABILITIES)}, lasts_s=_LASTS_S)


def document(provider: Provider) -> dict[str, object]:
    """What all three say."""
    methods = list(METHODS)
    secret = [one for one in methods if one != "none"]
    return {
        "issuer": provider.issuer,
        "authorization_endpoint": provider.url("authorize"),
        "token_endpoint": provider.url("token"),
        "revocation_endpoint": provider.url("revoke"),
        "introspection_endpoint": provider.url("introspect"),
        "userinfo_endpoint": provider.url("userinfo"),
        "jwks_uri": provider.url("jwks"),
        "management_endpoint": provider.url("account"),
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANTS),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": secret,
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": True,
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["sub", "name", "preferred_username", "fhirUser", "auth_time", "amr"],
        "prompt_values_supported": ["none", "login", "consent"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "access_token_format": "ihe-jwt",
        "ui_locales_supported": list(LANGUAGES),
    }
