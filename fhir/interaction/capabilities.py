"""capabilities (http://hl7.org/fhir/R4/http.html#capabilities): what this server does, by the tables it works by."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import pacsd
from fhir.definitions.search_parameters import parameters
from fhir.interaction.declared import Interaction
from fhir.interaction.request import Answer, Request, kept_types
from fhir.interaction.services import Server
from fhir.operation.declared import Operation
from fhir.search.conditions import is_offered
from fhir.version import FHIR_VERSION

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
_WEBSOCKET = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"


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
        "instantiates": list(claims.instantiates),
        "fhirVersion": FHIR_VERSION,
        "format": list(claims.formats),
        "patchFormat": list(claims.patch_formats),
        "rest": [_rest(server, request)],
    }
    return Answer(200, resource={name: value for name, value in statement.items() if value != []})


def _socket(server: Server, request: Request) -> str:
    """Where WebSockets are opened (http://hl7.org/fhir/R4/subscription.html#websocket); empty: nowhere."""
    return f"{request.base.replace('http', 'ws', 1)}/{server.claims.socket}" if server.claims.socket else ""


def _rest(server: Server, request: Request) -> dict[str, Any]:
    interactions, operations = server.claims.interactions, server.claims.operations
    of_type = [{"code": one} for one in _told(interactions, "type")]
    return {
        "mode": "server",
        **({"extension": [{"url": _WEBSOCKET, "valueUri": socket}]} if (socket := _socket(server, request)) else {}),
        "resource": [_resource(server, name, of_type) for name in kept_types()],
        "interaction": [{"code": one} for one in _told(interactions, "system")],
        **_operations(one for one in operations if one.system),
    }


def _elsewhere(server: Server, name: str) -> dict[str, Any]:
    """Of a type that is kept elsewhere: it is not changed, and has one version."""
    known, by = parameters()[name], server.claims.searched.get(name, ())
    return {
        "type": name,
        "interaction": [{"code": one} for one in _told(server.claims.of_type[name], "type")],
        "versioning": "no-version",
        "searchParam": [{"name": one, "definition": known[one].url, "type": known[one].type}
                        for one in by if one in known],
    }  # fmt: skip


def _resource(server: Server, name: str, interactions: list[dict[str, str]]) -> dict[str, Any]:
    if name in server.claims.of_type:
        return _elsewhere(server, name)
    searched = [one for one in parameters()[name].values() if is_offered(one, full_text=server.full_text)]
    told: dict[str, Any] = {
        "type": name,
        "interaction": interactions,
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single" if server.limits.conditional_deletes == 1 else "multiple",
        "referencePolicy": ["literal", "logical"],
        "searchInclude": ["*", *(f"{name}:{one.code}" for one in searched if one.type == "reference")],
        "searchRevInclude": ["*", *_leading_to().get(name, ())],
        "searchParam": [{"name": one.code, "definition": one.url, "type": one.type} for one in searched],
    }
    mine = (one for one in server.claims.operations
            if (one.type or one.instance) and (not one.types or name in one.types))  # fmt: skip
    return {**told, **_operations(mine), **(_topics(server) if name == "Subscription" else {})}


def _topics(server: Server) -> dict[str, Any]:
    """What may be subscribed to (Subscriptions R5 Backport, "Topics in FHIR R4")."""
    if not server.claims.topics:
        return {}
    told = [{"url": f"{_BACKPORT}capabilitystatement-subscriptiontopic-canonical", "valueCanonical": one}
            for one in server.claims.topics]  # fmt: skip
    return {"extension": told, "supportedProfile": [f"{_BACKPORT}backport-subscription"]}


@cache
def _leading_to() -> Mapping[str, Sequence[str]]:
    """For each type the references that say they lead to it: `Observation:subject`; what leads to any is in `*`."""
    found: dict[str, list[str]] = {}
    for name in kept_types():
        for one in parameters()[name].values():
            for target in one.targets if one.type == "reference" else ():
                found.setdefault(target, []).append(f"{name}:{one.code}")
    return found


def _operations(operations: Iterable[Operation]) -> Mapping[str, Any]:
    told = [{"name": one.name, "definition": one.definition} for one in operations]
    return {"operation": told} if told else {}


def _told(interactions: Iterable[Interaction], level: str) -> list[str]:
    """Codes in their order, each once."""
    return list(dict.fromkeys(one.code for one in interactions if one.level == level))
