"""Rows of what AEs are still to be notified of, with the pauses of one that could not be reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pacsd.index.connect import Connection, Pool, lent, retried

WAITING, DELIVERED, REFUSED, ABANDONED = "waiting", "delivered", "refused", "abandoned"


@dataclass(frozen=True, slots=True)
class NewNotification:
    """Something to tell an AE. `own_title`: as which of our AEs; `due_at`: not before."""

    kind: str
    ae_title: str
    own_title: str
    sop_instance_uid: str
    due_at: datetime
    body: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """Something that waits to be told, claimed by whoever holds this."""

    pk: int
    organisation: int
    kind: str
    ae_title: str
    own_title: str
    sop_instance_uid: str
    queued_at: datetime
    attempts: int
    commitment: int | None
    body: str


_FIELDS = """n.pk, n.organisation, n.kind, n.ae_title, n.own_title, n.sop_instance_uid, n.queued_at, n.attempts,
    n.commitment, n.body"""
_FREE = "n.state = 'waiting' and (n.leased_until is null or n.leased_until < %(now)s)"
_ADD = """
insert into notification (organisation, kind, ae_title, own_title, sop_instance_uid, queued_at, due_at, body, event,
    commitment)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing returning pk
"""
_CLAIM = f"""
update notification n set holder = %(holder)s, leased_until = %(until)s
where pk = %(pk)s and n.state = 'waiting' and (n.holder = %(holder)s or {_FREE})
returning {_FIELDS}
"""
_CLAIM_DUE = f"""
with next as (
    select n.ae_title, n.organisation from notification n left join notification_pause p using (ae_title, organisation)
    where {_FREE} and n.due_at <= %(now)s and (p.due_at is null or p.due_at <= %(now)s) order by n.due_at, n.pk limit 1
)
update notification n set holder = %(holder)s, leased_until = %(until)s
where pk in (
    select n.pk from notification n join next using (ae_title, organisation)
    where {_FREE} and n.due_at <= %(now)s order by n.pk limit %(limit)s for update of n skip locked)
returning {_FIELDS}
"""
_SETTLE = """
update notification set state = %s, settled_at = %s, problem = %s, attempts = attempts + 1, holder = null,
    leased_until = null
where pk = %s and state = 'waiting'
"""
_AGAIN = """
update notification set due_at = %s, problem = %s, attempts = attempts + %s, holder = null, leased_until = null
where pk = %s and state = 'waiting'
"""
_PAUSE = """
insert into notification_pause (organisation, ae_title, failures, due_at) values (%s, %s, 1, %s)
on conflict (ae_title, organisation) do update set failures = notification_pause.failures + 1, due_at = excluded.due_at
"""
_FORGET = """
delete from notification where pk in
    (select pk from notification where settled_at < %s order by settled_at limit %s for update skip locked)
"""


def add(
    connection: Connection, new: NewNotification, *, organisation: int, at: datetime, event: int | None = None,
    commitment: int | None = None,
) -> int | None:  # fmt: skip
    """Queue a notification in the caller's transaction; its key, None where the event has it queued already."""
    values = (new.kind, new.ae_title, new.own_title, new.sop_instance_uid, at, new.due_at, new.body)
    row = connection.execute(_ADD, (organisation, *values, event, commitment)).fetchone()
    return None if row is None else int(row[0])


def claim(pool: Pool, pk: int, *, holder: str, now: datetime, lease_s: float) -> Notification | None:
    """This one, for `holder`, if need be for longer; None if somebody else has it or it is settled."""
    until = now + timedelta(seconds=lease_s)
    with lent(pool) as connection:
        row = connection.execute(_CLAIM, {"pk": pk, "holder": holder, "now": now, "until": until}).fetchone()
    return None if row is None else Notification(*row)


def claim_due(pool: Pool, *, holder: str, now: datetime, lease_s: float, limit: int) -> list[Notification]:
    """What is due for one AE that does not pause, in the order of queueing, for `holder`."""
    values = {"holder": holder, "now": now, "until": now + timedelta(seconds=lease_s), "limit": limit}
    with lent(pool) as connection:
        return sorted((Notification(*row) for row in connection.execute(_CLAIM_DUE, values)), key=lambda one: one.pk)


def release(pool: Pool, *, holders: str) -> None:
    """Free what was claimed by holders whose names begin so."""
    statement = """
        update notification set holder = null, leased_until = null
        where state = 'waiting' and starts_with(holder, %s)"""
    with lent(pool) as connection:
        connection.execute(statement, (holders,))


def settle(pool: Pool, pk: int, *, state: str, at: datetime, problem: str | None = None) -> None:
    """It was told, or refused for good, or given up."""
    retried(pool, lambda connection: connection.execute(_SETTLE, (state, at, problem, pk)))


def again(pool: Pool, pks: Sequence[int], *, due_at: datetime, problem: str | None, attempts: int) -> None:
    """Not this time; free for whoever comes next."""

    def work(connection: Connection) -> None:
        with connection.transaction():
            for pk in pks:
                connection.execute(_AGAIN, (due_at, problem, attempts, pk))

    retried(pool, work)


def pause(pool: Pool, organisation: int, ae_title: str, *, until: datetime) -> None:
    """An AE could not be reached."""
    with lent(pool) as connection:
        connection.execute(_PAUSE, (organisation, ae_title, until))


def reached(pool: Pool, organisation: int, ae_title: str) -> None:
    """An AE was reached: no pause any more."""
    statement = "delete from notification_pause where organisation = %s and ae_title = %s"
    retried(pool, lambda connection: connection.execute(statement, (organisation, ae_title)))


def failures(pool: Pool, organisation: int, ae_title: str) -> int:
    """How often in a row it could not be reached."""
    statement = "select failures from notification_pause where organisation = %s and ae_title = %s"

    def work(connection: Connection) -> int:
        row: Any = connection.execute(statement, (organisation, ae_title)).fetchone()
        return 0 if row is None else int(row[0])

    return retried(pool, work)


def forget(pool: Pool, *, before: datetime, limit: int = 1000) -> int:
    """Delete notifications that were settled before; how many. What waits is never deleted."""
    with lent(pool) as connection:
        return connection.execute(_FORGET, (before, limit)).rowcount
