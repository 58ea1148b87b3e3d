"""Subscriptions at work: activated, their changes found and told, given up (http://hl7.org/fhir/R4/subscription.html).

The worker looks every second. A subscriber is told of each resource that fulfils the criteria in its newest version:
of several changes between two looks, once. Notifications of one subscription go out one after the other; one that does
not arrive is tried again with longer and longer pauses, and when it failed too often the subscription is in error.

Events of topics and WebSockets are numbered and kept (fhir.store.events); a WebSocket is told by the process that has
it (fhir.http.event_socket).
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx

from fhir import outgoing
from fhir.format import json
from fhir.interaction.services import Server
from fhir.interaction.versions import following
from fhir.outgoing import Door
from fhir.search.query import Ids, Query
from fhir.store import events, history, locks, resources
from fhir.store import subscriptions as rows
from fhir.store.events import Event, Standing
from fhir.store.stored import Change, Name, Stored
from fhir.store.subscriptions import Happened, Look, Wanted
from fhir.store.unit import Unit
from fhir.subscription import channel as channels
from fhir.subscription import notification
from fhir.subscription.channel import Channel
from fhir.subscription.criteria import Criteria
from fhir.subscription.terms import Terms, terms
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, lent

REQUESTED, ACTIVE, ERROR, OFF = "requested", "active", "error", "off"
MOST_FAILURES = 12                       # in a row: with these pauses about half an hour
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 600.0
_AT_ONCE = 4                             # subscribers that are told at the same time
_MOST_TOLD = 1_000                       # notifications of one subscription in one turn
_TURN_S = 20.0                           # that they may take

_log = logging.getLogger("fhir.subscription")


class Stop(Protocol):
    """Set when the process ends (threading.Event)."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float) -> object: ...


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """Works on all subscriptions; several workers share them. `scope_of`: what an organisation sees today."""

    server: Server
    scope_of: Callable[[int], Scope]
    door: Door
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    base: str = "http://localhost/fhir"
    client: httpx.Client = field(default_factory=outgoing.client)
    page: int = rows.PAGE
    _looks: dict[int, Look] = field(default_factory=dict)    # begun by this process, and held

    def run(self, stop: Stop) -> None:
        """Until told to stop."""
        with ThreadPoolExecutor(_AT_ONCE, "subscriptions") as threads:
            while not stop.is_set():
                try:
                    list(threads.map(self.serve, self.settle()))
                except PacsdError as error:
                    _log.warning("subscriptions wait", extra={"fault": error.fault.value})
                except Exception as error:
                    _log.error("subscriptions failed", extra={"fault": "internal", "error": type(error).__name__})
                stop.wait(1.0)

    def settle(self) -> list[tuple[Wanted, dict[str, Any]]]:
        """Follow what is new, leave what is over; those that are active."""
        followed = rows.follows(self.server.pool)
        active = []
        wanted = rows.current(self.server.pool)
        for one in wanted:
            try:
                resource = json.read(one.body)
                if self._is_active(one, resource, followed.get(one.pk)):
                    active.append((one, resource))
            except Exception as error:       # of one subscription: the others go on
                _log.error("a subscription failed", extra={"fault": "internal", "error": type(error).__name__})
        for gone in followed.keys() - {one.pk for one in wanted}:
            rows.leave(self.server.pool, gone)
            self._looks.pop(gone, None)
        return active

    def _is_active(self, one: Wanted, resource: dict[str, Any], followed: int | None) -> bool:
        """Do what the status of a subscription asks for; whether it is one to be served."""
        status = resource.get("status")
        if status in (REQUESTED, ACTIVE) and self._is_over(resource):
            self._say(one, resource, OFF)
        elif status == REQUESTED or (status == ACTIVE and followed is None):
            return self._activate(one, resource, followed)
        elif status == ACTIVE:
            return True
        elif followed is not None:
            rows.leave(self.server.pool, one.pk)
        return False

    def serve(self, told: tuple[Wanted, dict[str, Any]]) -> None:
        """Find what changed for one subscription, and tell it."""
        one, resource = told
        if not rows.take(self.server.pool, one.pk, again=one.pk in self._looks):
            return
        try:
            wanted = terms(self.server, self.scope_of(one.organisation), resource)
            self._find(one, wanted)
            if wanted.channel is not None:
                tell = self._notify if wanted.topic is not None else self._tell
                tell(one, resource, wanted)
        except PacsdError as error:
            self._failed(one, resource, error)
        except Exception as error:           # of one subscriber: the others are told
            _log.error("a subscription failed", extra={"fault": "internal", "error": type(error).__name__})
            self._failed(one, resource, PacsdError(Fault.UNAVAILABLE, "the notification failed"))
        finally:
            if one.pk not in self._looks:        # else it goes on with what it has begun
                rows.release(self.server.pool, one.pk)

    def _notify(self, one: Wanted, resource: dict[str, Any], wanted: Terms) -> None:
        """Shake hands with who is new; tell events that wait, as far as it goes in one turn, or that it is alive."""
        scope, until = self.scope_of(one.organisation), self.monotonic() + _TURN_S
        standing = events.standing(self.server.pool, scope, one.pk)
        if standing is None:
            return
        if resource.get("status") == REQUESTED:
            self._post(one, wanted, notification.HANDSHAKE, standing, REQUESTED, ())
            self._say(one, resource, ACTIVE)
            return
        after = standing.sent
        while after < standing.events and self.monotonic() < until:
            kept = events.kept(self.server.pool, scope, one.pk, since=after + 1, until=standing.events,
                               limit=wanted.most)  # fmt: skip
            if not kept:                         # a day has passed: who asks is told so
                events.passed_over(self.server.pool, one.pk, standing.events)
                return
            after = kept[-1].number
            self._post(one, wanted, notification.EVENTS, standing._replace(sent=after), ACTIVE, kept)
        if after == standing.sent and wanted.heartbeat_s and standing.silent_s >= wanted.heartbeat_s:
            self._post(one, wanted, notification.HEARTBEAT, standing, ACTIVE, ())

    def _post(
        self, one: Wanted, wanted: Terms, kind: str, standing: Standing, status: str, kept: Sequence[Event]
    ) -> None:
        """One notification Bundle. Raises PacsdError where it is not taken."""
        if wanted.channel is None:
            return
        shown = notification.shown(self.server.pool, self.scope_of(one.organisation), kept, wanted.content)
        subject = notification.Subject(one.id, status, wanted, standing.events)
        told = notification.notification(self.base, subject, kind, self.clock(), shown)
        channels.post(self.client, self.door, wanted.channel, json.write(told))
        events.sent(self.server.pool, one.pk, standing.sent, held_s=rows.HELD_S)

    def _tell(self, one: Wanted, _resource: dict[str, Any], wanted: Terms) -> None:
        """Tell what waits, as far as it goes in one turn: others wait for the slowest."""
        channel = wanted.channel
        if channel is None:
            return
        until = self.monotonic() + _TURN_S
        for _ in range(_MOST_TOLD // 100):
            upcoming = rows.upcoming(self.server.pool, one.pk)
            for each in upcoming:
                body = self._body(one, each.name)
                if body is not None:
                    channels.tell(self.client, self.door, channel, str(each.name), body)
                rows.told(self.server.pool, one.pk, each.pk)
                if self.monotonic() > until:
                    return
            if len(upcoming) < 100:
                return

    def _find(self, one: Wanted, wanted: Terms) -> None:
        """Note what changed, page by page, as far as it goes in one turn; the rest is for the next."""
        until = self.monotonic() + _TURN_S
        while self._found(one, wanted):
            rows.take(self.server.pool, one.pk, again=True)
            if self.monotonic() > until:
                return

    def _found(self, one: Wanted, wanted: Terms) -> bool:
        """Note a page of it, in a transaction of its own; whether there is more."""
        scope = self.scope_of(one.organisation)
        with lent(self.server.pool) as connection, connection.transaction():
            seen = rows.look(connection, one.pk, self._looks.pop(one.pk, None))
            if seen is None:
                return False
            happened = rows.changed(connection, scope, wanted.criteria.type, seen, deletions=wanted.deletions,
                                    limit=self.page)  # fmt: skip
            self._noted(connection, scope, one, wanted, happened)
            if len(happened) < self.page:
                rows.looked(connection, one.pk, seen)
                return False
        self._looks[one.pk] = seen._replace(after=(happened[-1].updated, happened[-1].pk))
        return True

    def _noted(
        self, connection: Connection, scope: Scope, one: Wanted, wanted: Terms, happened: Sequence[Happened]
    ) -> None:
        there = [each.name for each in happened if not each.deleted]
        found = self._fulfilling(self.server.pool, scope, wanted.criteria, there)
        found |= self._fulfilled(connection, scope, wanted.criteria, [each for each in happened if each.deleted])
        told = [each for each in happened if each.name in found]
        if wanted.numbers:
            events.number(connection, one.pk, told)
        else:
            rows.note(connection, one.pk, [each.name for each in told])

    def _fulfilled(
        self, connection: Connection, scope: Scope, wanted: Criteria, gone: Sequence[Happened]
    ) -> set[Name]:
        """Those of what is gone that fulfilled the criteria before: as if they were still there. They are held all at
        once, in the order in which everybody holds resources."""
        if not wanted.conditions or not gone:
            return {one.name for one in gone}
        names = [one.name for one in gone]
        unit = self.server.units.inside(connection, scope=scope, organisation=0, held=locks.of_resources(names))
        current = unit.newest(names)
        before = {one.name: history.version(unit.pool, scope, one.name, one.version - 1) for one in gone}
        again = [self._again(one, current[name]) for name, one in before.items()
                 if one is not None and not one.deleted and name in current and current[name].deleted]  # fmt: skip
        with unit.tried(again):
            return self._fulfilling(unit.pool, scope, wanted, [one.name for one in again])

    def _again(self, before: Stored, current: Stored) -> Change:
        """A version as if it were the newest once more."""
        told = self.server.extract(json.read(before.body))
        return Change(current.pk, before.organisation, *before.name, current.version + 1, before.updated, "PUT",
                      before.body, owner=before.owner, found=told)  # fmt: skip

    def _fulfilling(self, pool: Pool, scope: Scope, wanted: Criteria, names: Sequence[Name]) -> set[Name]:
        """Those that fulfil the criteria as they are now."""
        found: set[Name] = set()
        for start in range(0, len(names), 500):
            ids = tuple(name.id for name in names[start : start + 500])
            query = Query((wanted.type,), (Ids(ids, (wanted.type,)), *wanted.conditions), count=500)
            found.update(Name(hit.type, hit.id) for hit in self.server.searches.page(pool, scope, query).hits)
        return found

    def _body(self, one: Wanted, name: Name) -> bytes | None:
        """The resource as the subscriber sees it now; None where it does no more."""
        stored = resources.read(self.server.pool, self.scope_of(one.organisation), name)
        return None if stored is None or stored.deleted else stored.body

    def _activate(self, one: Wanted, resource: dict[str, Any], followed: int | None) -> bool:
        """Followed before it says so: what is changed after it is active is told. True: it is to shake hands first."""
        try:
            wanted = terms(self.server, self.scope_of(one.organisation), resource)
            if wanted.channel is not None:
                self._check_door(wanted.channel)
        except PacsdError as error:
            if error.fault is not Fault.UNAVAILABLE:     # else the index did not answer, and is asked again
                self._say(one, resource, ERROR, error.message)
            return False
        if followed != one.version:
            rows.follow(self.server.pool, one, wanted.criteria.type)
        if resource.get("status") == REQUESTED and wanted.topic is not None and wanted.channel is not None:
            return True
        if resource.get("status") == REQUESTED:
            self._say(one, resource, ACTIVE)
        return False

    def _check_door(self, channel: Channel) -> None:
        """Refuse at once what will never be asked; a host that is not known now may be later."""
        parts = httpx.URL(channel.endpoint)
        try:
            self.door.address(parts.host, parts.port or 443)
        except PacsdError as error:
            if error.fault is not Fault.UNAVAILABLE:
                raise

    def _failed(self, one: Wanted, resource: dict[str, Any], error: PacsdError) -> None:
        before = rows.failures(self.server.pool, one.pk)
        count = rows.failed(self.server.pool, one.pk, pause_s=min(FIRST_PAUSE_S * 2**before, LONGEST_PAUSE_S))
        if error.fault is not Fault.UNAVAILABLE or count >= MOST_FAILURES:
            rows.leave(self.server.pool, one.pk)
            self._say(one, resource, ERROR, error.message)

    def _is_over(self, resource: Mapping[str, Any]) -> bool:
        try:
            end = datetime.fromisoformat(str(resource["end"]))
        except (KeyError, ValueError):
            return False
        return end.tzinfo is not None and end < self.clock()

    def _say(self, one: Wanted, resource: dict[str, Any], status: str, error: str = "") -> None:
        """Change what the Subscription says of itself, unless somebody changed it meanwhile."""
        name = Name("Subscription", one.id)
        told = {key: value for key, value in resource.items() if key != "error"} | {"status": status}
        if error:
            told["error"] = error

        def act(unit: Unit) -> None:
            current = unit.newest([name]).get(name)
            if current is None or current.version != one.version:
                return
            change = following(self.server, unit, current, name, told, method="PUT")
            unit.write([change] if change is not None else [])

        self.server.units.run(act, scope=self.scope_of(one.organisation), organisation=one.organisation)
