"""Headers that tell browsers what an answer may do, from one table by path; a handler's own headers stand.

What is not a page needs nothing of a page: it is neither run nor framed. HSTS (RFC 6797) is said inside TLS alone.
Where a handler does not say who may keep an answer, nobody may (RFC 9111 5.2.2.5); one with an entity tag may be kept
by who asked, and is asked about again. The challenge to a token that proves nothing says so (RFC 6750 3.1), and
that to one which may do too little is for those alone who show one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = tuple[tuple[bytes, bytes], ...]

_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
_NO_STORE = (b"cache-control", b"no-store")
_ASKED_AGAIN = (b"cache-control", b"private, no-cache")
_CHALLENGE, _WRONG_TOKEN = b'Bearer realm="pacsd"', b'Bearer realm="pacsd", error="invalid_token"'
_TOO_LITTLE = b'Bearer realm="pacsd", error="insufficient_scope"'
_STARTS = ("http.response.start", "websocket.http.response.start")
_EVERYWHERE: Headers = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))


@dataclass(frozen=True, slots=True)
class Rule:
    """What is added below a path. `frames`: who may show it in a frame, as CSP says it."""

    prefix: str
    policy: str
    frames: str

    @property
    def headers(self) -> Headers:
        """Complete; X-Frame-Options for browsers older than frame-ancestors (CSP 3 6.4.2)."""
        policy = f"{self.policy}; frame-ancestors {self.frames}"
        options = b"SAMEORIGIN" if self.frames == "'self'" else b"DENY"
        return (*_EVERYWHERE, (b"content-security-policy", policy.encode()), (b"x-frame-options", options))


RULES: tuple[Rule, ...] = (              # the first whose prefix fits; pages say more themselves (viewer, film)
    Rule("/viewer", "object-src 'none'; base-uri 'self'", "'self'"),
    Rule("/film", "object-src 'none'; base-uri 'none'", "'self'"),
    Rule("/l", "default-src 'none'; base-uri 'none'", "'none'"),
    Rule("/oauth", "default-src 'none'; base-uri 'none'", "'none'"),
    Rule("/dicom-web", "base-uri 'none'", "'self'"),     # no more: browsers show PDF by means that a policy may forbid
    Rule("/wado", "base-uri 'none'", "'self'"),
    Rule("/", "default-src 'none'; base-uri 'none'", "'none'"),
)
_READY = tuple((rule.prefix, f"{rule.prefix.rstrip('/')}/", rule.headers) for rule in RULES)


class SecurityHeaders:
    """An application with these headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        added = headers_of(scope["path"])
        if scope.get("scheme") in ("https", "wss"):
            added = (*added, _STRICT_TRANSPORT)

        async def with_headers(message: Message) -> None:
            if message["type"] in _STARTS:
                given = list(message.get("headers", ()))
                if message["status"] in _CHALLENGES:
                    given = _challenged(given, _CHALLENGES[message["status"]][_shows_token(scope)])
                has = {name for name, _ in given}
                kept = _ASKED_AGAIN if b"etag" in has else _NO_STORE
                message = {**message, "headers": [*given, *(one for one in (*added, kept) if one[0] not in has)]}
            await send(message)

        await self._app(scope, receive, with_headers)


def headers_of(path: str) -> Headers:
    """Those of a path, without HSTS; of what is none (`OPTIONS *`, RFC 9110 9.3.7) those of all that is no page."""
    found = (headers for itself, below, headers in _READY if path.startswith(below) or path == itself)
    return next(found, _READY[-1][2])


# status: what its challenge becomes without a token, and with one
_CHALLENGES: Mapping[int, tuple[Mapping[bytes, bytes], Mapping[bytes, bytes]]] = {
    401: ({}, {_CHALLENGE: _WRONG_TOKEN}),
    403: ({_TOO_LITTLE: b""}, {}),
}


def _challenged(given: list[tuple[bytes, bytes]], changes: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Headers with other challenges; without those that become empty."""
    changed = [(name, changes.get(value, value)) for name, value in given]
    return [one for one in changed if one[1] or one[0] != b"www-authenticate"]


def _shows_token(scope: Scope) -> bool:
    return any(name == b"authorization" and value[:7].lower() == b"bearer " for name, value in scope["headers"])
