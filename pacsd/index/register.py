"""Organisations and AEs that were registered while the server ran, as rows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from config.interfaces import OrganisationSettings, RemoteAESettings
from pacsd.access.register import Caller, Register, RegisteredAE, RegisteredOrganisation, Tells
from pacsd.index import organisations
from pacsd.index.connect import Connection, Pool, retried

_MICROSECOND = timedelta(microseconds=1)
Told = Mapping[str, Any]


class OrganisationRow(NamedTuple):
    """A registered organisation."""

    organisation: int
    keeper: int
    active: bool
    said_at: datetime


class EntityRow(NamedTuple):
    """A registered AE: `caller` and `remote` None where nothing is registered of it."""

    keeper: int
    caller: Told | None
    remote: Told | None
    said_at: datetime


def version(pool: Pool) -> int:
    """Another number once anything has changed."""
    def work(connection: Connection) -> int:
        row = connection.execute("select version from register", prepare=True).fetchone()
        return int(row[0]) if row is not None else 0

    return retried(pool, work)


def read(pool: Pool) -> tuple[dict[str, int], Register]:
    """The keys of all organisations by code, and what is registered."""
    def work(connection: Connection) -> tuple[dict[str, int], Register]:
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read")
            keys: dict[str, int] = dict(connection.execute("select code, pk from organisation").fetchall())
            return keys, Register(_organisations(connection), _entities(connection))

    return retried(pool, work)


def _organisations(connection: Connection) -> tuple[RegisteredOrganisation, ...]:
    rows = connection.execute("""select k.code, o.code, o.name, o.assigning_authority, r.active
        from registered_organisation r join organisation o on o.pk = r.organisation
        join organisation k on k.pk = r.keeper order by o.pk""")
    return tuple(
        RegisteredOrganisation(keeper, OrganisationSettings(code, name, authority), active)
        for keeper, code, name, authority, active in rows
    )


def _entities(connection: Connection) -> tuple[RegisteredAE, ...]:
    rows = connection.execute("""select k.code, o.code, e.title, e.caller, e.remote
        from registered_ae e join organisation o on o.pk = e.organisation
        join organisation k on k.pk = e.keeper
        where e.caller is not null or e.remote is not null order by e.pk""")
    return tuple(_entity(*row) for row in rows)


def _entity(keeper: str, organisation: str, title: str, caller: Told | None, remote: Told | None) -> RegisteredAE:
    """As the directory knows it; what says who calls says it of what is sent there too, and of both a certificate."""
    said = _lists(caller or {}) | certificate_of(caller, remote)
    calls = None if caller is None else Caller(title, organisation, **said)
    values = {"title": title, "organisation": organisation, **said, **(remote or {})}
    return RegisteredAE(keeper, calls, None if remote is None else RemoteAESettings(**values))


def certificate_of(*parts: Told | None) -> dict[str, str]:
    """What the parts of an AE say of its certificate, which is one, whichever of them says it; else nothing."""
    told = [str(one["certificate"]) for one in parts if one is not None and one.get("certificate")]
    return {"certificate": told[0]} if told else {}


def _lists(told: Told) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}


def hold(connection: Connection) -> None:
    """Nobody else changes the register until this transaction ends, after which everybody sees that it changed."""
    connection.execute("update register set version = version + 1")


def later(said_at: datetime, before: datetime | None) -> datetime:
    """When something is said that follows what was said before."""
    return said_at if before is None else max(said_at, before + _MICROSECOND)


def organisation(connection: Connection, key: int) -> OrganisationRow | None:
    """A registered organisation, None for one of the settings; for who holds the register."""
    row = connection.execute("""select organisation, keeper, active, said_at from registered_organisation
        where organisation = %s""", (key,)).fetchone()
    return None if row is None else OrganisationRow(*row)


def add_organisation(connection: Connection, code: str, name: str, authority: str) -> int:
    """The key of an organisation, which is made where the code is new."""
    connection.execute("""insert into organisation (code, name, assigning_authority) values (%s, %s, %s)
        on conflict (code) do nothing""", (code, name, authority))
    key = organisations.key_of(connection, code)
    if key is None:
        raise LookupError("there is no such organisation")
    return key


def say_organisation(connection: Connection, row: OrganisationRow, name: str, authority: str) -> bool:
    """Have an organisation be like this; False where something later was said."""
    done = connection.execute("""insert into registered_organisation values (%s, %s, %s, %s)
        on conflict (organisation) do update set keeper = excluded.keeper, active = excluded.active,
            said_at = excluded.said_at where registered_organisation.said_at < excluded.said_at""", row).rowcount > 0
    if done:
        connection.execute("update organisation set name = %s, assigning_authority = %s where pk = %s",
                           (name, authority, row.organisation))
    return done


def entity(connection: Connection, organisation: int, title: str) -> EntityRow | None:
    """What is registered of an AE; for who holds the register."""
    row = connection.execute("""select keeper, caller, remote, said_at from registered_ae
        where organisation = %s and title = %s""", (organisation, title)).fetchone()
    return None if row is None else EntityRow(*row)


def say_entity(connection: Connection, organisation: int, title: str, row: EntityRow) -> bool:
    """Have an AE be like this; False where something later was said."""
    values = (organisation, title, row.keeper, _json(row.caller), _json(row.remote), row.said_at)
    return connection.execute("""insert into registered_ae (organisation, title, keeper, caller, remote, said_at)
        values (%s, %s, %s, %s, %s, %s)
        on conflict (organisation, title) do update set keeper = excluded.keeper, caller = excluded.caller,
            remote = excluded.remote, said_at = excluded.said_at
            where registered_ae.said_at < excluded.said_at""", values).rowcount > 0


def _json(told: Told | None) -> Jsonb | None:
    return None if told is None else Jsonb(dict(told))


def calling(connection: Connection, title: str) -> list[tuple[str, Tells]]:
    """The registered AEs that call by a title: codes of their organisations, and what they are known by."""
    rows = connection.execute("""select o.code, e.caller from registered_ae e
        join organisation o on o.pk = e.organisation where e.title = %s and e.caller is not null order by e.pk""",
        (title,))  # fmt: skip
    return [(code, Tells.of(told)) for code, told in rows]


def kept_by(connection: Connection, keeper: int) -> set[str]:
    """The codes of organisations that one keeps."""
    return {code for (code,) in connection.execute("""select o.code from registered_organisation r
        join organisation o on o.pk = r.organisation where r.keeper = %s""", (keeper,))}


def claiming(connection: Connection, authority: str) -> set[str]:
    """The codes of registered organisations, and of those of registered AEs, that speak for an assigning authority."""
    return {code for (code,) in connection.execute("""select o.code from registered_organisation r
        join organisation o on o.pk = r.organisation where o.assigning_authority = %(authority)s
        union select o.code from registered_ae e join organisation o on o.pk = e.organisation
        where e.caller ->> 'assigning_authority' = %(authority)s""", {"authority": authority})}
