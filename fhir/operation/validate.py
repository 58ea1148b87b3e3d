"""$validate (http://hl7.org/fhir/R4/resource-operation-validate.html): what would be said of a resource."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fhir.format import json
from fhir.interaction.read import there
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.interaction.versions import named
from fhir.outcome import FhirError, Issue, of_error, outcome
from fhir.store import resources
from fhir.store.profiles import structure_definition
from pacsd.faults import Fault, PacsdError

MODES = ("create", "update", "delete", "profile")
_OWN = ("resource", "mode", "profile")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be validated; no resource where one of the server is meant."""

    resource: Mapping[str, Any] | None
    mode: str = ""
    profiles: tuple[str, ...] = ()


def validate(server: Server, request: Request) -> Answer:
    """200 with an OperationOutcome, whatever is found; errors in it say that the resource would be refused.

    Raises FhirError MALFORMED for parameters that are none, NOT_FOUND and GONE for a resource that is not there.
    """
    asked = decoded(request)
    if asked.mode == "delete":
        return Answer(200, resource=outcome(_of_deletion(server, request)))
    resource = asked.resource
    if resource is None or asked.mode == "profile":
        resource = _stored(server, request)
    issues = [*_of_mode(request, asked, resource), *_found(server, request, asked, resource)]
    return Answer(200, resource=outcome(issues))


def decoded(request: Request) -> Asked:
    """The parameters: of the URL, of Parameters in the body, or a resource that came alone."""
    told = dict(request.parameters)
    _refuse_unknown(told, ("mode", "profile"))
    profiles = [value for name, value in request.parameters if name == "profile"]
    resource = request.resource
    if resource is not None and resource.get("resourceType") == "Parameters":
        rows = resource.get("parameter")
        rows = [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
        if request.type != "Parameters" or any(one.get("name") in _OWN for one in rows):
            _refuse_unknown([str(one.get("name")) for one in rows], _OWN)
            resource = next((one.get("resource") for one in rows if one.get("name") == "resource"), None)
            told |= {str(one["name"]): _text(one) for one in rows if one.get("name") == "mode"}
            profiles += [_text(one) for one in rows if one.get("name") == "profile"]
    mode = told.get("mode", "")
    if mode and mode not in MODES:
        raise FhirError(Fault.MALFORMED, f"mode is one of {', '.join(MODES)}", code="value")
    if resource is not None and not isinstance(resource, dict):
        raise FhirError(Fault.MALFORMED, "the parameter resource is a resource", code="structure")
    return Asked(resource, mode, tuple(profiles))


def _refuse_unknown(names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise FhirError(Fault.UNSUPPORTED, f"{name[:64]!r} is no parameter that is known here")


def _text(parameter: Mapping[str, Any]) -> str:
    value = next((value for key, value in parameter.items() if key.startswith("value")), None)
    if not isinstance(value, str):
        raise FhirError(Fault.MALFORMED, f"the parameter {parameter.get('name')} is a code or URI", code="value")
    return value


def _stored(server: Server, request: Request) -> Mapping[str, Any]:
    """The resource of the URL, as it is kept."""
    if not request.id:
        raise FhirError(Fault.MALFORMED, "there is no resource to validate", code="required")
    found = there(resources.read(server.pool, request.asker.scope, request.name))
    return json.read(found.body)


def _of_mode(request: Request, asked: Asked, resource: Mapping[str, Any]) -> list[Issue]:
    """What speaks against what is intended: the wrong type, another id than the URL's."""
    if resource.get("resourceType") != request.type:
        return [Issue("error", "invalid", f"a {request.type} is expected here", ("resourceType",))]
    if asked.mode == "update" and request.id:
        try:
            named(resource, request.id)
        except PacsdError as error:
            return list(of_error(error)[1])
    if asked.mode == "profile" and not asked.profiles:
        return [Issue("error", "required", "mode profile needs a profile")]
    return []


def _of_deletion(server: Server, request: Request) -> list[Issue]:
    """Whether the resource of the URL may be deleted by who asks."""
    if not request.id:
        raise FhirError(Fault.MALFORMED, "mode delete is asked of a resource, by its URL", code="required")
    found = resources.read(server.pool, request.asker.scope, request.name)
    if found is None:
        return [Issue("error", "not-found", "there is no such resource")]
    if found.organisation != request.asker.organisation or found.owner:
        return [Issue("error", "business-rule", "this resource is another's, who alone deletes it")]
    return []


def _found(server: Server, request: Request, asked: Asked, resource: Mapping[str, Any]) -> list[Issue]:
    """What the validator says, with the profiles that are kept here beside those it knows."""
    known = server.validator.find

    def find(url: str) -> Mapping[str, Any] | None:
        return known(url) or structure_definition(server.pool, request.asker.scope, url)
    return replace(server.validator, find=find).check(resource, profiles=asked.profiles)
