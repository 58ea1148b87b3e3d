"""Resources that show what the directory knows, found by whose word they are."""

from collections.abc import Mapping

from fhir.store.stored import Name
from pacsd.access.scope import Scope
from pacsd.index.connect import Connection
from pacsd.index.predicate import Params, within

_TYPES = ["Organization", "Endpoint", "Device", "ConceptMap"]


def names(connection: Connection, scope: Scope, owners: Mapping[int, str]) -> list[tuple[int, Name]]:
    """Those that are there, by organisation and the owner that they have in it."""
    params = Params()
    organisations, said = params.add(list(owners)), params.add(list(owners.values()))
    rows = connection.execute(f"""select r.organisation, r.type, r.id
        from unnest({organisations}::integer[], {said}::text[]) w(organisation, owner)
        join fhir_resource r on r.organisation = w.organisation and r.owner = w.owner
        where r.type = any({params.add(_TYPES)}) and {within(scope, params, "r")} and not r.deleted""",
        params.values)  # fmt: skip
    return [(row[0], Name(row[1], row[2])) for row in rows]
