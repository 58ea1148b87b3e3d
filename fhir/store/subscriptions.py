"""What subscriptions have seen and what is still to be told, so that neither a crash nor a dead end point loses any.

Changes are found by what was done since a snapshot: a transaction that commits late is seen when it is done, however
its time compares. Nothing is written for it where resources are written. `updated` narrows what is looked at: it is
taken within a transaction, so what was not done at the last look is not older than the oldest that ran then. Clocks of
machines that write differ by less than a minute (IHE CT). Who writes what is older says so (`look_back`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias, cast

from fhir.store.opened import open_resource
from fhir.store.resources import FIELDS
from fhir.store.stored import Name, Stored
from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.predicate import Params, within

LONGEST_S = 900                          # of a transaction that writes resources: three times the time a bundle gets
CLOCKS_S = 60                            # by which clocks may differ
HELD_S = 60
PAGE = 500                               # changes that are looked at in one transaction

# the row's transaction as xid8: of the newest epoch in which it is not in the future
DONE = """pg_visible_in_snapshot(((case when r.xmin::text::bigint > (n.now::text::bigint & 4294967295)
    then (n.now::text::bigint >> 32) - 1 else n.now::text::bigint >> 32 end) << 32
    | r.xmin::text::bigint)::text::xid8, {0})"""


class Wanted(NamedTuple):
    """A Subscription resource in its newest version."""

    pk: int
    organisation: int
    version: int
    id: str
    body: bytes


class Happened(NamedTuple):
    """A resource that changed: its newest version, which may say that it was deleted."""

    name: Name
    version: int
    updated: datetime
    deleted: bool
    pk: int = 0


Place: TypeAlias = tuple[datetime, int]


class Look(NamedTuple):
    """What one look goes through, page by page: what was done by `until` and not by `since`, which is not older than
    `since_time`; the next one goes back to `next_time`. `after`: how far it is."""

    since: str
    until: str
    since_time: datetime
    next_time: datetime
    after: Place | None = None


class Next(NamedTuple):
    """What is to be told next."""

    pk: int
    name: Name


def current(pool: Pool) -> list[Wanted]:
    """All Subscriptions, whoever's: the worker acts for each in the name of its own organisation."""
    with lent(pool) as connection:
        return [Wanted(*row) for row in connection.execute("""select r.pk, r.organisation, r.version, r.id, r.body
            from fhir_resource r where r.type = 'Subscription' and not r.deleted order by r.pk""")]


def seen(pool: Pool, scope: Scope, ids: Sequence[str], *, limit: int) -> list[Stored]:
    """Subscriptions that the asker may see: all of them, or those of these ids."""
    params = Params()
    mine = within(scope, params, "r")
    named = f"and r.id = any({params.add(list(ids))})" if ids else ""
    statement = f"""select {FIELDS} from fhir_resource r where r.type = 'Subscription' and not r.deleted and {mine}
        {named} order by r.pk limit {params.add(limit)}"""
    with lent(pool) as connection:
        return [Stored(*row) for row in connection.execute(statement, params.values)]


def follow(pool: Pool, wanted: Wanted, kind: str) -> None:
    """From now on see changes for a subscription."""
    with lent(pool) as connection:
        connection.execute("""insert into fhir_subscription (resource, organisation, version, type, seen_at)
            values (%s, %s, %s, %s, now() - make_interval(secs => %s)) on conflict (resource) do update
                set version = excluded.version, type = excluded.type, failures = 0, due_at = now()""",
            (wanted.pk, wanted.organisation, wanted.version, kind, LONGEST_S))  # fmt: skip


def follows(pool: Pool) -> dict[int, int]:
    """Which subscriptions are followed, and in which version."""
    with lent(pool) as connection:
        return dict(connection.execute("select resource, version from fhir_subscription").fetchall())


def leave(pool: Pool, resource: int) -> None:
    """See no more for a subscription, and tell nothing of what is waiting."""
    with lent(pool) as connection:
        connection.execute("delete from fhir_subscription where resource = %s", (resource,))


def take(pool: Pool, resource: int, *, again: bool = False) -> bool:
    """Hold a subscription for HELD_S; False where another does, or it is not yet its time. `again`: who asks holds it
    already."""
    with lent(pool) as connection:
        return connection.execute(
            f"""update fhir_subscription set taken_until = now() + make_interval(secs => {HELD_S})
            where resource = %s and (taken_until < now() or %s) and due_at <= now()""", (resource, again)).rowcount > 0


def release(pool: Pool, resource: int) -> None:
    """Nobody works on it for now."""
    with lent(pool) as connection:
        connection.execute("update fhir_subscription set taken_until = '-infinity' where resource = %s", (resource,))


def look(connection: Connection, resource: int, begun: Look | None = None) -> Look | None:
    """Hold a subscription's row, and what is to be looked through: the rest of what was begun, unless somebody else
    has done it meanwhile. None for one that is followed no more."""
    # who runs is read before the snapshot is taken: what is done in between is within it
    next_time = _oldest(connection)
    row = connection.execute("""select s.snapshot::text, s.seen_at from fhir_subscription s
        where s.resource = %s for update of s""", (resource,)).fetchone()
    if row is None:
        return None
    if begun is not None and begun.since == row[0]:      # who looked back meanwhile means the next look, too
        return begun if begun.since_time == row[1] else begun._replace(next_time=row[1])
    until = connection.execute("select pg_current_snapshot()::text").fetchone()
    return None if until is None else Look(row[0], until[0], row[1], next_time)


