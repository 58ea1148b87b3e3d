"""The resource that an operation is about: one that is kept, or one that came with the request."""

from collections.abc import Mapping
from typing import Any

from fhir.format import json
from fhir.interaction.read import shown
from fhir.interaction.request import Conditions, Request
from fhir.interaction.services import Server
from fhir.outcome import FhirError
from fhir.store import resources
from fhir.store.stored import Stored
from pacsd.faults import Fault


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


def sound(server: Server, told: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A resource that came with the request, of a shape that can be read. Raises FhirError MALFORMED."""
    if told.get("resourceType") != kind:
        raise FhirError(Fault.MALFORMED, f"a {kind} is expected here", code="value")
    issues = tuple(one for one in server.validator.check(told, named=False) if one.code == "structure")
    if issues:
        raise FhirError(Fault.MALFORMED, f"the {kind} is not as FHIR has it", issues=issues)
    return told
