"""The rows behind `pacsd.events`: events written with the change they tell of, cursors, and retries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.predicate import Params, within


@dataclass(frozen=True, slots=True)
class Event:
    """A change of meaning. `subject` is what it is about: events of one subject come in order."""

    event: int
    organisation: int
    topic: str
    subject: str
    body: dict[str, Any]
    created_at: datetime


_FIELDS = "e.pk, e.organisation, e.topic, e.subject, e.body, e.created_at"
_APPEND = "insert into event (organisation, topic, subject, body) values (%s, %s, %s, %s)"
_APPEND_ALL = """
insert into event (organisation, topic, subject, body)
select * from unnest(%s::integer[], %s::text[], %s::text[], %s::jsonb[])
"""
_REGISTER = "insert into consumer (name) values (%s) on conflict do nothing"
_REGISTER_NOW = """
insert into consumer (name, window_from, window_to)
select %s, pg_snapshot_xmin(now), pg_snapshot_xmin(now) from pg_current_snapshot() now on conflict do nothing
"""
_CLAIM = """
update consumer set holder = %(holder)s, leased_until = now() + make_interval(secs => %(lease)s)
where name = %(name)s and (holder is null or holder = %(holder)s or leased_until < now())
returning event
"""
# Only below the oldest transaction still running: what commits late has a number above. Moving on without an
# event to go to would be a transaction to move on for the next time.
_NEXT_WINDOW = """
update consumer c set window_from = window_to, window_to = pg_snapshot_xmin(pg_current_snapshot()), event = 0
where name = %s and holder = %s and exists (select from event e
    where e.transaction >= c.window_to and e.transaction < pg_snapshot_xmin(pg_current_snapshot()))
returning name
"""
_ADVANCE = "update consumer set event = %s where name = %s and holder = %s"
_PARK = """
insert into retry (consumer, event, attempts, due_at, subject, error)
values (%s, %s, %s, now() + make_interval(secs => %s), %s, %s)
on conflict (consumer, event) do update
    set attempts = excluded.attempts, due_at = excluded.due_at, error = excluded.error
"""
_WAITING = "select distinct subject from retry where consumer = %s and subject = any(%s)"
_DUE = f"""
select {_FIELDS}, t.attempts from retry t join event e on e.pk = t.event
where t.consumer = %s and t.due_at <= now()
    and not exists (select from retry b where b.consumer = t.consumer and b.subject = t.subject and b.event < t.event)
order by e.pk limit %s
"""
# A consumer that has not come for as long is no longer there: settings name its destination no more.
_PRUNE = """
delete from event where pk in (
    select pk from event e where created_at < now() - make_interval(secs => %(age)s)
        and transaction < (select coalesce(min(window_from), pg_snapshot_xmin(pg_current_snapshot())) from consumer
            where leased_until is null or leased_until > now() - make_interval(secs => %(age)s))
        and not exists (select from retry where event = e.pk)
    order by transaction, pk limit %(limit)s)
