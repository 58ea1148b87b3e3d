"""The resource that an operation on an instance is about."""

from typing import Any

from fhir.format import json
from fhir.interaction.read import shown
from fhir.interaction.request import Conditions, Request
from fhir.interaction.services import Server
from fhir.store import resources
from fhir.store.stored import Stored


def stored(server: Server, request: Request) -> Stored:
    """In its newest version. Raises FhirError NOT_FOUND, GONE."""
    found = resources.read(server.pool, request.asker.scope, request.name)
    shown(found, Conditions())
    if found is None:
        raise LookupError("what is shown is there")
    return found


def resource(server: Server, request: Request) -> dict[str, Any]:
    """The same, read."""
    return json.read(stored(server, request).body)
