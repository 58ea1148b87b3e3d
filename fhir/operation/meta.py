"""$meta, $meta-add, $meta-delete (http://hl7.org/fhir/R4/resource-operations.html): profiles, tags and labels.

R4 lets them be changed without a new version. Here each change makes one: a version stays as it was given out. What is
in use in all resources of a type, or in all of them, is not told.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fhir.format import json
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.interaction.writing import PATCH, Intent, write
from fhir.operation.declared import Operation
from fhir.operation.parameters import In, given
from fhir.operation.stated import resource
from fhir.outcome import FhirError
from pacsd.access.operations import Operation as Needs
from pacsd.faults import Fault

PARAMETERS = (In("meta", "Meta"),)
_LISTS = ("profile", "security", "tag")
Meta = Mapping[str, Any]


def meta(server: Server, request: Request) -> Answer:
    """200 with the meta of a resource. Raises FhirError NOT_FOUND, GONE."""
    given(request, ())                   # it has no parameters
    return _parameters(resource(server, request)["meta"])


def meta_add(server: Server, request: Request) -> Answer:
    """200 with the meta after all that was given and was not there has been added. Raises FhirError NOT_FOUND, GONE."""
    return _changed(server, request, _added)


def meta_delete(server: Server, request: Request) -> Answer:
    """200 with the meta after what was given has been taken away; what was not there is no error."""
    return _changed(server, request, _without)


def _changed(server: Server, request: Request, change: Callable[[Meta, Meta], Meta]) -> Answer:
    wanted = _given(request)

    def patch(current: Mapping[str, Any]) -> dict[str, Any]:
        return {**current, "meta": change(current["meta"], wanted)}

    answer = write(server, request.asker, Intent(PATCH, request, request.name, patch=patch))
    return _parameters(json.read(answer.stored.body)["meta"] if answer.stored is not None else {})


def _given(request: Request) -> Meta:
    """The parameter `meta`. Raises FhirError MALFORMED."""
    told: Meta | None = given(request, PARAMETERS).object("meta")
    if told is not None and all(isinstance(told.get(name, []), list) for name in _LISTS):
        return told
    raise FhirError(Fault.MALFORMED, "Parameters with a parameter meta are expected here", code="required")


def _added(current: Meta, given: Meta) -> Meta:
    told = dict(current)
    for name in _LISTS:
        known = {_same(one) for one in current.get(name, ())}
        if more := [one for one in given.get(name, ()) if _same(one) not in known]:
            told[name] = [*current.get(name, ()), *more]
    return told


def _without(current: Meta, given: Meta) -> Meta:
    told = dict(current)
    for name in _LISTS:
        gone = {_same(one) for one in given.get(name, ())}
        left = [one for one in current.get(name, ()) if _same(one) not in gone]
        told.pop(name, None)
        if left:
            told[name] = left
    return told


def _same(one: Any) -> object:
    """What makes a coding itself: system and code (resource-operations.html#meta-add)."""
    return json.write([one.get("system"), one.get("code")] if isinstance(one, dict) else one)


def _parameters(told: Meta) -> Answer:
    return Answer(200, resource={"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": told}]})


_DEFINED = "http://hl7.org/fhir/OperationDefinition/Resource-"
OPERATIONS = (
    Operation("meta", meta, f"{_DEFINED}meta", Needs.READ_RESOURCES, instance=True),
    Operation("meta-add", meta_add, f"{_DEFINED}meta-add", Needs.WRITE_RESOURCES, instance=True,
              affects_state=True),
    Operation("meta-delete", meta_delete, f"{_DEFINED}meta-delete", Needs.WRITE_RESOURCES, instance=True,
              affects_state=True),
)