def _oldest(connection: Connection) -> datetime:
    """When the oldest transaction that runs now had begun, by any clock, within a transaction. Of others those who log
    in tell when, and not `pacsd_app`: it would be told nothing, as if nobody ran."""
    connection.execute("set local role none")
    row = connection.execute("""select greatest(now() - make_interval(secs => %s),
        least(now(), (select min(a.xact_start) from pg_stat_activity a
            where a.datname = current_database() and a.pid <> pg_backend_pid())) - make_interval(secs => %s))""",
        (LONGEST_S, CLOCKS_S)).fetchone()
    connection.execute("set local role pacsd_app")
    return cast(datetime, row[0]) if row is not None else datetime.min.replace(tzinfo=UTC)


def changed(
    connection: Connection, scope: Scope, kind: str, seen: Look, *, deletions: bool = False, limit: int = PAGE
) -> list[Happened]:
    """The next resources of a type that were changed and that the subscriber sees; to be noted at once.

    In the order in which they changed, each in its newest version only; with `deletions` those that are gone, too.
    Fewer than `limit`: that was the last of it.
    """
    params = Params()
    mine = open_resource(replace(scope, opened=scope.opened and scope.opened.grants()), params, "r", "r.pk")
    named, gone, low = params.add(kind), params.add(deletions), params.add(seen.since_time)
    since, until = (f"{params.add(one)}::pg_snapshot" for one in (seen.since, seen.until))
    following = "" if seen.after is None else "and (r.updated, r.pk) > ({}, {})".format(*map(params.add, seen.after))
    statement = f"""select r.type, r.id, r.version, r.updated, r.deleted, r.pk
        from (select pg_snapshot_xmax(pg_current_snapshot()) as now) n, fhir_resource r
        where r.type = {named} and r.updated > {low} {following} and {mine}
            and {DONE.format(until)} and not {DONE.format(since)} and (not r.deleted or {gone})
        order by r.updated, r.pk limit {params.add(limit)}"""
    return [Happened(Name(*row[:2]), *row[2:]) for row in connection.execute(statement, params.values)]


def looked(connection: Connection, resource: int, seen: Look) -> None:
    """All of it was looked through; the next look begins where it ended."""
    connection.execute("update fhir_subscription set snapshot = %s, seen_at = %s where resource = %s",
                       (seen.until, seen.next_time, resource))  # fmt: skip


def look_back(connection: Connection, oldest: datetime) -> None:
    """Something is written as of a time that has passed: the next looks go back as far. For who holds nothing yet.

    Looks wait until it is done; one that has begun is told by the time it began with, which is always another then.
    """
    connection.execute("""with all_of_them as (select resource from fhir_subscription order by resource for update)
        update fhir_subscription s set seen_at = least(s.seen_at, %s) - interval '1 microsecond'
        from all_of_them a where a.resource = s.resource""", (oldest - timedelta(milliseconds=1),))  # fmt: skip


def note(connection: Connection, resource: int, names: Sequence[Name]) -> None:
    """These are to be told."""
    connection.execute("""insert into fhir_notification (subscription, type, id)
        select %s, t, i from unnest(%s::text[], %s::text[]) with ordinality x (t, i, n) order by n""",
        (resource, [one.type for one in names], [one.id for one in names]))  # fmt: skip


def upcoming(pool: Pool, resource: int, *, limit: int = 100) -> list[Next]:
    """What is to be told, in order."""
    with lent(pool) as connection:
        return [Next(pk, Name(kind, ident)) for pk, kind, ident in connection.execute(
            "select pk, type, id from fhir_notification where subscription = %s order by pk limit %s",
            (resource, limit))]  # fmt: skip


def told(pool: Pool, resource: int, pk: int) -> None:
    """It was told, and counts as that when this is committed: after a crash it is told again."""
    with lent(pool) as connection, connection.transaction():
        connection.execute("delete from fhir_notification where pk = %s", (pk,))
        connection.execute("""update fhir_subscription set failures = 0,
            taken_until = now() + make_interval(secs => %s) where resource = %s""", (HELD_S, resource))


def failed(pool: Pool, resource: int, *, pause_s: float) -> int:
    """It could not be told; how often in a row. Nothing is tried before the pause is over."""
    with lent(pool) as connection:
        found = connection.execute("""update fhir_subscription set failures = failures + 1,
            due_at = now() + make_interval(secs => %s) where resource = %s returning failures""",
            (pause_s, resource)).fetchone()  # fmt: skip
    return int(found[0]) if found else 0


def failures(pool: Pool, resource: int) -> int:
    """How often in a row it could not be told."""
    with lent(pool) as connection:
        found = connection.execute("select failures from fhir_subscription where resource = %s", (resource,)).fetchone()
    return int(found[0]) if found else 0
