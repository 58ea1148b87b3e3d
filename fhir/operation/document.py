"""Composition/$document (http://hl7.org/fhir/R4/composition-operation-document.html)."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fhir.format import json
from fhir.format.instants import instant
from fhir.interaction.create import create
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.parameters import In, given
from fhir.operation.referenced import fetched, local, references
from fhir.operation.stated import resource
from fhir.outcome import FhirError
from pacsd.faults import Fault

PARAMETERS = (In("persist", "boolean"), In("graph", "uri"))
MOST_REFERRED = 1_000


def document(server: Server, request: Request) -> Answer:
    """200 with a Bundle of type document: the Composition, and all that it refers to directly.

    With `persist` 201: the bundle is kept as well. Raises FhirError INVALID where it refers to what is not here.
    """
    told = given(request, PARAMETERS)
    if told.text("graph"):
        raise FhirError(Fault.UNSUPPORTED, "the parameter graph is not supported: all that is referred to is there")
    composition = resource(server, request)
    names = list(dict.fromkeys(one for text in references(composition) if (one := local(text, request.base))))
    if len(names) > MOST_REFERRED:
        raise FhirError(Fault.TOO_BROAD, f"the composition refers to more than {MOST_REFERRED} resources")
    found = fetched(server, request, names)
    if missing := [str(one) for one in names if one not in found]:
        raise FhirError(Fault.INVALID, f"the composition refers to what is not here: {', '.join(missing)[:300]}",
                        code="not-found")  # fmt: skip
    made = document_of(request.base, [composition, *(json.read(found[one].body) for one in names)])
    if told.flag("persist"):
        return create(server, replace(request, type="Bundle", id="", operation="", parameters=(), resource=made))
    return Answer(200, resource=made)


def document_of(base: str, resources: list[Mapping[str, Any]]) -> dict[str, Any]:
    """A document of resources, the first of which is its Composition (http://hl7.org/fhir/R4/documents.html)."""
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"},
        "type": "document",
        "timestamp": instant(datetime.now(UTC)),
        "entry": [{"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one} for one in resources],
    }
