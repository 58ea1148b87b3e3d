"""Rows of who hears of workitems, and of what each is still to hear (PS3.4 CC.2.3, CC.2.4).

A report is a row for each subscriber, written with the change it tells of and deleted when the subscriber's channel has
taken it: nothing is skipped, however late a transaction commits, and reports of one workitem come in the order of its
changes, which its row lock makes. Whoever holds a channel renews it; one that was not is nobody's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent, retried, translated
from pacsd.index.predicate import Params, visible_workitem, within

NOTICES = "pacsd_reports"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An AE and its global subscription, if any. `worklist`: the well-known UID by which it subscribed."""

    pk: int
    organisation: int
    ae_title: str
    revision: int
    record: str | None = None
    worklist: str | None = None
    worklist_lock: bool = False
    filter: dict[str, Any] | None = None
    reads: Sequence[int] = ()


_FIELDS = "s.pk, s.organisation, s.ae_title, s.revision, s.record, s.worklist, s.worklist_lock, s.filter, s.reads"
_KNOW = f"""
insert into subscriber as s (organisation, ae_title) values (%s, %s)
on conflict (ae_title, organisation) do update set revision = s.revision + 1 returning {_FIELDS}
"""
_STATE = """
update subscriber set record = %s, worklist = %s, worklist_lock = %s, filter = %s, reads = %s, revision = %s
where pk = %s
"""
_SUBSCRIBE = """
insert into subscription (subscriber, workitem, deletion_lock, by_worklist) values (%s, %s, %s, false)
on conflict (workitem, subscriber) do update set deletion_lock = excluded.deletion_lock, by_worklist = false
"""
_SUBSCRIBE_ALL = """
insert into subscription (subscriber, workitem, deletion_lock, by_worklist)
select s, w, l, true from unnest(%s::bigint[], %s::bigint[], %s::boolean[]) as u(s, w, l)
on conflict do nothing returning workitem
"""
_REPORT = """
insert into report (subscriber, organisation, body)
select x.subscriber, %s, b from subscription x cross join unnest(%s::text[]) with ordinality as u(b, n)
where x.workitem = %s order by n, x.subscriber returning subscriber
"""
_REPORT_TO = "insert into report (subscriber, organisation, body) values (%s, %s, %s)"


def known(connection: Connection, organisation: int, ae_title: str) -> Subscriber:
    """The organisation's AE, made where it is new; nobody else changes it until the transaction ends."""
    row = connection.execute(_KNOW, (organisation, ae_title)).fetchone()
    if row is None:
        raise AssertionError("an upsert answers with its row")
    return _subscriber(row)


def state(connection: Connection, one: Subscriber) -> None:
    """Write what was changed of a subscriber that this transaction has locked."""
    values = (one.record, one.worklist, one.worklist_lock, None if one.filter is None else Jsonb(one.filter),
              list(one.reads), one.revision, one.pk)  # fmt: skip
    connection.execute(_STATE, values)


def of_worklist(connection: Connection, organisation: int) -> list[Subscriber]:
    """Who hears of every workitem of an organisation, or of those that pass a filter."""
    statement = f"select {_FIELDS} from subscriber s where s.worklist is not null and s.reads @> array[%s::integer]"
    return [_subscriber(row) for row in connection.execute(statement, (organisation,), prepare=True)]


def subscribe(connection: Connection, subscriber: int, workitem: int, *, lock: bool) -> None:
    """To one workitem, said explicitly."""
    connection.execute(_SUBSCRIBE, (subscriber, workitem, lock))


def subscribe_by_worklist(connection: Connection, subscriptions: Sequence[tuple[int, int, bool]]) -> list[int]:
    """(subscriber, workitem, deletion lock) where there is no subscription yet; the workitems of the new ones."""
    if not subscriptions:
        return []
    columns = [list(column) for column in zip(*subscriptions, strict=True)]
    return [row[0] for row in connection.execute(_SUBSCRIBE_ALL, columns, prepare=True)]


def unsubscribe(connection: Connection, subscriber: int, workitem: int) -> bool:
    """From one workitem; whether there was a subscription."""
    done = connection.execute(
        "delete from subscription where subscriber = %s and workitem = %s", (subscriber, workitem)
    )
    return done.rowcount > 0


def unsubscribe_all(connection: Connection, subscriber: int) -> int:
    """From everything; how many subscriptions there were."""
    return connection.execute("delete from subscription where subscriber = %s", (subscriber,)).rowcount


def make_explicit(connection: Connection, subscriber: int) -> None:
    """What the worklist's subscription had brought stays without it."""
    connection.execute(
        "update subscription set by_worklist = false where subscriber = %s and by_worklist", (subscriber,)
    )


def explicit(connection: Connection, subscriber: int) -> list[tuple[int, str, bool]]:
    """Organisation, UID and deletion lock of the workitems a subscriber named itself."""
    statement = """
        select w.organisation, w.sop_instance_uid, x.deletion_lock
        from subscription x join workitem w on w.pk = x.workitem
        where x.subscriber = %s and not x.by_worklist order by 1, 2"""
    return connection.execute(statement, (subscriber,)).fetchall()


