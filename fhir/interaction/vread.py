"""vread (http://hl7.org/fhir/R4/http.html#vread): one version of a resource."""

from fhir.interaction.read import shown
from fhir.interaction.request import MAX_VERSION, Answer, Request
from fhir.interaction.services import Server
from fhir.outcome import FhirError
from fhir.store import history
from pacsd.faults import Fault

_DIGITS = len(str(MAX_VERSION))


def vread(server: Server, request: Request) -> Answer:
    """200 with the version, whether or not it is the newest. Raises FhirError NOT_FOUND, GONE for a deletion."""
    text = request.version
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text) <= MAX_VERSION):
        raise FhirError(Fault.NOT_FOUND, "there is no such version")
    return shown(history.version(server.pool, request.asker.scope, request.name, int(text)), request.conditions)
