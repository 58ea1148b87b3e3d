"""create (http://hl7.org/fhir/R4/http.html#create): a new resource, under an id of the server's."""

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.interaction.versions import acceptable, first
from fhir.outcome import FhirError
from fhir.store.stored import Name
from fhir.store.unit import Unit
from pacsd.faults import Fault


def create(server: Server, request: Request) -> Answer:
    """201 with Location and ETag. An id in the body counts for nothing. Raises FhirError where the body is refused."""
    if request.conditions.if_none_exist:
        raise FhirError(Fault.UNSUPPORTED, "If-None-Exist is not supported")
    resource = request.body()
    issues = acceptable(server, resource, request.type)
    name = Name(request.type, server.new_id())

    def act(unit: Unit) -> Answer:
        change = first(server, unit, name, resource, method="POST", pk=unit.keys(1)[0])
        unit.write([change])
        return Answer(201, stored=change.stored, about=change.stored, located=True, written=True, issues=issues)

    asker = request.asker
    return server.units.run(act, scope=asker.scope, organisation=asker.organisation)
