"""Failures as HTTP answers: one total table, bodies by RFC 9457, never a stack trace."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from pacsd.faults import Fault, PacsdError

STATUS: Mapping[Fault, tuple[int, str]] = {      # PS3.18 8.5
    Fault.MALFORMED: (400, "Bad Request"),
    Fault.MISMATCH: (409, "Conflict"),
    Fault.UNSUPPORTED: (501, "Not Implemented"),
    Fault.REFUSED: (403, "Forbidden"),
    Fault.UNAUTHENTICATED: (401, "Unauthorized"),
    Fault.FORBIDDEN: (403, "Forbidden"),
    Fault.NOT_FOUND: (404, "Not Found"),
    Fault.CONFLICT: (409, "Conflict"),
    Fault.INVALID: (422, "Unprocessable Content"),
    Fault.STALE: (412, "Precondition Failed"),
    Fault.GONE: (410, "Gone"),
    Fault.TOO_MUCH: (413, "Content Too Large"),
    Fault.TOO_BROAD: (413, "Content Too Large"),
    Fault.FULL: (507, "Insufficient Storage"),
    Fault.UNAVAILABLE: (503, "Service Unavailable"),
    Fault.INTERNAL: (500, "Internal Server Error"),
}

HEADERS: Mapping[Fault, Mapping[str, str]] = {
    Fault.UNAVAILABLE: {"Retry-After": "5"},
    Fault.UNAUTHENTICATED: {"WWW-Authenticate": 'Bearer realm="pacsd"'},       # RFC 6750 3
    Fault.FORBIDDEN: {"WWW-Authenticate": 'Bearer realm="pacsd", error="insufficient_scope"'},       # RFC 6750 3.1
}


class HttpError(Exception):
    """A refusal that only HTTP knows: negotiation, ranges, methods. `detail` is shown to the peer."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def response(self) -> Response:
        """The problem details of this refusal."""
        return problem(self.status, self.title, self.detail, headers=self.headers, members=self.members)


def bad_request(detail: str) -> HttpError:
    """400: the request itself cannot be understood (PS3.18 8.5)."""
    return HttpError(400, "Bad Request", detail)


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> Response:
    """A problem details answer (RFC 9457); `members` are extension members."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **(members or {})}
    return Response(
        orjson.dumps(body), status, headers=dict(headers or {}), media_type="application/problem+json"
    )


def of_fault(error: PacsdError) -> Response:
    """The answer to a domain error."""
    status, title = STATUS[error.fault]
    return problem(
        status, title, error.message, headers=HEADERS.get(error.fault), members={"fault": error.fault.value}
    )
