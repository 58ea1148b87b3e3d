"""Rows of the people who sign in here, and of what slows down who guesses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from pacsd.index.connect import Connection, Pool, lent, retried

_FIELDS = """u.pk, o.code, u.username, u.name, u.password, u.roles, u.patient_authority, u.patient_id, u.fhir_user,
    u.locked, u.totp, u.totp_confirmed, exists (select from oauth_authenticator a where a.user_pk = u.pk)"""
_FROM = "oauth_user u join organisation o on o.pk = u.organisation"


@dataclass(frozen=True, slots=True)
class User:
    """A person. `password`: an Argon2id hash; `totp`: the sealed secret of an authenticator app; `has_keys`: of
    security keys, those that count no more included."""

    pk: int
    organisation: str
    username: str
    name: str
    password: str
    roles: tuple[str, ...]
    patient_authority: str | None
    patient_id: str | None
    fhir_user: str
    locked: bool
    totp: bytes | None
    totp_confirmed: bool
    has_keys: bool

    @property
    def patient(self) -> tuple[str, str] | None:
        """Assigning authority and id of who signs in as a patient."""
        return (self.patient_authority, self.patient_id) if self.patient_authority and self.patient_id else None


def user(pool: Pool, username: str) -> User | None:
    """By folded name."""
    return _one(pool, "u.username = %s", username)


def by_key(pool: Pool, pk: int) -> User | None:
    """By key."""
    return _one(pool, "u.pk = %s", pk)


def users(pool: Pool) -> list[User]:
    """All of them, by name."""
    statement = f"select {_FIELDS} from {_FROM} order by u.username"
    return [_user(row) for row in retried(pool, lambda connection: connection.execute(statement).fetchall())]


def add(
    pool: Pool, *, organisation: str, username: str, name: str, password: str, roles: Sequence[str],
    patient: tuple[str, str] | None, fhir_user: str,
) -> bool:  # fmt: skip
    """Make a user; False if the name is taken."""
    statement = """
        insert into oauth_user (organisation, username, name, password, roles, patient_authority, patient_id, fhir_user)
        select pk, %s, %s, %s, %s, %s, %s, %s from organisation where code = %s on conflict do nothing"""
    values = (username, name, password, list(roles), *(patient or (None, None)), fhir_user, organisation)
    with lent(pool) as connection:
        return connection.execute(statement, values).rowcount == 1


def set_locked(pool: Pool, username: str, *, locked: bool) -> bool:
    """Lock a user out, which ends all that they have open, or let them in again; False if there is none."""
    with lent(pool) as connection, connection.transaction():
        row = connection.execute(
            "update oauth_user set locked = %s where username = %s returning pk", (locked, username)
        ).fetchone()
        if row is not None and locked:
            end_all(connection, row[0], why="user locked")
    return row is not None


def set_password(pool: Pool, pk: int, password: str, *, keep: bytes | None = None) -> None:
    """Another password; all sessions but one, and all grants, end."""
    with lent(pool) as connection, connection.transaction():
        connection.execute("update oauth_user set password = %s, password_at = now() where pk = %s", (password, pk))
        end_all(connection, pk, why="password changed", keep=keep)


def renew_hash(pool: Pool, pk: int, old: str, new: str) -> None:
    """The same password, hashed as it is done today."""
    with lent(pool) as connection:
        connection.execute("update oauth_user set password = %s where pk = %s and password = %s", (new, pk, old))


def set_roles(pool: Pool, username: str, roles: Sequence[str]) -> bool:
    """Other roles; felt within seconds. False if there is no such user."""
    with lent(pool) as connection:
        statement = "update oauth_user set roles = %s where username = %s"
        return connection.execute(statement, (list(roles), username)).rowcount == 1


def set_totp(pool: Pool, pk: int, sealed: bytes | None) -> None:
    """A second factor that is still to be confirmed, or none."""
    statement = "update oauth_user set totp = %s, totp_confirmed = false, totp_step = 0 where pk = %s"
    with lent(pool) as connection:
        connection.execute(statement, (sealed, pk))


def take_totp(pool: Pool, pk: int, step: int, *, sealed: bytes) -> bool:
    """A code of a time step was shown; False if one of that step or a later one was before (RFC 6238 5.2)."""
    statement = """
        update oauth_user set totp_step = %s, totp_confirmed = true where pk = %s and totp = %s and totp_step < %s"""
    with lent(pool) as connection:
        return connection.execute(statement, (step, pk, sealed, step)).rowcount == 1


def forget_second_factor(pool: Pool, username: str) -> bool:
    """For who lost theirs, the app and all keys; False if there is no such user."""
    statement = """
        with gone as (delete from oauth_authenticator where user_pk = (select pk from oauth_user where username = %s))
        update oauth_user set totp = null, totp_confirmed = false, totp_step = 0 where username = %s"""
    with lent(pool) as connection:
        return connection.execute(statement, (username, username)).rowcount == 1


def end_all(connection: Connection, pk: int, *, why: str, keep: bytes | None = None) -> None:
    """End the sessions of a user, but one, and revoke what they granted."""
    connection.execute(
        "update oauth_grant set revoked_at = now(), revoked_why = %s where user_pk = %s and revoked_at is null",
        (why, pk),
    )
    connection.execute("delete from oauth_session where user_pk = %s and id is distinct from %s", (pk, keep))


@dataclass(frozen=True, slots=True)
class Guesses:
    """A count of guesses: after `free` of them each doubles the wait for the next, from a second up to `most_s`.

    `subject`: hash of what is guessed at; `address`: from where, `*` for anywhere. It begins anew after `window_s`.
    """

    subject: bytes
    address: str
    free: int
    most_s: float
    window_s: float = 3600.0


_GUESS = """
insert into oauth_attempt as a (subject, address, failures) values (%(subject)s, %(address)s, 1)
on conflict (subject, address) do update set last_at = now(),
    failures = case when a.last_at < now() - make_interval(secs => %(window)s) then 1
        else least(a.failures + 1, 1000000) end,
    until = case when a.last_at < now() - make_interval(secs => %(window)s) or a.failures < %(free)s then a.until
        else now() + make_interval(secs => least(%(most)s, power(2, least(a.failures - %(free)s, 30)))) end
    where a.until <= now()
