"""capabilities (http://hl7.org/fhir/R4/http.html#capabilities): what this server does, told by the tables it works by."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pacsd
from fhir.definitions.search_parameters import parameters
from fhir.definitions.structures import structures
from fhir.interaction.declared import Interaction
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.declared import Operation
from fhir.version import FHIR_VERSION


def capabilities(server: Server, request: Request) -> Answer:
    """200 with the CapabilityStatement of this instance."""
    claims = server.claims
    statement = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": claims.date,
        "kind": "instance",
        "software": {"name": "pacsd", "version": pacsd.__version__},
        "implementation": {"description": "pacsd", "url": request.base},
        "fhirVersion": FHIR_VERSION,
        "format": list(claims.formats),
        "patchFormat": list(claims.patch_formats),
        "rest": [_rest(claims.interactions, claims.operations, searched=claims.searched)],
    }
    return Answer(200, resource={name: value for name, value in statement.items() if value != []})


def _rest(interactions: Sequence[Interaction], operations: Sequence[Operation], *, searched: bool) -> dict[str, Any]:
    codes = {one.code for one in interactions}
    of_type = [{"code": one} for one in _told(interactions, "type")]
    return {
        "mode": "server",
        "resource": [_resource(name, of_type, codes, operations, searched) for name in structures().resource_types],
        "interaction": [{"code": one} for one in _told(interactions, "system")],
        **_operations(one for one in operations if one.system),
    }


def _resource(
    name: str, interactions: list[dict[str, str]], codes: set[str], operations: Sequence[Operation], searched: bool
) -> dict[str, Any]:
    conditional = "conditional" in codes
    told: dict[str, Any] = {
        "type": name,
        "interaction": interactions,
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": conditional,
        "conditionalRead": "full-support",
        "conditionalUpdate": conditional,
        "conditionalDelete": "single" if conditional else "not-supported",
        "referencePolicy": ["literal", "logical"],
    }
    if searched:
        told["searchParam"] = [
            {"name": one.code, "definition": one.url, "type": one.type} for one in parameters()[name].values()
        ]
    mine = (one for one in operations if (one.type or one.instance) and (not one.types or name in one.types))
    return {**told, **_operations(mine)}


def _operations(operations: Iterable[Operation]) -> Mapping[str, Any]:
    told = [{"name": one.name, "definition": one.definition} for one in operations]
    return {"operation": told} if told else {}


def _told(interactions: Iterable[Interaction], level: str) -> list[str]:
    """Codes in their order, each once."""
    return list(dict.fromkeys(one.code for one in interactions if one.level == level))
