"""A code system from a file into tables (fhir.store.concepts), all of it or nothing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir.store import concepts
from fhir.store.concepts import New
from fhir.terminology.concepts import Concept
from fhir.terminology.files import Read
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Pool, lent

_DEEPEST = 100                           # levels of a hierarchy


def load(pool: Pool, read: Read, *, organisation: int | None) -> int:
    """How many concepts were loaded; the same version of the same owner is replaced when all are there.

    Raises PacsdError MISMATCH for a hierarchy that goes in a circle or names codes that are not there.
    """
    above = ancestors(read.concepts)
    count = len(read.concepts)
    with lent(pool) as connection, connection.transaction():
        connection.execute("set local statement_timeout = 0")
        system = concepts.begin(connection, organisation=organisation, header=read.header)
        concepts.fill(connection, system, _new(read.concepts, above), count)
        concepts.finish(connection, system, count)
    return count


def _new(found: Sequence[Concept], above: Mapping[str, frozenset[str]]) -> Iterator[New]:
    places = {one.code: place for place, one in enumerate(found)}
    for one in found:
        yield New(one.code, one.searched, one.parents, sorted(places[code] for code in above[one.code]), _told(one))


def _told(one: Concept) -> dict[str, Any]:
    told = {"display": one.display, "definition": one.definition, "designation": list(one.designations),
            "property": list(one.properties)}  # fmt: skip
    return {key: value for key, value in told.items() if value}


def ancestors(found: Sequence[Concept]) -> dict[str, frozenset[str]]:
    """All codes above each one, at any distance."""
    parents = {one.code: one.parents for one in found}
    done: dict[str, frozenset[str]] = {}
    for code in parents:
        path = [code]
        while path:
            missing = [one for one in parents[path[-1]] if one not in done]
            if not missing:
                last = path.pop()
                done[last] = frozenset(parents[last]).union(*(done[one] for one in parents[last]))
            elif missing[0] in path or len(path) > _DEEPEST:
                raise PacsdError(Fault.MISMATCH, f"the code {missing[0][:64]!r} is above itself")
            elif missing[0] not in parents:
                raise PacsdError(Fault.MISMATCH, f"the code {missing[0][:64]!r} is above others and not there")
            else:
                path.append(missing[0])
    return done
