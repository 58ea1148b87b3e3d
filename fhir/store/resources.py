"""The newest version of each resource: read for somebody, read by who writes, and written.

Ids are one name space for each type (http://hl7.org/fhir/R4/resource.html#id): a resource of another organisation is
not there for a reader, and its name is taken for a writer.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fhir.store.opened import open_resource
from fhir.store.stored import Change, Name, Stored
from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, retried
from pacsd.index.predicate import Params

FIELDS = "pk, organisation, type, id, version, updated, deleted, method, owner, body"

_HELD = f"""
select {", ".join(f"r.{name}" for name in FIELDS.split(", "))}
from unnest(%s::text[], %s::text[]) w (type, id) join fhir_resource r on (r.type, r.id) = (w.type, w.id)
"""
_COLUMNS = """bigint[], integer[], text[], text[], integer[], timestamptz[], boolean[], text[], text[], bytea[]"""
_GIVEN = f"""select * from unnest({", ".join(f"%s::{kind.strip()}" for kind in _COLUMNS.split(","))})
    g ({FIELDS})"""
_INSERT = f"insert into fhir_resource ({FIELDS}) {_GIVEN}"
_ONE = f"insert into fhir_resource ({FIELDS}) values ({', '.join(['%s'] * 10)})"
_REMEMBER = f"""
insert into fhir_version (resource, version, organisation, updated, deleted, method, type, id, owner, body)
select pk, version, organisation, updated, deleted, method, type, id, owner, body from ({_GIVEN}) e
on conflict (resource, version) do update set updated = excluded.updated, deleted = excluded.deleted,
    method = excluded.method, owner = excluded.owner, body = excluded.body
where fhir_version.updated < excluded.updated
"""
_CORRECT = f"""
with given as ({_GIVEN})
update fhir_resource r set updated = g.updated, deleted = g.deleted, method = g.method, owner = g.owner, body = g.body
from given g where r.pk = g.pk and r.version = g.version
"""
# The parts of one statement see the rows as they were before it: what is moved is the version that is replaced.
_REPLACE = f"""
with given as ({_GIVEN}),
moved as (
    insert into fhir_version (resource, version, organisation, updated, deleted, method, type, id, owner, body)
    select r.pk, r.version, r.organisation, r.updated, r.deleted, r.method, r.type, r.id, r.owner, r.body
    from given g join fhir_resource r on r.pk = g.pk
)
update fhir_resource r set version = g.version, updated = g.updated, deleted = g.deleted, method = g.method,
    owner = g.owner, body = g.body
from given g where r.pk = g.pk
"""


def read(pool: Pool, scope: Scope, name: Name) -> Stored | None:
    """The newest version of a resource the asker may see; it may say that the resource was deleted."""
    params = Params()
    statement = f"""select {FIELDS} from fhir_resource r
        where r.type = {params.add(name.type)} and r.id = {params.add(name.id)}
        and {open_resource(scope, params, "r", "r.pk")}"""
    found = retried(
        pool, lambda connection: connection.execute(statement, params.values, prepare=True).fetchone(), scope
    )
    return None if found is None else Stored(*found)


def last_updated(pool: Pool) -> datetime | None:
    """When a resource was last changed, whoever's it is; None where there is none."""
    statement = "select max(updated) from fhir_resource"
    found = retried(pool, lambda connection: connection.execute(statement).fetchone())
    return found[0] if found else None


def held(connection: Connection, names: Iterable[Name]) -> Mapping[Name, Stored]:
    """Newest versions for who is about to write them and holds their locks: whoever's they are."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    rows = connection.execute(_HELD, ([one.type for one in wanted], [one.id for one in wanted]), prepare=True)
    return {found.name: found for found in (Stored(*row) for row in rows)}


def write(connection: Connection, changes: Sequence[Change]) -> None:
    """Make these the newest versions, each of another resource, in one statement for new ones and one for others."""
    make(connection, [one for one in changes if one.version == 1])
    supersede(connection, [one for one in changes if one.version > 1])


def make(connection: Connection, changes: Sequence[Change]) -> None:
    """Put resources there that were not, whatever the number of their version."""
    if len(changes) == 1:
        connection.execute(_ONE, [column[0] for column in _columns(changes)], prepare=True)
    elif changes:
        connection.execute(_INSERT, _columns(changes), prepare=True)


def supersede(connection: Connection, changes: Sequence[Change]) -> None:
    """Let what was the newest version of each be an earlier one."""
    if changes:
        connection.execute(_REPLACE, _columns(changes), prepare=True)


def correct(connection: Connection, changes: Sequence[Change]) -> None:
    """Put others in the place of newest versions with the same number."""
    if changes:
        connection.execute(_CORRECT, _columns(changes), prepare=True)


def remember(connection: Connection, changes: Sequence[Change]) -> None:
    """Keep earlier versions of resources that are there; of two with one number the later one."""
    if changes:
        connection.execute(_REMEMBER, _columns(changes), prepare=True)


def _columns(changes: Sequence[Change]) -> list[list[Any]]:
    return [[getattr(one, name) for one in changes] for name in FIELDS.split(", ")]
