"""Events of subscriptions, numbered from 1 without gaps and kept for a day: who missed some asks for them again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from fhir.store.stored import Name
from fhir.store.subscriptions import Happened
from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.predicate import Params, within

KEPT = timedelta(days=1)


class Event(NamedTuple):
    """One change that a subscription tells of."""

    number: int
    name: Name
    version: int
    at: datetime


class Standing(NamedTuple):
    """How far a subscription is: events so far, the last that its end point took, seconds since it took anything."""

    events: int
    sent: int
    silent_s: float


class Binding(NamedTuple):
    """Which subscriptions may be heard, and for whom."""

    subscriptions: Sequence[str]
    organisation: int


def number(connection: Connection, subscription: int, happened: Sequence[Happened]) -> None:
    """These are events from now on; for who holds the subscription's row (fhir.store.subscriptions.changed)."""
    if not happened:
        return
    row = connection.execute("""update fhir_subscription set events = events + %s where resource = %s
        returning events""", (len(happened), subscription)).fetchone()
    first = (int(row[0]) if row is not None else 0) - len(happened) + 1
    connection.execute("""insert into fhir_subscription_event (subscription, number, type, id, version, at)
        select %s, %s + n - 1, t, i, v, u
        from unnest(%s::text[], %s::text[], %s::integer[], %s::timestamptz[]) with ordinality x (t, i, v, u, n)""",
        (subscription, first, [one.name.type for one in happened], [one.name.id for one in happened],
         [one.version for one in happened], [one.updated for one in happened]))  # fmt: skip


def standing(pool: Pool, scope: Scope, subscription: int) -> Standing | None:
    """How far a subscription is that the asker may see; None where it is not followed."""
    params = Params()
    statement = f"""select s.events, s.sent, extract(epoch from now() - s.heard_at) from fhir_subscription s
        where s.resource = {params.add(subscription)} and {within(scope, params, "s")}"""
    with lent(pool) as connection:
        row = connection.execute(statement, params.values).fetchone()
    return None if row is None else Standing(int(row[0]), int(row[1]), float(row[2]))


def news(pool: Pool, scope: Scope, subscriptions: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Of subscriptions that the asker may see and that are still there: their version, and how many events each had."""
    params = Params()
    statement = f"""select r.pk, r.version, coalesce(s.events, 0) from fhir_resource r
        left join fhir_subscription s on s.resource = r.pk
        where r.pk = any({params.add(list(subscriptions))}) and not r.deleted and {within(scope, params, "r")}"""
    with lent(pool) as connection:
        return {row[0]: (int(row[1]), int(row[2])) for row in connection.execute(statement, params.values)}


def kept(pool: Pool, scope: Scope, subscription: int, *, since: int, until: int, limit: int) -> list[Event]:
    """Events from `since` up to `until`, the first of them, of a subscription that the asker may see."""
    params = Params()
    statement = f"""select e.number, e.type, e.id, e.version, e.at from fhir_subscription_event e
        join fhir_subscription s on s.resource = e.subscription
        where e.subscription = {params.add(subscription)} and {within(scope, params, "s")}
            and e.number between {params.add(since)} and {params.add(until)}
        order by e.number limit {params.add(limit)}"""
    with lent(pool) as connection:
        rows = connection.execute(statement, params.values).fetchall()
    return [Event(row[0], Name(row[1], row[2]), row[3], row[4]) for row in rows]


def sent(pool: Pool, subscription: int, number: int, *, held_s: float) -> None:
    """Its end point took everything up to that event."""
    with lent(pool) as connection:
        connection.execute("""update fhir_subscription set sent = greatest(sent, %s), heard_at = now(), failures = 0,
            taken_until = now() + make_interval(secs => %s) where resource = %s""", (number, held_s, subscription))


def passed_over(pool: Pool, subscription: int, number: int) -> None:
    """Nothing is kept any more of what was up to that event, and nothing is told of it."""
    with lent(pool) as connection:
        connection.execute("update fhir_subscription set sent = greatest(sent, %s) where resource = %s",
                           (number, subscription))  # fmt: skip


def forget(pool: Pool) -> None:
    """Let go of events that were kept long enough, and of bindings that are over."""
    with lent(pool) as connection:
        connection.execute("delete from fhir_subscription_event where noted_at < now() - %s", (KEPT,))
        connection.execute("delete from fhir_binding where expires_at < now()")


def bind(pool: Pool, digest: bytes, binding: Binding, expires_at: datetime) -> None:
    """Let who knows the token of that digest hear these."""
    with lent(pool) as connection:
        connection.execute("insert into fhir_binding (digest, subscriptions, organisation, expires_at)"
                           " values (%s, %s, %s, %s)",
                           (digest, list(binding.subscriptions), binding.organisation, expires_at))  # fmt: skip


def bound(pool: Pool, digest: bytes) -> Binding | None:
    """What a token lets be heard; None where it is none, or over."""
    with lent(pool) as connection:
        row = connection.execute("""select subscriptions, organisation from fhir_binding
            where digest = %s and expires_at > now()""", (digest,)).fetchone()
    return None if row is None else Binding(*row)
