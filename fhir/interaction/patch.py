"""patch (http://hl7.org/fhir/R4/http.html#patch): a new version, told by what is different in it."""

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.interaction.writing import patch_intent, write


def patch(server: Server, request: Request) -> Answer:
    """200 with what the patch made of the newest version. Raises FhirError NOT_FOUND, GONE, STALE, INVALID.

    Without an id in the URL its query says which resource is meant (http.html#patch).
    """
    return write(server, request.asker, patch_intent(server, request))
