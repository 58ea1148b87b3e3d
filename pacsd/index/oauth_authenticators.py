"""Rows of security keys and other authenticators of WebAuthn, several to a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pacsd.index.connect import Pool, lent, retried

MOST = 10                                # of one person


@dataclass(frozen=True, slots=True)
class Authenticator:
    """One of them. `credential`: Attested Credential Data (WebAuthn 6.5.1); `number` names it where people see it."""

    id: bytes
    number: UUID
    name: str
    credential: bytes
    made_at: datetime
    used_at: datetime | None
    copied_at: datetime | None           # since when it is known that there are two of it


def of_user(pool: Pool, user_pk: int) -> Sequence[Authenticator]:
    """All of a person's, the oldest first."""
    statement = """
        select id, number, name, credential, made_at, used_at, copied_at from oauth_authenticator
        where user_pk = %s order by made_at"""
    rows = retried(pool, lambda connection: connection.execute(statement, (user_pk,)).fetchall())
    return [_authenticator(row) for row in rows]


def add(
    pool: Pool, user_pk: int, identifier: bytes, number: UUID, *, name: str, credential: bytes, sign_count: int
) -> bool:
    """Keep one; False where it is somebody's already (WebAuthn 7.1, step 26), or the person has enough."""
    statement = """
        insert into oauth_authenticator (id, number, user_pk, name, credential, sign_count)
        select %s, %s, %s, %s, %s, %s where (select count(*) from oauth_authenticator where user_pk = %s) < %s
        on conflict do nothing"""
    with lent(pool) as connection, connection.transaction():
        connection.execute("select from oauth_user where pk = %s for update", (user_pk,))     # one after another
        values = (identifier, number, user_pk, name, credential, sign_count, user_pk, MOST)
        return connection.execute(statement, values).rowcount == 1


def used(pool: Pool, user_pk: int, identifier: bytes, sign_count: int) -> bool:
    """It was shown with this counter; False where that is none that follows, and from then on it counts no more.

    Of two that are the same authenticator by all appearances one is a copy (WebAuthn 6.1.1, 7.2 step 22): which of them
    cannot be told. One that counts nothing shows zero every time.
    """
    following = """
        update oauth_authenticator set sign_count = %s, used_at = now()
        where id = %s and user_pk = %s and copied_at is null and (sign_count < %s or (sign_count = 0 and %s = 0))"""
    copied = "update oauth_authenticator set copied_at = coalesce(copied_at, now()) where id = %s and user_pk = %s"
    with lent(pool) as connection, connection.transaction():
        values = (sign_count, identifier, user_pk, sign_count, sign_count)
        if connection.execute(following, values).rowcount == 1:
            return True
        connection.execute(copied, (identifier, user_pk))
    return False


def remove(pool: Pool, user_pk: int, number: UUID) -> bool:
    """Take one of a person's away; False if it is not theirs."""
    with lent(pool) as connection:
        statement = "delete from oauth_authenticator where number = %s and user_pk = %s"
        return connection.execute(statement, (number, user_pk)).rowcount == 1


def _authenticator(row: tuple[Any, ...]) -> Authenticator:
    return Authenticator(bytes(row[0]), row[1], row[2], bytes(row[3]), *row[4:])