def has_subscribers(connection: Connection, workitem: int) -> bool:
    """Whether anybody hears of a workitem."""
    found = connection.execute("select from subscription where workitem = %s limit 1", (workitem,), prepare=True)
    return found.fetchone() is not None


def report(connection: Connection, organisation: int, workitem: int, bodies: Sequence[str]) -> list[int]:
    """Queue reports for all subscribers of a workitem; the subscribers."""
    if not bodies:
        return []
    rows = connection.execute(_REPORT, (organisation, list(bodies), workitem), prepare=True).fetchall()
    return sorted({row[0] for row in rows})


def report_to(connection: Connection, subscriber: int, reports: Sequence[tuple[int, str]]) -> None:
    """Queue reports, each with its workitem's organisation, for one subscriber."""
    with connection.cursor() as cursor:
        cursor.executemany(_REPORT_TO, [(subscriber, organisation, body) for organisation, body in reports])


def report_restart(pool: Pool, body: str) -> None:
    """Queue one report for everybody who is subscribed to anything (PS3.4 CC.2.4.3)."""
    statement = """
        insert into report (subscriber, organisation, body) select s.pk, s.organisation, %s from subscriber s
        where s.worklist is not null or exists (select from subscription where subscriber = s.pk)"""
    with lent(pool) as connection:
        connection.execute(statement, (body,))


def states_of(connection: Connection, scope: Scope, workitems: Sequence[int]) -> list[tuple[int, str]]:
    """Organisation and attributes (JSON) of workitems, in the order in which they were made."""
    params = Params()
    statement = f"""
        select w.organisation, w.attributes from workitem w
        where {visible_workitem(scope, params)} and w.pk = any({params.add(list(workitems))}) order by w.pk"""
    return connection.execute(statement, params.values).fetchall()


def notify(pool: Pool, subscribers: Sequence[int]) -> None:
    """Wake the channels of subscribers. After the commit, alone: within it commits would wait for each other."""
    if subscribers:
        with lent(pool) as connection:
            connection.execute(
                "select pg_notify(%s, u::text) from unnest(%s::bigint[]) as s(u)", (NOTICES, list(subscribers))
            )


@contextmanager
def listening(pool: Pool) -> Iterator["Notices"]:
    """A connection that hears of new reports. Raises PacsdError UNAVAILABLE."""
    with lent(pool) as connection:
        connection.execute(sql.SQL("listen {}").format(sql.Identifier(NOTICES)))
        try:
            yield Notices(connection)
        finally:
            if not connection.closed:
                connection.execute("unlisten *")


class Notices:
    """What is heard there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def wait(self, timeout_s: float) -> set[int]:
        """Subscribers for whom something was queued; none after `timeout_s`."""
        with translated():
            notices = self._connection.notifies(timeout=timeout_s, stop_after=1)
            return {int(one.payload) for one in notices}


_FREE = "(s.channel is null or s.channel_until < now())"
_OPEN = """
insert into subscriber (organisation, ae_title, channel, channel_until)
values (%s, %s, %s, now() + make_interval(secs => %s))
on conflict (ae_title, organisation) do update
set channel = excluded.channel, channel_until = excluded.channel_until returning pk
"""
_CLAIM = f"""
update subscriber s set channel = %s, channel_until = now() + make_interval(secs => %s)
where s.organisation = %s and s.ae_title = %s and s.due_at <= now() and {_FREE} returning pk
"""
_KEEP = """
update subscriber s set channel_until = now() + make_interval(secs => %s)
from unnest(%s::bigint[], %s::text[]) as u(s, c)
where s.pk = u.s and s.channel = u.c and s.channel_until < now() + make_interval(secs => %s)
"""
_REST = """
update subscriber set channel = null, channel_until = null, failures = 0, due_at = '-infinity'
where pk = %s and channel = %s
"""
_PAUSE = """
update subscriber set channel = null, channel_until = null, failures = failures + 1,
    due_at = now() + make_interval(secs => least(power(2, least(failures, 30)) * %s, %s))
where pk = %s and channel = %s
"""


def open_channel(pool: Pool, organisation: int, ae_title: str, channel: str, *, lease_s: float) -> int:
    """From now on this channel takes the AE's reports, and no other; the subscriber."""
    values = (organisation, ae_title, channel, lease_s)
    return int(retried(pool, lambda connection: connection.execute(_OPEN, values).fetchone() or (0,))[0])


def claim_channel(pool: Pool, organisation: int, ae_title: str, channel: str, *, lease_s: float) -> int | None:
    """The same if nobody holds one, and the pause after a failure is over."""
    values = (channel, lease_s, organisation, ae_title)
    with lent(pool) as connection:
        row = connection.execute(_CLAIM, values).fetchone()
    return None if row is None else int(row[0])


def keep_channels(pool: Pool, channels: Sequence[tuple[int, str]], *, lease_s: float) -> None:
    """Renew (subscriber, channel), as far as they are still held and half of the lease is over."""
    columns = [list(column) for column in zip(*channels, strict=True)]
    retried(pool, lambda connection: connection.execute(_KEEP, (lease_s, *columns, lease_s / 2)))