returning 1
"""


def guess(pool: Pool, counts: Sequence[Guesses]) -> float:
    """Count a guess before it is looked at, so that many at once are no more than one after another.

    0 where it may be looked at; else how long to wait, and nothing is counted: who is made to wait by others does not
    wait longer for trying.
    """
    left = 0.0
    waiting = "select extract(epoch from until - now()) from oauth_attempt where subject = %s and address = %s"
    with lent(pool) as connection, connection.transaction() as transaction:
        for one in counts:
            values = {"subject": one.subject, "address": one.address, "free": one.free, "most": one.most_s,
                      "window": one.window_s}  # fmt: skip
            if connection.execute(_GUESS, values).fetchone() is None:
                row = connection.execute(waiting, (one.subject, one.address)).fetchone()
                left = max(float(row[0]), 1.0) if row is not None else 1.0
                raise psycopg.Rollback(transaction)
    return left


def guessed(pool: Pool, counts: Sequence[Guesses]) -> None:
    """It was right: the counts of what was guessed at end, that of the address alone is one less."""
    named = [one for one in counts if one.subject]
    columns = [[one.subject for one in named], [one.address for one in named]]
    places = [one.address for one in counts if not one.subject]
    with lent(pool) as connection, connection.transaction():
        connection.execute(
            "delete from oauth_attempt a using unnest(%s::bytea[], %s::text[]) as k(subject, address)"
            " where a.subject = k.subject and a.address = k.address",
            columns,
        )
        connection.execute(
            "update oauth_attempt set failures = greatest(failures - 1, 0) where subject = '' and address = any(%s)",
            (places,),
        )


def is_known_device(pool: Pool, device: bytes, pk: int) -> bool:
    """Whether the user signed in from this device before."""
    statement = "update oauth_device set seen_at = now() where id = %s and user_pk = %s"
    with lent(pool) as connection:
        return connection.execute(statement, (device, pk)).rowcount == 1


def remember_device(pool: Pool, device: bytes, pk: int) -> None:
    """The user signed in from this device."""
    with lent(pool) as connection:
        statement = "insert into oauth_device (id, user_pk) values (%s, %s) on conflict do nothing"
        connection.execute(statement, (device, pk))


def _one(pool: Pool, condition: str, value: object) -> User | None:
    statement = f"select {_FIELDS} from {_FROM} where {condition}"
    row = retried(pool, lambda connection: connection.execute(statement, (value,)).fetchone())
    return None if row is None else _user(row)


def _user(row: tuple[Any, ...]) -> User:
    return User(*(*row[:5], tuple(row[5]), *row[6:]))
