"""Rows of HL7 messages that go out: a queue for each destination, in order, with the pauses of one that is away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.predicate import Params, within

WAITING, DELIVERED, REFUSED = "waiting", "delivered", "refused"
_LOCK_CLASS = 0x686C37                   # "hl7": advisory locks of two keys, this and the destination

_ADD = """
insert into hl7_outgoing (destination, organisation, queued_at, control_id, message_type, body)
values (%s, %s, %s, %s, %s, %s) returning pk
"""
_CLAIM = """
update hl7_destination set holder = %(holder)s, leased_until = %(until)s
where name = %(name)s and due_at <= %(now)s and (holder is null or holder = %(holder)s or leased_until < %(now)s)
returning name
"""
_FIRST = """
select pk, body, attempts from hl7_outgoing where destination = %s and state = 'waiting' order by pk limit 1
"""
_SETTLE = """
update hl7_outgoing set state = %s, settled_at = %s, answer = %s, problem = %s, attempts = attempts + 1
where pk = %s and state = 'waiting'
"""
_FAILED = "update hl7_outgoing set problem = %s, attempts = attempts + 1 where pk = %s"
_AGAIN = """
insert into hl7_outgoing (destination, organisation, queued_at, control_id, message_type, body)
select destination, organisation, %s, control_id, message_type, body from hl7_outgoing where pk = %s returning pk
"""
_NAMES = ("pk", "destination", "queued_at", "state", "control_id", "message_type", "attempts", "problem")
_FIELDS = ", ".join(f"m.{name}" for name in (*_NAMES, "body", "answer"))
_FORGET = """
delete from hl7_outgoing where pk in
    (select pk from hl7_outgoing where settled_at < %s order by settled_at limit %s for update skip locked)
"""


@dataclass(frozen=True, slots=True)
class Queued:
    """A message of a queue."""

    pk: int
    destination: str
    queued_at: datetime
    state: str
    control_id: str
    message_type: str
    attempts: int
    problem: str | None
    body: bytes
    answer: bytes | None


def register(pool: Pool, names: Sequence[str]) -> None:
    """Make the destinations known."""

    def work(connection: Connection) -> None:
        with connection.transaction():
            for name in sorted(names):
                connection.execute("insert into hl7_destination (name) values (%s) on conflict do nothing", (name,))

    retried(pool, work)


def add(
    connection: Connection, destination: str, organisation: int, *, at: datetime, control_id: str, message_type: str,
    body: bytes,
) -> int:  # fmt: skip
    """Queue a message in the caller's transaction; its key. Raises PacsdError NOT_FOUND for an unknown destination.

    Transactions that queue for one destination wait for each other, so that keys follow the order of commits.
    """
    known = connection.execute(
        "select pg_advisory_xact_lock(%s, hashtext(name)) from hl7_destination where name = %s",
        (_LOCK_CLASS, destination),
    ).fetchone()
    if known is None:
        raise PacsdError(Fault.NOT_FOUND, f"there is no destination {destination}")
    row = connection.execute(_ADD, (destination, organisation, at, control_id, message_type, body)).fetchone()
    return 0 if row is None else int(row[0])


def is_queued(connection: Connection, destination: str, control_id: str) -> bool:
    """Whether a message of that control id was queued for a destination before. Whoever asks holds its queue."""
    connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK_CLASS, destination))
    statement = "select from hl7_outgoing where destination = %s and control_id = %s limit 1"
    return connection.execute(statement, (destination, control_id)).fetchone() is not None


def set_aside(connection: Connection, pk: int, *, at: datetime, problem: str) -> None:
    """A message that was queued in this transaction is not to be sent as it is."""
    connection.execute(_SETTLE, (REFUSED, at, None, problem, pk))


def next_of(
    pool: Pool, destination: str, *, holder: str, now: datetime, lease_s: float
) -> tuple[int, bytes, int] | None:
    """The oldest message that waits, with its attempts, for whoever holds the destination; None while it pauses."""
    until = now + timedelta(seconds=lease_s)
    with lent(pool) as connection:
        first = connection.execute(_FIRST, (destination,)).fetchone()
        if first is None:
            return None
        claim = {"name": destination, "holder": holder, "until": until, "now": now}
        if connection.execute(_CLAIM, claim).fetchone() is None:
            return None
        first = connection.execute(_FIRST, (destination,)).fetchone()    # as it is for who holds the destination
    return None if first is None else (int(first[0]), bytes(first[1]), int(first[2]))


def settle(
    pool: Pool, pk: int, destination: str, *, state: str, at: datetime, answer: bytes, problem: str | None = None
) -> None:
    """A message was delivered or refused for good; its destination is there."""

    def work(connection: Connection) -> None:
        with connection.transaction():
            connection.execute(_SETTLE, (state, at, answer, problem, pk))
            connection.execute(
                "update hl7_destination set failures = 0, due_at = '-infinity' where name = %s and failures > 0",
                (destination,),
            )

    retried(pool, work)


def pause(pool: Pool, pk: int, destination: str, *, until: datetime, problem: str) -> None:
    """A message was not delivered: its destination pauses."""
    with lent(pool) as connection, connection.transaction():
        connection.execute(_FAILED, (problem, pk))
        connection.execute(
            "update hl7_destination set failures = failures + 1, due_at = %s where name = %s", (until, destination)
        )


def failures(pool: Pool, destination: str) -> int:
    """How often in a row the destination could not be reached."""
    with lent(pool) as connection:
        row = connection.execute("select failures from hl7_destination where name = %s", (destination,)).fetchone()
    return 0 if row is None else int(row[0])


def release(pool: Pool, destination: str, *, holder: str) -> None:
    """Let another process go on at once."""
    with lent(pool) as connection:
        connection.execute(
            "update hl7_destination set holder = null, leased_until = null where name = %s and holder = %s",
            (destination, holder),
        )


def again(pool: Pool, pk: int, *, at: datetime) -> int | None:
    """Queue a message once more, behind what waits; its new key."""
    with lent(pool) as connection:
        row = connection.execute(_AGAIN, (at, pk)).fetchone()
    return None if row is None else int(row[0])


def found(pool: Pool, scope: Scope, *, state: str | None, limit: int) -> list[Queued]:
    """The newest messages of all queues."""
    params = Params()
    where = within(scope, params, "m")
    if state is not None:
        where += f" and m.state = {params.add(state)}"
    statement = f"""
        select {_FIELDS} from hl7_outgoing m where {where} order by m.pk desc limit {params.add(limit)}"""
    with lent(pool) as connection:
        return [_queued(row) for row in connection.execute(statement, params.values)]


def one(pool: Pool, scope: Scope, pk: int) -> Queued | None:
    """A message of a queue."""
    params = Params()
    statement = f"select {_FIELDS} from hl7_outgoing m where {within(scope, params, 'm')} and m.pk = {params.add(pk)}"
    with lent(pool) as connection:
        row = connection.execute(statement, params.values).fetchone()
    return None if row is None else _queued(row)


def forget(pool: Pool, *, before: datetime, limit: int = 1000) -> int:
    """Delete messages that were settled before; how many, at most `limit`. What waits is never deleted."""
    with lent(pool) as connection:
        return connection.execute(_FORGET, (before, limit)).rowcount


def _queued(row: Sequence[Any]) -> Queued:
    *plain, body, answer = row
    named = dict(zip(_NAMES, plain, strict=True))
    return Queued(**named, body=bytes(body), answer=None if answer is None else bytes(answer))
