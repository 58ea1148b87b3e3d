"""StructureDefinitions among the resources that are kept."""

from collections.abc import Mapping
from typing import Any

from fhir.format import json
from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, retried
from pacsd.index.predicate import Params, within

_MOST = 50                               # that name a URL, to look through


def structure_definition(pool: Pool, scope: Scope, canonical: str) -> Mapping[str, Any] | None:
    """The StructureDefinition of a canonical URL that somebody may see, with or without |version; None for none.

    Bodies of the few there are are looked through; of several with the same URL the one last written counts.
    """
    url, _, version = canonical.partition("|")
    params = Params()
    statement = f"""select body from fhir_resource r where r.type = 'StructureDefinition' and not r.deleted
        and position({params.add(url.encode())}::bytea in r.body) > 0 and {within(scope, params, "r")}
        order by r.updated desc limit {_MOST}"""
    rows = retried(pool, lambda connection: connection.execute(statement, params.values).fetchall())
    for (body,) in rows:
        told = json.read(bytes(body))
        if told.get("url") == url and version in ("", told.get("version")):
            return told
    return None
