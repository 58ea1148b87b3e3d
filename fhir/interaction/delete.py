"""delete (http://hl7.org/fhir/R4/http.html#delete): the resource is there no more, its history is."""

from fhir.interaction.request import Answer, Request, etag
from fhir.interaction.services import Server
from fhir.interaction.versions import held_to, removal
from fhir.outcome import FhirError
from fhir.store import locks
from fhir.store.unit import Unit
from pacsd.faults import Fault

NO_CONTENT = 204


def delete(server: Server, request: Request) -> Answer:
    """204 with the ETag of the deletion; the same for what was deleted before. Raises FhirError NOT_FOUND."""

    def act(unit: Unit) -> Answer:
        current = unit.newest([request.name]).get(request.name)
        if current is None or current.organisation not in unit.scope.organisations:
            raise FhirError(Fault.NOT_FOUND, "there is no such resource")
        held_to(request, current)
        change = removal(unit, current)
        if change is not None:
            unit.write([change])
        return Answer(NO_CONTENT, headers={"ETag": etag(change.stored if change is not None else current)})

    asker = request.asker
    held = locks.of_resources([request.name])
    return server.units.run(act, scope=asker.scope, organisation=asker.organisation, held=held)
