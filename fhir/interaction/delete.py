"""delete (http://hl7.org/fhir/R4/http.html#delete): the resource is there no more, its history is."""

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.interaction.writing import delete_intent, write


def delete(server: Server, request: Request) -> Answer:
    """204, with the ETag of the deletion; also for what was never there. Raises FhirError STALE, REFUSED.

    Without an id in the URL its query says what is meant; STALE where it finds more than the settings allow.
    """
    return write(server, request.asker, delete_intent(server, request))
