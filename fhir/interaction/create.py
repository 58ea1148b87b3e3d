"""create (http://hl7.org/fhir/R4/http.html#create): a new resource, under an id of the server's."""

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.interaction.writing import create_intent, write


def create(server: Server, request: Request) -> Answer:
    """201 with Location and ETag; an id in the body counts for nothing. Raises FhirError where the body is refused.

    With If-None-Exist (http.html#ccreate) 200 with the resource that is there already, STALE where there are several.
    """
    return write(server, request.asker, create_intent(server, request))
