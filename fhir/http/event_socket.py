"""WebSockets of subscriptions: `[base]/ws` (R4 subscription.html#websocket; Subscriptions R5 Backport, "Websockets").

`bind-with-token: TOKEN` binds to what $get-ws-binding-token was asked for; each subscription shakes hands, and its
events come as notifications. `bind ID` binds to a Subscription with criteria of R4: `bound ID`, and then `ping ID` for
changes. What happened while nobody was bound is asked for by $events: the handshake tells the newest number.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from fhir.format import json
from fhir.interaction.services import Server
from fhir.operation.ws_binding_token import digest
from fhir.outcome import FhirError
from fhir.store import events
from fhir.subscription import notification
from fhir.subscription.asked import stored, subject
from fhir.subscription.notification import Subject
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError

LOOK_S = 0.5                             # between two looks for what happened
TAKEN_S = 30.0                           # in which a client takes a message
BOUND_S = 3_600.0                        # so long a token binds: nobody is known behind it who could be asked again
MOST_SOCKETS = 500                       # of one process
MOST_BOUND = 100                         # subscriptions of one socket
_MOST_TEXT = 1_000                       # characters of what a client says
_POLICY, _TOO_BIG, _AWAY = 1008, 1009, 1001              # RFC 6455 7.4.1
_TOKEN, _BIND = "bind-with-token:", "bind "

_log = logging.getLogger("fhir.http")


@dataclass(slots=True)
class _Bound:
    """A subscription that a socket hears. `after`: the last event that was told."""

    id: str
    pk: int
    scope: Callable[[], Scope]           # what it may tell of now
    after: int
    plain: bool                          # R4: pings
    version: int                         # of the Subscription, as it was when it was last looked at
    heartbeat_s: int = 0
    silent_since: float = 0.0
    until: float = float("inf")          # where a token bound it: then another one is asked for

    def stirs(self, news: tuple[int, int] | None, now: float) -> bool:
        """Whether there may be something to say: an event, another version, time for a heartbeat or an end."""
        if news is None or news[0] != self.version or news[1] > self.after or now > self.until:
            return True
        return bool(self.heartbeat_s) and now - self.silent_since >= self.heartbeat_s


@dataclass(slots=True)
class EventSockets:
    """All of one process. `scope_of`: what an organisation sees today; `run`: a call in a thread of its own."""

    server: Server
    scope_of: Callable[[int], Scope]
    run: Callable[..., Awaitable[Any]]
    allowed_origins: Collection[str] = ()
    look_s: float = LOOK_S
    clock: Callable[[], float] = time.monotonic
    _open: int = field(default=0, init=False)

    async def serve(self, websocket: WebSocket, own: Scope, base: str, again: Callable[[], Awaitable[Scope]]) -> None:
        """Tell until either side has enough, or the asker's token counts no more. `own`: what the asker may see, and
        `again` what they may see later; raises PacsdError UNAUTHENTICATED."""
        if not self._is_of_us(websocket.headers.get("origin"), websocket.headers.get("host", "")):
            await websocket.send_denial_response(Response("pages of this origin may not listen", 403))
            return
        if self._open >= MOST_SOCKETS:
            await websocket.send_denial_response(Response("too many listen", 503, headers={"Retry-After": "5"}))
            return
        self._open += 1
        try:
            await websocket.accept()
            await self._listening(_Listener(self, websocket, own, base), again)
        finally:
            self._open -= 1

    def _is_of_us(self, origin: str | None, host: str) -> bool:
        """Browsers let any page open a WebSocket to anywhere."""
        same = origin is not None and origin.partition("://")[2] == host
        return origin is None or same or origin in self.allowed_origins or "*" in self.allowed_origins

    async def _listening(self, listener: "_Listener", again: Callable[[], Awaitable[Scope]]) -> None:
        hearing, telling = (asyncio.ensure_future(one) for one in (listener.hear(), listener.tell(again)))
        try:
            done, _ = await asyncio.wait((hearing, telling), return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        except (WebSocketDisconnect, TimeoutError, RuntimeError):
            _log.info("a listener went away")
        except FhirError as error:
            await listener.close(_POLICY, error.message)
        except PacsdError as error:
            _log.warning("a listener is sent away", extra={"fault": error.fault.value})
            over = error.fault is Fault.UNAUTHENTICATED
            await listener.close(_POLICY if over else _AWAY, error.message if over else "try again later")
        except Exception as error:           # the socket's one catch-all
            _log.error("a listener was not told", extra={"fault": "internal", "error": type(error).__name__})
            await listener.close(_AWAY, "processing failure")
        finally:
            for task in (hearing, telling):
                task.cancel()
            await asyncio.gather(hearing, telling, return_exceptions=True)


class _Listener:
    """One socket."""

    def __init__(self, sockets: EventSockets, websocket: WebSocket, own: Scope, base: str) -> None:
        self._sockets = sockets
        self._websocket = websocket
        self._own = own
        self._base = base
        self._bound: dict[str, _Bound] = {}
        self._turn = asyncio.Lock()

    async def hear(self) -> None:
        """What the client says, until it goes. Raises FhirError for what cannot be bound."""
        while True:
            text = (await self._websocket.receive_text()).strip()
            if len(text) > _MOST_TEXT:
                raise FhirError(Fault.TOO_MUCH, "that is too long")
            async with self._turn:
                if text.startswith(_TOKEN):
                    await self._bind_with(text.removeprefix(_TOKEN).strip())
                elif text.startswith(_BIND):
                    await self._bind(text.removeprefix(_BIND).strip(), lambda: self._own, plain=True)
                else:
                    raise FhirError(Fault.UNSUPPORTED, "say `bind-with-token: TOKEN` or `bind ID`")

    async def tell(self, again: Callable[[], Awaitable[Scope]]) -> None:
        """What happens, as it happens. Raises PacsdError UNAUTHENTICATED once the asker's token counts no more."""
        while True:
            await asyncio.sleep(self._sockets.look_s)
            async with self._turn:
                self._own = await again()
                for one in await self._sockets.run(self._stirred) if self._bound else ():
                    for text in await self._sockets.run(self._news, one):
                        await self._send(text)

    async def close(self, code: int, reason: str) -> None:
        """Say why, if anybody still listens."""
        with suppress(Exception):
            await asyncio.wait_for(self._websocket.close(code, reason[:120]), TAKEN_S)

    async def _send(self, text: str) -> None:
        await asyncio.wait_for(self._websocket.send_text(text), TAKEN_S)

    async def _bind_with(self, token: str) -> None:
        server = self._sockets.server
        binding = await self._sockets.run(events.bound, server.pool, digest(token))
        if binding is None:
            raise FhirError(Fault.REFUSED, "the token is none, or over")
        for one in binding.subscriptions:
            await self._bind(one, partial(self._sockets.scope_of, binding.organisation), plain=False)

    async def _bind(self, logical_id: str, scope: Callable[[], Scope], *, plain: bool) -> None:
        if len(self._bound) >= MOST_BOUND and logical_id not in self._bound:
            raise FhirError(Fault.TOO_MUCH, "too many subscriptions")
        text = await self._sockets.run(self._begin, logical_id, scope, plain)
        await self._send(text)

    def _begin(self, logical_id: str, seen: Callable[[], Scope], plain: bool) -> str:
        """Hear a subscription from now on; what it says first."""
        server, scope = self._sockets.server, seen()
        found = stored(server, scope, logical_id)
        one = subject(server, scope, found)
        if one.terms is None or one.terms.channel is not None or plain != (one.terms.topic is None):
            raise FhirError(Fault.UNSUPPORTED, "this Subscription is not one that is bound like that")
        now = self._sockets.clock()
        self._bound[logical_id] = _Bound(
            logical_id, found.pk, seen, one.events, plain, found.version, 0 if plain else one.terms.heartbeat_s, now,
            float("inf") if plain else now + BOUND_S,
        )  # fmt: skip
        return f"bound {logical_id}" if plain else self._notification(one, notification.HANDSHAKE, ())

    def _stirred(self) -> list[_Bound]:
        """The subscriptions that may have something to say: one statement for all that are seen alike."""
        server, now = self._sockets.server, self._sockets.clock()
        alike: dict[int, tuple[Scope, list[_Bound]]] = {}
        for one in self._bound.values():
            scope = one.scope()
            alike.setdefault(id(scope), (scope, []))[1].append(one)
        found: dict[int, tuple[int, int]] = {}
        for scope, those in alike.values():
            found |= events.news(server.pool, scope, [one.pk for one in those])
        return [one for one in self._bound.values() if one.stirs(found.get(one.pk), now)]

    def _news(self, bound: _Bound) -> list[str]:
        """What a subscription has to say now. Raises FhirError where it says nothing any more."""
        server, now, scope = self._sockets.server, self._sockets.clock(), bound.scope()
        if now > bound.until:
            raise FhirError(Fault.GONE, "the token that bound it is over: ask for another one")
        current = stored(server, scope, bound.id)
        one, bound.version = subject(server, scope, current), current.version
        if one.terms is None or one.status in ("off", "error"):
            raise FhirError(Fault.GONE, f"Subscription {bound.id} is {one.status}")
        bound.heartbeat_s = 0 if bound.plain else one.terms.heartbeat_s
        kept = events.kept(server.pool, scope, bound.pk, since=bound.after + 1, until=one.events,
                           limit=one.terms.most)  # fmt: skip
        if not kept:
            if one.terms.heartbeat_s and now - bound.silent_since >= one.terms.heartbeat_s and not bound.plain:
                bound.silent_since = now
                return [self._notification(one, notification.HEARTBEAT, ())]
            return []
        bound.after, bound.silent_since = kept[-1].number, now
        if bound.plain:
            return [f"ping {bound.id}"]
        shown = notification.shown(server.pool, scope, kept, one.terms.content)
        return [self._notification(one, notification.EVENTS, shown)]

    def _notification(self, one: Subject, kind: str, shown: Sequence[notification.Shown]) -> str:
        told = notification.notification(self._base, one, kind, datetime.now(UTC), shown)
        return json.write(told).decode()
