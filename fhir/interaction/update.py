"""update (http://hl7.org/fhir/R4/http.html#update): a new version of a resource, or a first one under this id.

What says nothing new makes no version (the clause leaves it to the server): it is answered with the newest, as it is.
"""

from collections.abc import Mapping
from typing import Any

from fhir.interaction.request import Answer, Request, checked_id
from fhir.interaction.services import Server
from fhir.interaction.versions import acceptable, first, following, held_to, named
from fhir.outcome import Issue
from fhir.store import locks
from fhir.store.stored import Change, Name, Stored
from fhir.store.unit import Unit


def update(server: Server, request: Request) -> Answer:
    """200, or 201 where there was none (http.html#upsert). Raises FhirError STALE where If-Match does not hold."""
    checked_id(request.id)
    resource = request.body()
    issues = acceptable(server, resource, request.type)
    named(resource, request.id)

    def act(unit: Unit) -> Answer:
        current = unit.newest([request.name]).get(request.name)
        held_to(request, current)
        change = put(server, unit, current, request.name, resource)
        if change is None:
            return written(200, current, issues)
        unit.write([change])
        return written(200 if current is not None and not current.deleted else 201, change.stored, issues)

    asker = request.asker
    held = locks.of_resources([request.name])
    return server.units.run(act, scope=asker.scope, organisation=asker.organisation, held=held)


def put(
    server: Server, unit: Unit, current: Stored | None, name: Name, resource: Mapping[str, Any]
) -> Change | None:
    """The version that an update makes; None where it would say nothing new."""
    if current is None:
        return first(server, unit, name, resource, method="PUT", pk=unit.keys(1)[0])
    return following(server, unit, current, name, resource, method="PUT")


def written(status: int, stored: Stored | None, issues: tuple[Issue, ...] = ()) -> Answer:
    """The answer to who wrote a version; Location where it is new."""
    return Answer(status, stored=stored, about=stored, located=True, written=True, issues=issues)
