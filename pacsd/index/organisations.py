"""Organisations as rows, so that everything else can refer to them by a small key."""

from collections.abc import Iterable

from pacsd.index.connect import Connection, Pool, retried

_REGISTER = """
insert into organisation (code, name, assigning_authority) values (%s, %s, %s)
on conflict (code) do update set name = excluded.name, assigning_authority = excluded.assigning_authority
    where (organisation.name, organisation.assigning_authority)
        is distinct from (excluded.name, excluded.assigning_authority)
"""


def register(pool: Pool, organisations: Iterable[tuple[str, str, str]]) -> dict[str, int]:
    """Make or update (code, name, assigning authority); the keys of all organisations by code."""
    rows = sorted(organisations)

    def work(connection: Connection) -> dict[str, int]:
        with connection.transaction():
            for row in rows:
                connection.execute(_REGISTER, row)
            found = connection.execute("select code, pk from organisation")
            return dict(found.fetchall())

    return retried(pool, work)


def code(connection: Connection, key: int) -> str:
    """The code of an organisation, by which facts name it."""
    row = connection.execute("select code from organisation where pk = %s", (key,)).fetchone()
    if row is None:
        raise LookupError("there is no such organisation")
    return str(row[0])


def key_of(connection: Connection, code: str | None) -> int | None:
    """The key of an organisation by its code, None where it is not there."""
    row = connection.execute("select pk from organisation where code = %s", (code,)).fetchone()
    return None if row is None else int(row[0])
