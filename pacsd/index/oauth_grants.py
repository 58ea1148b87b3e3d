"""Rows of what people granted to clients, and of the codes and refresh tokens that stand for it.

Whether a code or a refresh token still counts is decided by the one statement that uses it up: of two that come at once
one wins. One that comes again shows that somebody else has it, and the whole family falls (RFC 9700 4.14.2).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pacsd.index.connect import Connection, Pool, lent, retried

_FIELDS = """g.id, g.client_id, g.user_pk, g.session, g.offline, g.scopes, g.audience, g.patient_authority,
    g.patient_id, g.patient, g.encounter, g.nonce, g.methods, g.signed_in_at, g.expires_at"""
# A grant that goes on: neither revoked nor over, its client there, its user not locked out, and its session not ended
# where it was for that session only.
_LIVE = """
g.revoked_at is null and g.expires_at > now() and (g.offline or exists (
    select from oauth_session s where s.id = g.session and s.expires_at > now()))
and exists (select from oauth_client c where c.client_id = g.client_id and c.removed_at is null)
and exists (select from oauth_user u where u.pk = g.user_pk and not u.locked)
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person allowed a client. `patient`, `encounter`: FHIR ids of the launch context."""

    id: UUID
    client_id: str
    user_pk: int
    session: bytes | None
    offline: bool
    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    patient_authority: str | None
    patient_id: str | None
    patient: str
    encounter: str
    nonce: str
    methods: tuple[str, ...]
    signed_in_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Launch:
    """What an EHR launches an app with."""

    organisation: str
    username: str
    patient_authority: str | None
    patient_id: str | None
    patient: str
    encounter: str


def add(pool: Pool, grant: Grant, *, code: bytes, redirect_uri: str, challenge: str, code_lasts_s: float) -> None:
    """Keep a grant, and the code that it is fetched with."""
    made = """
        insert into oauth_grant (id, client_id, user_pk, session, offline, scopes, audience, patient_authority,
            patient_id, patient, encounter, nonce, methods, signed_in_at, expires_at)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
    coded = """
        insert into oauth_code (hash, grant_id, redirect_uri, challenge, expires_at)
        values (%s, %s, %s, %s, now() + make_interval(secs => %s))"""
    values = (
        grant.id, grant.client_id, grant.user_pk, grant.session, grant.offline, list(grant.scopes),
        list(grant.audience), grant.patient_authority, grant.patient_id, grant.patient, grant.encounter, grant.nonce,
        list(grant.methods), grant.signed_in_at, grant.expires_at,
    )  # fmt: skip
    with lent(pool) as connection, connection.transaction():
        connection.execute(made, values)
        connection.execute(coded, (code, grant.id, redirect_uri, challenge, code_lasts_s))


@dataclass(frozen=True, slots=True)
class Code:
    """A code as it was given out, whatever became of it."""

    client_id: str
    redirect_uri: str
    challenge: str
    scopes: tuple[str, ...]


def code(pool: Pool, hashed: bytes) -> Code | None:
    """What a code must be shown with."""
    statement = """
        select g.client_id, c.redirect_uri, c.challenge, g.scopes
        from oauth_code c join oauth_grant g on g.id = c.grant_id where c.hash = %s"""
    row = retried(pool, lambda connection: connection.execute(statement, (hashed,)).fetchone())
    return None if row is None else Code(row[0], row[1], row[2], tuple(row[3]))


def use_code(pool: Pool, hashed: bytes, refresh: tuple[bytes, float] | None) -> Grant | None:
    """The grant of a code, once; with the first refresh token of its family (its hash, how long it lasts).

    None for a code that does not count. One that was used before takes all that came of it with it (RFC 6749 4.1.2).
    """
    used = f"""
        update oauth_code c set used_at = now() from oauth_grant g
        where c.hash = %s and g.id = c.grant_id and c.used_at is null and c.expires_at > now() and {_LIVE}
        returning {_FIELDS}"""
    with lent(pool) as connection, connection.transaction():
        row = connection.execute(used, (hashed,)).fetchone()
        if row is None:
            _revoke_family(connection, "oauth_code", hashed, "code used again")
            return None
        grant = _grant(row)
        _add_refresh(connection, grant, refresh)
    return grant


def use_refresh(pool: Pool, hashed: bytes, client_id: str, refresh: tuple[bytes, float]) -> Grant | None:
    """The grant of a client's refresh token, once; the next of the family is put in its place.

    None for one that does not count; one that was used before ends its family.
    """
    used = f"""
        update oauth_refresh r set used_at = now() from oauth_grant g
        where r.hash = %s and g.id = r.grant_id and g.client_id = %s and r.used_at is null and r.expires_at > now()
            and {_LIVE} returning {_FIELDS}"""
    with lent(pool) as connection, connection.transaction():
        row = connection.execute(used, (hashed, client_id)).fetchone()
        if row is None:
            _revoke_family(connection, "oauth_refresh", hashed, "refresh token used again", client_id)
            return None
        grant = _grant(row)
        _add_refresh(connection, grant, refresh)
    return grant


def granted_scopes(pool: Pool, hashed: bytes, client_id: str) -> tuple[str, ...]:
    """What a refresh token of a client stands for; empty where it is not one."""
    statement = """
        select g.scopes from oauth_refresh r join oauth_grant g on g.id = r.grant_id
        where r.hash = %s and g.client_id = %s"""
    row = retried(pool, lambda connection: connection.execute(statement, (hashed, client_id)).fetchone())
    return () if row is None else tuple(row[0])


