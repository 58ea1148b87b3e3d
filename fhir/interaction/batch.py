"""batch (http://hl7.org/fhir/R4/http.html#brules): entries that have nothing to do with each other.

Each is a request of its own: what one is refused for changes nothing of the others.
"""

from collections.abc import Mapping
from typing import Any

from fhir.interaction.bundle import bundle
from fhir.interaction.entries import Room, answered, entries, entry
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.interaction.transaction import transaction
from fhir.outcome import FhirError, of_error
from pacsd.faults import Fault, PacsdError


def batch(server: Server, request: Request) -> Answer:
    """200 with an answer for each entry of a batch, in their order; a transaction is done as one.

    Raises FhirError MISMATCH for a bundle of another type, TOO_MUCH for too many entries.
    """
    told = request.body()
    if told.get("resourceType") != "Bundle" or told.get("type") not in ("batch", "transaction"):
        raise FhirError(Fault.MISMATCH, "a Bundle of type batch or transaction is expected here",
                        expression=("Bundle.type",))  # fmt: skip
    given = entries(request, most=server.limits.max_entries)
    if told["type"] == "transaction":
        return transaction(server, request, given)
    done, room = [], Room(server.limits)
    for number, one in enumerate(given):
        done.append(room.left(_done(server, request, one, number, room)))
    return Answer(200, resource=bundle("batch-response", done))


def _done(server: Server, outer: Request, told: Mapping[str, Any], number: int, room: Room) -> dict[str, Any]:
    try:
        room.entered()
        asked = entry(outer, told, number)
        if not asked.path.strip("/") and asked.request.method == "POST":
            raise FhirError(Fault.UNSUPPORTED, "a batch within a batch")
        return answered(server.perform(server, asked.request, asked.path), asked.request)
    except PacsdError as error:
        status, issues, _ = of_error(error)
        return answered(Answer(status, issues=issues), outer)
