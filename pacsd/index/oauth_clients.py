"""Rows of OAuth clients: the programs that act for people, or for themselves (RFC 6749 2)."""

from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from pacsd.index.connect import Pool, lent, retried

_FIELDS = """c.client_id, o.code, c.name, c.method, c.secret, c.keys, c.keys_url, c.certificate, c.redirect_uris,
    c.scopes, c.roles, c.grants, c.trusted, c.launches"""
_FROM = "oauth_client c join organisation o on o.pk = c.organisation"


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client. `method`: how it proves who it is (RFC 7591 2, token_endpoint_auth_method)."""

    client_id: str
    organisation: str
    name: str
    method: str
    secret: bytes | None = None
    keys: dict[str, Any] | None = None
    keys_url: str | None = None
    certificate: str | None = None
    redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    trusted: bool = False
    launches: bool = False


def client(pool: Pool, client_id: str) -> Client | None:
    """One of them; None for one that is not there, or was removed."""
    statement = f"select {_FIELDS} from {_FROM} where c.client_id = %s and c.removed_at is null"
    row = retried(pool, lambda connection: connection.execute(statement, (client_id,)).fetchone())
    return None if row is None else _client(row)


def clients(pool: Pool) -> list[Client]:
    """All of them, by id."""
    statement = f"select {_FIELDS} from {_FROM} where c.removed_at is null order by c.client_id"
    return [_client(row) for row in retried(pool, lambda connection: connection.execute(statement).fetchall())]


def add(pool: Pool, one: Client) -> bool:
    """Register a client; False if the id is taken, or was."""
    statement = """
        insert into oauth_client (client_id, organisation, name, method, secret, keys, keys_url, certificate,
            redirect_uris, scopes, roles, grants, trusted, launches)
        select %s, pk, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s from organisation where code = %s
        on conflict do nothing"""
    values = (
        one.client_id, one.name, one.method, one.secret, Jsonb(one.keys) if one.keys is not None else None,
        one.keys_url, one.certificate, list(one.redirect_uris), list(one.scopes), list(one.roles), list(one.grants),
        one.trusted, one.launches, one.organisation,
    )  # fmt: skip
    with lent(pool) as connection:
        return connection.execute(statement, values).rowcount == 1


def remove(pool: Pool, client_id: str) -> bool:
    """End a client and all that was granted to it; False if there is none. Its id stays taken."""
    with lent(pool) as connection, connection.transaction():
        gone = connection.execute(
            "update oauth_client set removed_at = now(), secret = null where client_id = %s and removed_at is null",
            (client_id,),
        ).rowcount
        connection.execute(
            "update oauth_grant set revoked_at = now(), revoked_why = 'client removed'"
            " where client_id = %s and revoked_at is null",
            (client_id,),
        )
    return gone == 1


def _client(row: tuple[Any, ...]) -> Client:
    lists = [tuple(one) for one in row[8:12]]
    return Client(*row[:8], *lists, *row[12:])