def revoke_by_refresh(pool: Pool, hashed: bytes, client_id: str) -> None:
    """Revoke the grant of a client's refresh token (RFC 7009 2.1)."""
    with lent(pool) as connection:
        connection.execute(
            "update oauth_grant g set revoked_at = now(), revoked_why = 'revoked by client' from oauth_refresh r"
            " where r.hash = %s and g.id = r.grant_id and g.client_id = %s and g.revoked_at is null",
            (hashed, client_id),
        )


def revoke(pool: Pool, grant: UUID, *, user_pk: int, why: str) -> bool:
    """Revoke one of a user's grants; False if there is none that goes on."""
    with lent(pool) as connection:
        statement = """
            update oauth_grant set revoked_at = now(), revoked_why = %s
            where id = %s and user_pk = %s and revoked_at is null"""
        return connection.execute(statement, (why, grant, user_pk)).rowcount == 1


def of_user(pool: Pool, user_pk: int) -> list[tuple[Grant, str]]:
    """All of a user's that go on, with the names of their clients, the newest first."""
    statement = f"""
        select {_FIELDS}, n.name from oauth_grant g join oauth_client n on n.client_id = g.client_id
        where g.user_pk = %s and {_LIVE} order by g.made_at desc limit 100"""
    rows = retried(pool, lambda connection: connection.execute(statement, (user_pk,)).fetchall())
    return [(_grant(row[:-1]), row[-1]) for row in rows]


def standing(pool: Pool, grant: UUID, token: bytes) -> Grant | None:
    """The grant of an access token as things stand; None once it, its user, client or the token itself was revoked."""
    statement = f"""
        select {_FIELDS} from oauth_grant g where g.id = %s and {_LIVE}
        and not exists (select from oauth_revoked r where r.hash = %s)"""
    row = retried(pool, lambda connection: connection.execute(statement, (grant, token), prepare=True).fetchone())
    return None if row is None else _grant(row)


def is_revoked(pool: Pool, token: bytes) -> bool:
    """Whether a token was revoked alone."""
    statement = "select exists (select from oauth_revoked where hash = %s)"
    row = retried(pool, lambda connection: connection.execute(statement, (token,)).fetchone())
    return bool(row and row[0])


def revoke_token(pool: Pool, token: bytes, expires_at: datetime) -> None:
    """Revoke one access token."""
    with lent(pool) as connection:
        connection.execute("insert into oauth_revoked values (%s, %s) on conflict do nothing", (token, expires_at))


def first_use(pool: Pool, hashed: bytes, expires_at: datetime) -> bool:
    """Whether something that may be used once is used for the first time."""
    with lent(pool) as connection:
        statement = "insert into oauth_once values (%s, %s) on conflict do nothing"
        return connection.execute(statement, (hashed, expires_at)).rowcount == 1


def add_launch(pool: Pool, hashed: bytes, client_id: str, launch: Launch, *, lasts_s: float) -> None:
    """Keep the context of a launch."""
    statement = """
        insert into oauth_launch (hash, client_id, organisation, username, patient_authority, patient_id, patient,
            encounter, expires_at)
        select %s, %s, pk, %s, %s, %s, %s, %s, now() + make_interval(secs => %s) from organisation where code = %s"""
    values = (hashed, client_id, launch.username, launch.patient_authority, launch.patient_id, launch.patient,
              launch.encounter, lasts_s, launch.organisation)  # fmt: skip
    with lent(pool) as connection:
        connection.execute(statement, values)


def launch(pool: Pool, hashed: bytes, *, use: bool) -> Launch | None:
    """The context of a launch that was not used yet; with `use` it is from now on."""
    fields = "o.code, l.username, l.patient_authority, l.patient_id, l.patient, l.encounter"
    condition = "l.hash = %s and l.used_at is null and l.expires_at > now() and o.pk = l.organisation"
    looked = f"select {fields} from oauth_launch l, organisation o where {condition}"
    used = f"update oauth_launch l set used_at = now() from organisation o where {condition} returning {fields}"
    with lent(pool) as connection:
        row = connection.execute(used if use else looked, (hashed,)).fetchone()
    return None if row is None else Launch(*row)


def forget(pool: Pool) -> bool:
    """Delete what has been over for a day; False, for it is all of it."""
    with lent(pool) as connection:
        for table, column in _FADING:
            connection.execute(f"delete from {table} where {column} < now() - interval '1 day'")
        connection.execute("delete from oauth_device where seen_at < now() - interval '400 days'")
    return False


_FADING = (
    ("oauth_code", "expires_at"), ("oauth_refresh", "expires_at"), ("oauth_launch", "expires_at"),
    ("oauth_once", "expires_at"), ("oauth_revoked", "expires_at"), ("oauth_grant", "expires_at"),
    ("oauth_session", "expires_at"), ("oauth_attempt", "last_at"),
)  # fmt: skip


def _add_refresh(connection: Connection, grant: Grant, refresh: tuple[bytes, float] | None) -> None:
    if refresh is None:
        return
    connection.execute(
        "insert into oauth_refresh (hash, grant_id, expires_at)"
        " values (%s, %s, least(%s, now() + make_interval(secs => %s)))",
        (refresh[0], grant.id, grant.expires_at, refresh[1]),
    )


def _revoke_family(connection: Connection, table: str, hashed: bytes, why: str, client_id: str | None = None) -> None:
    """If the code or token was used before."""
    connection.execute(
        f"update oauth_grant g set revoked_at = now(), revoked_why = %s from {table} t"
        " where t.hash = %s and t.used_at is not null and g.id = t.grant_id and g.revoked_at is null"
        " and (%s::text is null or g.client_id = %s)",
        (why, hashed, client_id, client_id),
    )


def _grant(row: tuple[Any, ...]) -> Grant:
    session = None if row[3] is None else bytes(row[3])
    return Grant(*(*row[:3], session, row[4], tuple(row[5]), tuple(row[6]), *row[7:12], tuple(row[12]), *row[13:]))
