"""Legal holds: studies of which nothing is deleted, by rule or by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, lent
from pacsd.index.predicate import Params, within

_HOLD = """
insert into legal_hold (organisation, study_instance_uid, reason, held_at) values (%s, %s, %s, %s)
on conflict (study_instance_uid, organisation) do update set reason = excluded.reason, held_at = excluded.held_at
where legal_hold.held_at < excluded.held_at
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """A study that is not to be deleted, and why."""

    study_instance_uid: str
    reason: str
    held_at: datetime


def hold(pool: Pool, organisation: int, study_instance_uid: str, *, reason: str, at: datetime) -> None:
    """Put a study on hold, be it here or not; said later counts."""
    with lent(pool) as connection, connection.transaction():
        connection.execute("set local synchronous_commit = on")
        connection.execute(_HOLD, (organisation, study_instance_uid, reason, at))


def release(pool: Pool, organisation: int, study_instance_uid: str) -> None:
    """End a hold, if there is one."""
    with lent(pool) as connection, connection.transaction():
        connection.execute("set local synchronous_commit = on")
        connection.execute(
            "delete from legal_hold where study_instance_uid = %s and organisation = %s",
            (study_instance_uid, organisation),
        )


def is_held(pool: Pool, organisation: int, study_instance_uid: str) -> bool:
    """Whether an organisation's study is on hold."""
    with lent(pool) as connection:
        return connection.execute(
            "select from legal_hold where study_instance_uid = %s and organisation = %s",
            (study_instance_uid, organisation),
        ).fetchone() is not None


def listed(pool: Pool, organisation: int) -> list[Hold]:
    """The holds of an organisation, the newest first."""
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "h")
    statement = f"""
        select h.study_instance_uid, h.reason, h.held_at from legal_hold h where {mine}
        order by h.held_at desc, h.study_instance_uid"""
    with lent(pool) as connection:
        return [Hold(*row) for row in connection.execute(statement, params.values)]


@contextmanager
def settled(pool: Pool, organisation: int, study_instance_uid: str) -> Iterator[None]:
    """Within it nobody else, on any machine, decides whether a study is held or deleted."""
    with lent(pool) as connection, connection.transaction():
        connection.execute(
            "select pg_advisory_xact_lock(hashtext('pacsd_hold'), hashtext(%s))",
            (f"{organisation} {study_instance_uid}",),
        )
        yield
