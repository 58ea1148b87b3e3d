"""update (http://hl7.org/fhir/R4/http.html#update): a new version of a resource, or a first one under this id.

What says nothing new makes no version (the clause leaves it to the server): it is answered with the newest, as it is.
"""

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.interaction.writing import update_intent, write


def update(server: Server, request: Request) -> Answer:
    """200, or 201 where there was none (http.html#upsert). Raises FhirError STALE where If-Match does not hold.

    Without an id in the URL its query says which resource is meant (http.html#cond-update).
    """
    return write(server, request.asker, update_intent(server, request))
