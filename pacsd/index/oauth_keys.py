"""Rows of the keys that sign tokens; the private halves are sealed."""

from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from pacsd.index.connect import Pool, lent, retried


def signing_keys(pool: Pool) -> list[tuple[str, dict[str, Any], bytes, datetime]]:
    """Id, public key, sealed private key, and from when it signs; the newest first."""
    statement = "select id, public, sealed, signs_from from oauth_key order by signs_from desc"
    rows = retried(pool, lambda connection: connection.execute(statement).fetchall())
    return [(one, public, bytes(sealed), signs_from) for one, public, sealed, signs_from in rows]


def add_signing_key(
    pool: Pool, key_id: str, public: dict[str, Any], sealed: bytes, signs_from: datetime, *, after: datetime | None
) -> bool:
    """Publish a key, if the newest one is still the one that signs from `after`; False if somebody was quicker."""
    statement = """
        insert into oauth_key (id, public, sealed, signs_from) select %s, %s, %s, %s
        where (select max(signs_from) from oauth_key) is not distinct from %s"""
    with lent(pool) as connection, connection.transaction():
        connection.execute("lock table oauth_key in share row exclusive mode")
        values = (key_id, Jsonb(public), sealed, signs_from, after)
        return connection.execute(statement, values).rowcount == 1


def drop_signing_keys(pool: Pool, replaced_before: datetime) -> None:
    """Those after which another signs since that moment or longer."""
    statement = """
        delete from oauth_key k where exists (
            select from oauth_key n where n.signs_from > k.signs_from and n.signs_from < %s)"""
    with lent(pool) as connection:
        connection.execute(statement, (replaced_before,))
