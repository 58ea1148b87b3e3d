"""What resources refer to, as far as it is here and the asker sees it."""

from collections.abc import Iterable, Iterator, Mapping

from fhir.interaction.request import Request
from fhir.interaction.services import Server
from fhir.search.query import Ids, Query
from fhir.store.search import Hit
from fhir.store.stored import Name

_DEEPEST = 64


def references(told: object, depth: int = 0) -> Iterator[str]:
    """Every literal reference in a resource, in order; what is contained in it refers as well."""
    if depth > _DEEPEST:
        return
    if isinstance(told, Mapping):
        reference = told.get("reference")
        if isinstance(reference, str):
            yield reference
        for value in told.values():
            yield from references(value, depth + 1)
    elif isinstance(told, list):
        for one in told:
            yield from references(one, depth + 1)


def local(reference: str, base: str) -> Name | None:
    """The resource of this server that a reference means; None for one that is elsewhere or contained."""
    parts = reference.removeprefix(f"{base}/").split("/")
    if len(parts) not in (2, 4) or ":" in parts[0] or parts[0].startswith("#"):
        return None
    return Name(parts[0], parts[1])


def fetched(server: Server, request: Request, names: Iterable[Name]) -> dict[Name, Hit]:
    """Those of some resources that are there, one statement for each type."""
    by_type: dict[str, list[str]] = {}
    for one in dict.fromkeys(names):
        by_type.setdefault(one.type, []).append(one.id)
    found: dict[Name, Hit] = {}
    for kind, ids in by_type.items():
        query = Query((kind,), (Ids(tuple(ids), (kind,)),), count=len(ids))
        page = server.searches.page(server.pool, request.asker.scope, query)
        found.update((Name(hit.type, hit.id), hit) for hit in page.hits)
    return found
