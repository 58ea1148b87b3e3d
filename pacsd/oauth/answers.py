"""Answers to programs."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from pacsd.faults import Fault, PacsdError
from pacsd.oauth.refusal import OAuthError

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}       # RFC 6749 5.1
CODES = {                                # of our own faults
    Fault.UNAVAILABLE: "temporarily_unavailable",
    Fault.FULL: "temporarily_unavailable",
    Fault.INTERNAL: "server_error",
    Fault.UNAUTHENTICATED: "invalid_token",
    Fault.FORBIDDEN: "insufficient_scope",
}


def json(content: Mapping[str, object], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON object that nobody keeps."""
    told = {**NO_STORE, "X-Content-Type-Options": "nosniff", **(headers or {})}
    return Response(orjson.dumps(content), status, headers=told, media_type="application/json")


def public_json(content: Mapping[str, object], *, lasts_s: int) -> Response:
    """A JSON document for everybody, to be kept for a while."""
    headers = {"Cache-Control": f"public, max-age={lasts_s}", "X-Content-Type-Options": "nosniff"}
    return Response(orjson.dumps(content), headers=headers, media_type="application/json")


def refusal(error: OAuthError) -> Response:
    """RFC 6749 5.2."""
    told = {"error": error.code, "error_description": error.description}
    return json(told, status=error.status, headers=error.headers)


def of_fault(error: PacsdError) -> OAuthError:
    """A domain error in OAuth's words."""
    code = CODES.get(error.fault, "invalid_request")
    challenged = error.fault in (Fault.UNAUTHENTICATED, Fault.FORBIDDEN)         # RFC 6750 3.1
    headers = {"WWW-Authenticate": f'Bearer realm="pacsd", error="{code}"'} if challenged else None
    return OAuthError(code, error.message, headers=headers)
