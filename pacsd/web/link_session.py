"""Requests of those who opened a share link: known by a cookie that scripts and other sites never see.

A token of the Authorization header goes first. A cookie that proves nothing makes nobody of its request: what comes
with it is refused, not served as to somebody without one.
"""

from typing import Protocol

from starlette.responses import Response

from pacsd.access.principal import Principal
from pacsd.links.sessions import Session
from pacsd.web.admission import Asgi, Authenticator

NAME = "pacsd-link"


class Known(Protocol):
    """links.sessions.Sessions. Raises PacsdError UNAUTHENTICATED, UNAVAILABLE."""

    def known(self, cookie: str) -> Principal | None: ...
    def principal(self, cookie: str) -> Principal: ...


class WithLinks:
    """An authenticator beside whose credentials the cookies of links count."""

    def __init__(self, otherwise: Authenticator, sessions: Known) -> None:
        self._otherwise = otherwise
        self._sessions = sessions

    def known(self, scope: Asgi) -> Principal | None:
        """As Authenticator has it."""
        cookie = cookie_of(scope)
        return self._otherwise.known(scope) if cookie is None else self._sessions.known(cookie)

    def principal(self, scope: Asgi) -> Principal:
        """As Authenticator has it."""
        cookie = cookie_of(scope)
        return self._otherwise.principal(scope) if cookie is None else self._sessions.principal(cookie)


def cookie_of(scope: Asgi) -> str | None:
    """The cookie of a link; None where there is none, or another credential."""
    headers = scope["headers"]
    text = b"; ".join(value for name, value in headers if name == b"cookie")
    if NAME.encode() not in text or any(name == b"authorization" for name, _ in headers):
        return None
    pairs = (one.strip().partition("=") for one in text.decode("latin-1").split(";"))
    found = {name: value for name, _, value in pairs}        # whatever others of this host are called, and hold
    return found.get(f"__Host-{NAME}", found.get(NAME))


def begin(response: Response, session: Session, *, secure: bool) -> None:
    """Have the browser keep a session. With TLS it sees to it that no other host set the cookie (RFC 6265bis 4.1.3.2).
    """
    response.set_cookie(f"__Host-{NAME}" if secure else NAME, session.cookie, max_age=session.lasts_s, path="/",
                        secure=secure, httponly=True, samesite="strict")  # fmt: skip
