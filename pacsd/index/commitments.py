"""Rows of storage commitment: what was asked for, what came of it; and which instances an organisation keeps where."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from pacsd.access.scope import Scope
from pacsd.index import notifications
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.loose import sop_hash
from pacsd.index.notifications import NewNotification
from pacsd.index.predicate import Params, within

Reference = tuple[str, str]              # SOP Class UID, SOP Instance UID


@dataclass(frozen=True, slots=True)
class Transaction:
    """A request for storage commitment. `failures`: of the references, with their Failure Reason, once decided."""

    pk: int
    organisation: int
    requester: str
    transaction_uid: str
    requested_at: datetime
    request: tuple[Reference, ...]
    repeated: bool
    decided_at: datetime | None
    failures: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """Where instances are: `alone` in blobs outside of packs as (class, key, bytes up to its end), and in which series
    there may be packed ones (a hash says so, to be verified in the sidecars)."""

    alone: dict[str, tuple[str, str, int]]
    maybe: dict[str, list[int]]
    rejected: frozenset[str]


_FIELDS = """c.pk, c.organisation, c.requester, c.transaction_uid, c.requested_at, c.request, c.repeated, c.decided_at,
    c.failures"""
_INSERT = """
insert into commitment (organisation, requester, transaction_uid, requested_at, request, repeated)
values (%s, %s, %s, %s, %s, %s) on conflict do nothing returning pk
"""
_DECIDE = "update commitment set decided_at = %s, failures = %s where pk = %s and decided_at is null"
_FORGET = """
delete from commitment where pk in (
    select pk from commitment where requested_at < %s order by requested_at limit %s for update skip locked)
"""


def keep(
    pool: Pool, *, organisation: int, requester: str, transaction_uid: str, at: datetime, request: Sequence[Reference],
    notification: NewNotification | None,
) -> tuple[int, int | None]:  # fmt: skip
    """A request made durable, with the notification of its result; the keys of both.

    The very same request again, while its result waits to be told, is the one that is kept. What else comes under a
    Transaction UID in use is kept as `repeated`; without anybody to tell it is not kept: the key is 0.
    """
    text = orjson.dumps(request).decode()
    values = (organisation, requester, transaction_uid, at, text)

    def work(connection: Connection) -> tuple[int, int | None]:
        with connection.transaction():
            row = connection.execute(_INSERT, (*values, False)).fetchone()
            if row is None:
                waiting = _waiting(connection, organisation, requester, transaction_uid, text)
                if waiting is not None:
                    return waiting
                if notification is None:
                    return 0, None
                row = connection.execute(_INSERT, (*values, True)).fetchone()
            pk = int(row[0]) if row is not None else 0
            if notification is None:
                return pk, None
            return pk, notifications.add(connection, notification, organisation=organisation, at=at, commitment=pk)

    with lent(pool) as connection:
        return work(connection)


def _waiting(
    connection: Connection, organisation: int, requester: str, transaction_uid: str, request: str
) -> tuple[int, int] | None:
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "c")
    row = connection.execute(
        f"""select c.pk, n.pk from commitment c join notification n on n.commitment = c.pk
        where {mine} and c.requester = {params.add(requester)} and c.transaction_uid = {params.add(transaction_uid)}
            and not c.repeated and c.request = {params.add(request)} and n.state = 'waiting'""",
        params.values,
    ).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def transaction(pool: Pool, pk: int) -> Transaction | None:
    """One request, for whoever tells its result."""

    def work(connection: Connection) -> Transaction | None:
        row = connection.execute(f"select {_FIELDS} from commitment c where c.pk = %s", (pk,)).fetchone()
        return None if row is None else _transaction(row)

    return retried(pool, work)


def by_uid(pool: Pool, scope: Scope, transaction_uid: str, requester: str) -> Transaction | None:
    """The request of a Transaction UID, for its own organisation."""
    params = Params()
    statement = f"""
        select {_FIELDS} from commitment c where {within(Scope((scope.own,), scope.own), params, "c")}
            and c.transaction_uid = {params.add(transaction_uid)} and c.requester = {params.add(requester)}
            and not c.repeated"""

    def work(connection: Connection) -> Transaction | None:
        row = connection.execute(statement, params.values).fetchone()
        return None if row is None else _transaction(row)

    return retried(pool, work)


def decide(pool: Pool, pk: int, *, at: datetime, failures: Sequence[tuple[str, str, int]]) -> None:
    """Write what came of a request; the first word counts."""
    values = (at, orjson.dumps(failures).decode(), pk)
    retried(pool, lambda connection: connection.execute(_DECIDE, values))


def forget(pool: Pool, *, before: datetime, limit: int = 200) -> int:
    """Delete requests that were made before; how many. Their notifications go with them."""
    with lent(pool) as connection:
        return connection.execute(_FORGET, (before, limit)).rowcount


def kept(pool: Pool, organisation: int, sop_instance_uids: Sequence[str]) -> Kept:
    """Where an organisation keeps these instances, rejected ones among them."""
    uids, scope = list(sop_instance_uids), Scope((organisation,), organisation)

    def work(connection: Connection) -> Kept:
        # loose first: what is packed between the two statements is found by the second
        alone = _alone(connection, scope, uids)
        return Kept(alone, _maybe(connection, scope, uids), _rejected(connection, scope, uids))

    return retried(pool, work)


def _alone(connection: Connection, scope: Scope, uids: list[str]) -> dict[str, tuple[str, str, int]]:
    params = Params()
    given = params.add(uids)
    statement = f"""
        select i.sop_instance_uid, i.sop_class_uid, i.key, i.offset_bytes + i.length_bytes from instance i
        where {within(scope, params, "i")} and i.sop_instance_uid = any({given}::text[])
        union all
        select o.sop_instance_uid, o.sop_class_uid, o.key, o.length_bytes from non_patient_instance o
        where {within(scope, params, "o")} and o.sop_instance_uid = any({given}::text[])"""
    return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(statement, params.values)}


def _maybe(connection: Connection, scope: Scope, uids: list[str]) -> dict[str, list[int]]:
    params = Params()
    hashes = params.add([sop_hash(uid) for uid in uids])
    statement = f"""
        select u.uid, l.series from unnest({params.add(uids)}::text[], {hashes}::bigint[]) as u(uid, hash)
        join locator l on l.hash = u.hash join series r on r.pk = l.series where {within(scope, params, "r")}"""
    found: dict[str, list[int]] = {}
    for uid, series in connection.execute(statement, params.values):
        found.setdefault(uid, []).append(series)
    return found


def _rejected(connection: Connection, scope: Scope, uids: list[str]) -> frozenset[str]:
    params = Params()
    statement = f"""
        select x.sop_instance_uid from rejection x
        where {within(scope, params, "x")} and x.sop_instance_uid = any({params.add(uids)}::text[]) and not x.note"""
    return frozenset(row[0] for row in connection.execute(statement, params.values))


def _transaction(row: tuple[Any, ...]) -> Transaction:
    pk, organisation, requester, transaction_uid, requested_at, request, repeated, decided_at, failures = row
    asked = tuple((one[0], one[1]) for one in orjson.loads(request))
    failed = tuple((one[0], one[1], one[2]) for one in orjson.loads(failures)) if failures else ()
    return Transaction(
        pk, organisation, requester, transaction_uid, requested_at, asked, repeated, decided_at, failed
    )