"""


def append(connection: Connection, *, organisation: int, topic: str, subject: str, body: dict[str, Any]) -> None:
    """Write an event in the caller's transaction, while it holds the subject's row locked."""
    connection.execute(_APPEND, (organisation, topic, subject, Jsonb(body)), prepare=True)


def append_all(connection: Connection, events: Sequence[tuple[int, str, str, dict[str, Any]]]) -> None:
    """Write events, (organisation, topic, subject, body) each, as `append` does."""
    if events:
        organisations, topics, subjects, bodies = zip(*events, strict=True)
        values = (list(organisations), list(topics), list(subjects), [Jsonb(body) for body in bodies])
        connection.execute(_APPEND_ALL, values, prepare=True)


class Cursor:
    """One consumer's place in the outbox, and the events it could not handle yet.

    Every change is a short transaction of its own: none is open while an event is being handled, or it would
    hold the horizon back for all other consumers.
    """

    def __init__(
        self, pool: Pool, name: str, *, holder: str, scope: Scope | None, topics: Sequence[str] | None
    ) -> None:
        self._pool = pool
        self._name = name
        self._holder = holder
        self.scope = scope
        self._topics = topics

    def register(self, *, begin_now: bool = False) -> None:
        """Make the consumer known; a new one begins with the oldest event that is kept, or with what is to come."""
        with lent(self._pool) as connection:
            connection.execute(_REGISTER_NOW if begin_now else _REGISTER, (self._name,))

    def claim(self, lease_s: float) -> bool:
        """Take or extend the lease; False while another holder has it."""
        values = {"name": self._name, "holder": self._holder, "lease": lease_s}
        with lent(self._pool) as connection:
            return connection.execute(_CLAIM, values).fetchone() is not None

    def release(self) -> None:
        """End the lease."""
        with lent(self._pool) as connection:
            connection.execute(
                "update consumer set holder = null where name = %s and holder = %s", (self._name, self._holder)
            )

    def read(self, limit: int) -> list[Event]:
        """The next events of finished transactions, in the order of their subjects' changes."""

        def work(connection: Connection) -> list[Event]:
            while True:
                found = self._window(connection, limit)
                moved = (self._name, self._holder)
                if found or connection.execute(_NEXT_WINDOW, moved).fetchone() is None:
                    return found

        return retried(self._pool, work)

    def advance(self, event: int) -> bool:
        """Everything up to this event is dealt with; False if the lease went to somebody else."""
        with lent(self._pool) as connection:
            return connection.execute(_ADVANCE, (event, self._name, self._holder)).rowcount == 1

    def waits(self, subject: str) -> bool:
        """Whether an earlier event of the subject is still to be handled."""
        return bool(self.waiting([subject]))

    def waiting(self, subjects: Iterable[str]) -> set[str]:
        """Those of the subjects of which an earlier event is still to be handled."""
        with lent(self._pool) as connection:
            found = connection.execute(_WAITING, (self._name, sorted(set(subjects))), prepare=True)
            return {row[0] for row in found}

    def park(self, event: Event, *, attempts: int, pause_s: float, error: str) -> None:
        """Try again in `pause_s`; later events of the subject wait behind it."""
        values = (self._name, event.event, attempts, pause_s, event.subject, error)
        with lent(self._pool) as connection:
            connection.execute(_PARK, values)

    def due(self, limit: int) -> list[tuple[Event, int]]:
        """Parked events whose time has come, of each subject only the first, with the attempts made."""
        with lent(self._pool) as connection:
            rows = connection.execute(_DUE, (self._name, limit)).fetchall()
        return [(Event(*row[:-1]), row[-1]) for row in rows]

    def settle(self, event: Event) -> None:
        """A parked event is dealt with; the next of its subject is due at once."""
        with lent(self._pool) as connection, connection.transaction():
            connection.execute("delete from retry where consumer = %s and event = %s", (self._name, event.event))
            connection.execute(
                "update retry set due_at = now() where consumer = %s and subject = %s and attempts = 0",
                (self._name, event.subject),
            )

    def _window(self, connection: Connection, limit: int) -> list[Event]:
        params = Params()
        name = params.add(self._name)
        where = [f"c.name = {name}", "e.transaction >= c.window_from", "e.transaction < c.window_to", "e.pk > c.event"]
        if self.scope is not None:
            where.append(within(self.scope, params, "e"))
        if self._topics is not None:
            where.append(f"e.topic = any({params.add(list(self._topics))}::text[])")
        statement = f"""
            select {_FIELDS} from consumer c join event e on true where {" and ".join(where)}
            order by e.pk limit {params.add(limit)}"""
        return [Event(*row) for row in connection.execute(statement, params.values).fetchall()]


def prune(pool: Pool, *, older_than_s: float, limit: int = 10_000) -> int:
    """Delete events that every consumer is past and that are older than this, the oldest first; how many."""
    with lent(pool) as connection:
        return connection.execute(_PRUNE, {"age": older_than_s, "limit": limit}).rowcount
