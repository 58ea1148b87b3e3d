"""How much one client may ask for (RFC 6585 4), and how often it may be wrong about who it is.

A client is an address: that of the connection, or what trusted proxies say of it. Each process counts by itself.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.limits import LimitSettings
from config.networks import client_network
from pacsd.web.addresses import Addresses
from pacsd.web.problem import problem

_MOST_CLIENTS = 20_000                   # the one that was away longest is forgotten
_REFUSED = (401,)
_GUARDED_REFUSED = (401, 403)            # pages answer a wrong password, code or PIN with 403: 401 needs a challenge
_STARTS = ("http.response.start", "websocket.http.response.start")


def throttled(app: ASGIApp, addresses: Addresses, limits: LimitSettings, *, guarded: tuple[str, ...] = ()) -> ASGIApp:
    """The application behind the limits of each client; itself where there are none."""
    if not limits.requests_per_s and not limits.refusals_per_minute:
        return app
    requests = Rate(limits.requests_per_s, limits.burst)
    refusals = Rate(limits.refusals_per_minute / 60, limits.refusals_per_minute)
    return Throttle(app, addresses, requests=requests, refusals=refusals, guarded=guarded)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many each second in the long run; `per_s` of 0: any number."""

    per_s: float
    burst: float


class Buckets:
    """Of each client, what it has left of a rate (token bucket); bounded in memory."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()        # tokens, and when

    def wait_s(self, client: str) -> float:
        """How long it has to wait until it has a whole one."""
        if not self._rate.per_s or client not in self._left:
            return 0.0
        return max(0.0, (1.0 - self._now(client)) / self._rate.per_s)

    def take(self, client: str) -> None:
        """One is used up."""
        if not self._rate.per_s:
            return
        left = self._now(client) - 1.0
        self._left[client] = max(left, 0.0), self._clock()
        self._left.move_to_end(client)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)

    def _now(self, client: str) -> float:
        left, since = self._left.get(client, (self._rate.burst, 0.0))
        return min(self._rate.burst, left + (self._clock() - since) * self._rate.per_s)


class Throttle:
    """Stands before the application. `guarded` are the beginnings of paths where secrets are tried that a patient
    person could guess: passwords, codes of a second factor, PINs. A client that was refused too often gets no
    further there, right or wrong; elsewhere only its refusals become 429, so that others behind its address go on.
    """

    def __init__(
        self, app: ASGIApp, addresses: Addresses, *, requests: Rate, refusals: Rate, guarded: tuple[str, ...] = ()
    ) -> None:
        self._app = app
        self._addresses = addresses
        self._requests = Buckets(requests)
        self._refusals = Buckets(refusals)
        self._guarded = guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it in, or answer 429 (a WebSocket handshake: close it)."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        client = client_network(self._addresses.client(HTTPConnection(scope)))
        wait_s = self._requests.wait_s(client)
        if not wait_s and scope["path"].startswith(self._guarded):
            wait_s = self._refusals.wait_s(client)
        if wait_s:
            await _too_many(wait_s, scope, receive, send)
            return
        self._requests.take(client)
        refused = _GUARDED_REFUSED if scope["path"].startswith(self._guarded) else _REFUSED
        await self._app(scope, receive, _Watched(self._refusals, client, refused, scope, receive, send))


class _Watched:
    """An ASGI `send` that notes refusals: answers of certain statuses."""

    def __init__(
        self, refusals: Buckets, client: str, refused: tuple[int, ...], scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._refusals, self._client, self._refused = refusals, client, refused
        self._scope, self._receive, self._send = scope, receive, send
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] in _STARTS and message["status"] in self._refused:
            wait_s = self._refusals.wait_s(self._client)
            self._refusals.take(self._client)
            if wait_s:
                self._replaced = True
                await _too_many(wait_s, self._scope, self._receive, self._send)
        if not self._replaced:
            await self._send(message)


async def _too_many(wait_s: float, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013})            # try again later: refused with 403
        return
    headers = {"Retry-After": str(math.ceil(wait_s))}
    response = problem(429, "Too Many Requests", "this client asks too often", headers=headers)
    await response(scope, receive, send)