def close_channel(pool: Pool, subscriber: int, channel: str) -> None:
    """The channel takes nothing any more."""
    statement = "update subscriber set channel = null, channel_until = null where pk = %s and channel = %s"
    retried(pool, lambda connection: connection.execute(statement, (subscriber, channel)))


def rest_channel(pool: Pool, subscriber: int, channel: str) -> None:
    """The channel took everything, and is closed."""
    retried(pool, lambda connection: connection.execute(_REST, (subscriber, channel)))


def pause_channel(pool: Pool, subscriber: int, channel: str, *, first_s: float, longest_s: float) -> None:
    """The channel cannot go on: it is closed, and not to be claimed for a while, twice as long each time."""
    with lent(pool) as connection:
        connection.execute(_PAUSE, (first_s, longest_s, subscriber, channel))


def due(pool: Pool, scope: Scope, ae_titles: Sequence[str]) -> list[str]:
    """Of these AEs of the scope's own organisation, those with reports to hear and a channel to claim."""
    params = Params()
    statement = f"""
        select s.ae_title from subscriber s
        where s.organisation = {params.add(scope.own)} and s.ae_title = any({params.add(list(ae_titles))})
            and s.due_at <= now() and {_FREE}
            and exists (select from report r where r.subscriber = s.pk and {within(scope, params, "r")})"""
    return retried(pool, lambda connection: [row[0] for row in connection.execute(statement, params.values)], scope)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a channel has to send. `holder`: whether the AE's reports are still this channel's."""

    holder: str | None
    reports: tuple[tuple[int, str], ...] = ()


def waiting(pool: Pool, scope: Scope, subscriber: int, *, limit: int, size_bytes: int) -> Waiting | None:
    """The next reports of a subscriber, of workitems the scope sees; None if there is no such subscriber any more.

    At most `limit`, and after the first no more than fit into `size_bytes`.
    """
    params = Params()
    statement = f"""
        select s.channel, r.pk, r.body from subscriber s left join lateral (
            select r.pk, r.body, sum(octet_length(r.body)) over (order by r.pk) - octet_length(r.body) as before
            from (
                select r.pk, r.body from report r where r.subscriber = s.pk and {within(scope, params, "r")}
                order by r.pk limit {params.add(limit)}
            ) r
        ) r on r.before = 0 or r.before + octet_length(r.body) <= {params.add(size_bytes)}
        where s.pk = {params.add(subscriber)} order by r.pk"""

    def work(connection: Connection) -> list[tuple[Any, ...]]:
        return connection.execute(statement, params.values, prepare=True).fetchall()

    rows = retried(pool, work, scope)
    if not rows:
        return None
    return Waiting(rows[0][0], tuple((pk, body) for _, pk, body in rows if pk is not None))


def delivered(pool: Pool, scope: Scope, subscriber: int, reports: Sequence[int]) -> None:
    """The subscriber has these."""
    params = Params()
    statement = f"""
        delete from report r where {within(scope, params, "r")} and r.subscriber = {params.add(subscriber)}
        and r.pk = any({params.add(list(reports))})"""
    retried(pool, lambda connection: connection.execute(statement, params.values, prepare=True))


def stirred(pool: Pool, channels: Sequence[tuple[int, str]]) -> set[int]:
    """Of (subscriber, channel) those subscribers that have reports, or whose channel is another by now."""
    statement = """
        select u.s from unnest(%s::bigint[], %s::text[]) as u(s, c) left join subscriber s on s.pk = u.s
        where s.channel is distinct from u.c or exists (select from report where subscriber = u.s)"""
    columns = [list(column) for column in zip(*channels, strict=True)]
    return retried(pool, lambda connection: {row[0] for row in connection.execute(statement, columns)})


_IDLE = """
worklist is null and (channel is null or channel_until < now())
and not exists (select from subscription where subscriber = s.pk)
and not exists (select from report where subscriber = s.pk)
"""


def forget(pool: Pool, *, keep_reports_s: float, grace_s: float, limit: int = 10_000) -> int:
    """Delete reports nobody took for so long, and subscribers of nothing who are not to hear of anything."""
    late = """
        delete from report where (subscriber, pk) in (
            select subscriber, pk from report where created_at < now() - make_interval(secs => %s)
            order by created_at limit %s)"""
    idle = f"select pk from subscriber s where {_IDLE} for update skip locked"
    # asked again, for a subscription may have been made between the look and the lock
    gone = f"""
        with gone as (delete from subscriber s where pk = any(%s) and {_IDLE} returning record)
        insert into garbage (key, delete_after) select record, now() + make_interval(secs => %s) from gone
        where record is not null on conflict do nothing"""

    def work(connection: Connection) -> int:
        with connection.transaction():
            lapsed = connection.execute(late, (keep_reports_s, limit)).rowcount
            locked = [pk for (pk,) in connection.execute(idle)]
            connection.execute(gone, (locked, grace_s))
        return lapsed

    return retried(pool, work)


def _subscriber(row: tuple[Any, ...]) -> Subscriber:
    return Subscriber(*row)
