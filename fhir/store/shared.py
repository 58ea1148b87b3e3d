"""Resources that clients and the archive share, and whose turn it is to project what the archive knows.

The owner of a shared resource is SHARED and what it is about: a client made it or changed it, the archive acted on it,
and what happens to its subject since is told in it. So it is found by its subject, and a rebuild finds it again.
"""

from collections.abc import Iterable, Sequence

from fhir.store.stored import Name
from fhir.store.subscriptions import DONE
from pacsd.access.scope import Scope
from pacsd.index.connect import Connection
from pacsd.index.predicate import Params, within

SHARED = "shared "
_LOCK_KEY = 0x66686972                   # "fhir": one projects at a time, so that nobody writes what he read before


def is_shared(owner: str) -> bool:
    """Whether both clients and the archive change a resource of this owner."""
    return owner.startswith(SHARED)


def turn(connection: Connection) -> None:
    """Wait until nobody else projects; what is read from now on is as new as what anybody wrote."""
    connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK_KEY,))


def snapshot(connection: Connection) -> str:
    """What is done by now."""
    row = connection.execute("select pg_current_snapshot()::text").fetchone()
    return "" if row is None else str(row[0])


def overtaken(connection: Connection, keys: Sequence[int], since: str) -> bool:
    """Whether any of these resources, which are held, was written by who was not done at a snapshot."""
    return bool(keys) and connection.execute(f"""select from fhir_resource r,
        (select pg_snapshot_xmax(pg_current_snapshot()) as now) n
        where r.pk = any(%s) and not {DONE.format("%s::pg_snapshot")} limit 1""", (list(keys), since)).rowcount > 0


def names(connection: Connection, scope: Scope, subjects: Iterable[tuple[int, str]]) -> dict[tuple[int, str], Name]:
    """By organisation and subject the resource that clients made of it, the first where there are several."""
    listed = sorted(set(subjects))
    if not listed:
        return {}
    params = Params()
    organisations = params.add([one[0] for one in listed])
    owners = params.add([SHARED + one[1] for one in listed])
    statement = f"""
        select r.organisation, r.owner, r.type, r.id
        from unnest({organisations}::integer[], {owners}::text[]) w(organisation, owner) join fhir_resource r
            on r.owner = w.owner and r.organisation = w.organisation and r.owner like 'shared %%'
        where {within(scope, params, "r")} and not r.deleted order by r.pk desc"""
    rows = connection.execute(statement, params.values)
    return {(row[0], row[1].removeprefix(SHARED)): Name(row[2], row[3]) for row in rows}


def swept(connection: Connection, kind: str) -> int | None:
    """The key up to which a kind of subjects was projected; None where that is finished."""
    connection.execute("insert into fhir_sweep (kind) values (%s) on conflict do nothing", (kind,))
    row = connection.execute("select after, finished from fhir_sweep where kind = %s for update", (kind,)).fetchone()
    return None if row is None or row[1] else int(row[0])


def sweep_on(connection: Connection, kind: str, after: int, *, finished: bool) -> None:
    """Say how far a kind of subjects was projected."""
    connection.execute(
        "update fhir_sweep set after = %s, finished = %s where kind = %s", (after, finished, kind)
    )
