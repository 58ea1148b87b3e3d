"""Resources put into a database by what is found in them, without anything that would find it."""

from collections.abc import Iterable, Sequence

import orjson

from fhir.store.rows import Rows, Texts
from pacsd.index.connect import Pool
from tests.fhir.search.naive import Resource

_ORGANISATION = """insert into organisation (pk, code, name, assigning_authority) overriding system value
    values (%s, %s, %s, %s)"""
_PUT = """insert into fhir_resource (pk, organisation, version, updated, deleted, method, type, id, owner, body)
    values (%s, %s, %s, %s, false, 'PUT', %s, %s, '', %s)
    on conflict (pk) do update set version = excluded.version, updated = excluded.updated"""


def organisations(pool: Pool, keys: Iterable[int]) -> None:
    """Organisations of these keys."""
    with pool.connection() as connection:
        connection.execute("reset role")
        for key in keys:
            connection.execute(_ORGANISATION, (key, f"org{key}", f"org{key}", f"A{key}"))
        connection.execute("set role pacsd_app")


def put(pool: Pool, resources: Sequence[Resource], *, texts: bool = False) -> None:
    """Write resources, or new versions of them, with their rows."""
    told = Rows(lambda one: Texts(*one.texts)) if texts else Rows()
    with pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_PUT, [
            (one.pk, one.organisation, one.version, one.updated, one.type, one.id,
             orjson.dumps({"resourceType": one.type, "id": one.id})) for one in resources
        ])  # fmt: skip
        told.replace(connection, resources)
