"""What is answered at [base], from the tables requests are performed by; statements are rendered from it."""

from collections.abc import Iterator, Mapping

from fhir.interaction.request import kept_types
from fhir.interaction.table import INTERACTIONS
from fhir.operation.table import OPERATIONS


def claims() -> Mapping[str, object]:
    """Requests about resource types, as `GET Patient/id`, `GET Patient?criteria`, `POST $match Patient`."""
    return {"version": "4.0.1", "requests": sorted({*_interactions(), *_operations()})}


def _interactions() -> Iterator[str]:
    for one in INTERACTIONS:
        of_one, searched = one.path == "{type}/{id}", one.path == "{type}" and one.method != "POST"
        if of_one or searched or one.path in ("{type}", "{type}/_search"):
            tail = "/id" if of_one else "?criteria" if searched else one.path.removeprefix("{type}")
            yield from (f"{one.method} {name}{tail}" for name in kept_types())


def _operations() -> Iterator[str]:
    for one in OPERATIONS:
        methods = ("POST",) if one.affects_state else ("GET", "POST")
        yield from (f"{method} ${one.name} {name}" for name in one.types if one.type for method in methods)
