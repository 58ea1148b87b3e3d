"""By which names this server is asked, where it does not ask who asks.

On a listener on loopback that trusts its machine, a page anywhere could have its own name lead to 127.0.0.1 and then
read all of it, for to a browser that is still the page's own origin (DNS rebinding). Such a request names the page's
host, and is answered 421 (RFC 9110 7.4, 15.5.20). Addresses are no names, and lead nobody astray.
"""

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from config.networks import is_address
from config.settings import Settings
from pacsd.web.problem import problem

_LOCAL = "localhost"                     # and what is below it (RFC 6761 6.3)


def asked_by_name(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The application behind the names of the settings; itself where everybody says who they are."""
    if settings.security.authentication == "required":
        return app
    return HostNames(app, names_of(settings))


def names_of(settings: Settings) -> frozenset[str]:
    """Where we listen, where clients reach us, and whose pages may ask us anything anyway."""
    urls = (settings.web.public_url or "", *settings.web.allowed_origins)
    return frozenset(filter(None, (settings.host.lower(), *(urlsplit(one).hostname for one in urls))))


class HostNames:
    """Stands before the application. What comes inside TLS needs nothing: a certificate names whom it is for."""

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._is_ours = lru_cache(maxsize=256)(lambda host: is_ours(host, frozenset(names)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it in, or answer 421 (a WebSocket handshake too)."""
        if scope["type"] in ("http", "websocket") and scope.get("scheme") in ("http", "ws"):
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            if not all(map(self._is_ours, hosts)):
                await _misdirected(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_ours(host: bytes, names: Iterable[str]) -> bool:
    """Whether a Host header (RFC 9110 7.2) names nobody else: an address, loopback, or one of these names."""
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
    except ValueError:
        return False
    name = name.rstrip(".")
    return not host or name == _LOCAL or name.endswith(f".{_LOCAL}") or name in names or is_address(name)


async def _misdirected(scope: Scope, receive: Receive, send: Send) -> None:
    detail = "nobody calls this server by that name; web.public_url says how it is called"
    response = problem(421, "Misdirected Request", detail, headers={"Connection": "close"})
    if scope["type"] == "http":
        await response(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        await send({"type": "websocket.http.response.start", "status": 421, "headers": response.raw_headers})
        await send({"type": "websocket.http.response.body", "body": response.body})
    else:
        await send({"type": "websocket.close"})
