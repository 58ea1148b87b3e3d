"""Rows of who is signed in, and where. A session is known by the hash of what its cookie holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pacsd.index.connect import Pool, lent, retried

_FIELDS = "id, number, user_pk, level, methods, address, agent, made_at, seen_at, expires_at"


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. `level`: `password` while a second factor is waited for, `enrol` while one is to be set up,
    then `full`.

    `methods`: how the person proved who they are (RFC 8176); `number` names the session where people see it.
    """

    id: bytes
    number: UUID
    user_pk: int
    level: str
    methods: tuple[str, ...]
    address: str
    agent: str
    made_at: datetime
    seen_at: datetime
    expires_at: datetime


def add(
    pool: Pool, session: bytes, number: UUID, user_pk: int, *, level: str, methods: Sequence[str], address: str,
    agent: str, lasts_s: float,
) -> None:  # fmt: skip
    """Begin one."""
    statement = """
        insert into oauth_session (id, number, user_pk, level, methods, address, agent, expires_at)
        values (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))"""
    with lent(pool) as connection:
        connection.execute(statement, (session, number, user_pk, level, list(methods), address, agent, lasts_s))


def session(pool: Pool, identifier: bytes) -> Session | None:
    """The session of a hash, if it goes on and its user is not locked out; that it was seen is noted now and then."""
    statement = f"""
        select {_FIELDS} from oauth_session s where id = %s and expires_at > now()
        and not exists (select from oauth_user u where u.pk = s.user_pk and u.locked)"""
    seen = "update oauth_session set seen_at = now() where id = %s and seen_at < now() - interval '60 seconds'"
    with lent(pool) as connection:
        row = connection.execute(statement, (identifier,)).fetchone()
        if row is not None:
            connection.execute(seen, (identifier,))
    return None if row is None else _session(row)


def of_user(pool: Pool, user_pk: int) -> list[Session]:
    """All that go on, the newest first."""
    statement = f"""
        select {_FIELDS} from oauth_session where user_pk = %s and level = 'full' and expires_at > now()
        order by made_at desc limit 100"""
    rows = retried(pool, lambda connection: connection.execute(statement, (user_pk,)).fetchall())
    return [_session(row) for row in rows]


def raise_level(pool: Pool, old: bytes, new: bytes, *, methods: Sequence[str], lasts_s: float) -> bool:
    """The second factor was shown: a full session under a new id (against fixation); False if the old one is gone."""
    statement = """
        update oauth_session set id = %s, level = 'full', methods = %s, made_at = now(),
            expires_at = now() + make_interval(secs => %s)
        where id = %s and level <> 'full' and expires_at > now()"""
    with lent(pool) as connection:
        return connection.execute(statement, (new, list(methods), lasts_s, old)).rowcount == 1


def end(pool: Pool, user_pk: int, number: UUID) -> bool:
    """End one of a user's sessions, and what was granted in it for as long as it lasts; False if there is none."""
    with lent(pool) as connection, connection.transaction():
        row = connection.execute(
            "select id from oauth_session where number = %s and user_pk = %s for update", (number, user_pk)
        ).fetchone()
        if row is None:
            return False
        connection.execute(
            "update oauth_grant set revoked_at = now(), revoked_why = 'session ended'"
            " where session = %s and not offline and revoked_at is null",
            row,
        )
        connection.execute("delete from oauth_session where id = %s", row)
    return True


def _session(row: tuple[Any, ...]) -> Session:
    return Session(*(bytes(row[0]), *row[1:4], tuple(row[4]), *row[5:]))
