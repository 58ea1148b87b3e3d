"""From method and path to the interaction or operation that is meant."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fhir.interaction.declared import Interaction
from fhir.interaction.permission import admitted
from fhir.interaction.request import Answer, Asker, Request, checked_id, checked_type
from fhir.interaction.services import Server
from fhir.operation.declared import Operation
from fhir.outcome import FhirError
from pacsd.faults import Fault, PacsdError

_PLACES = ("type", "id", "compartment")  # what the first, the second, the third part of a path stands for
_MAX_PARTS = 6


class Place(NamedTuple):
    """A path, taken apart: its shape as tables of interactions write it, and what stands in its places."""

    shape: str
    type: str = ""
    id: str = ""
    version: str = ""
    compartment: str = ""
    operation: str = ""


def place(path: str) -> Place:
    """A path under [base], without query. Raises FhirError NOT_FOUND, MALFORMED for what can be none of ours."""
    parts = [one for one in path.split("/") if one]
    if len(parts) > _MAX_PARTS:
        raise _nowhere()
    shape, told = [], {}
    for number, part in enumerate(parts):
        if number and parts[number - 1] == "_history":
            name = "version"
        elif part[0] == "$" and number == len(parts) - 1:
            told["operation"] = part[1:]
            shape.append("$")
            continue
        elif part[0] == "_" or path.strip("/") == "metadata":
            shape.append(part)
            continue
        else:
            name = _PLACES[min(number, 2)]
        told[name] = part
        shape.append(f"{{{name}}}")
    return _checked(Place("/".join(shape), **told))


def _checked(found: Place) -> Place:
    if found.type:
        checked_type(found.type)
    if found.id:
        checked_id(found.id)
    if found.compartment and found.compartment != "*":
        checked_type(found.compartment)
    return found


class Dispatch:
    """Performs requests by the tables of interactions and operations."""

    def __init__(
        self, interactions: Sequence[Interaction], operations: Sequence[Operation],
        of_type: Mapping[str, Sequence[Interaction]] | None = None,
    ) -> None:  # fmt: skip
        """`of_type`: of a type that is kept elsewhere, these and no others."""
        self._interactions = _by_path(interactions)
        self._of_type = {name: _by_path(own) for name, own in (of_type or {}).items()}
        self._operations: dict[str, list[Operation]] = {}
        for each in operations:
            self._operations.setdefault(each.name, []).append(each)

    def __call__(self, server: Server, request: Request, path: str) -> Answer:
        """The answer to a request, whose path fills its places. Raises PacsdError.

        What is asked for is decided by what the path says, before anything is looked at.
        """
        found = place(path)
        asked = _placed(request, found, request.asker)
        meant = self._meant(asked, found)
        recording = server.recording
        try:
            asker = admitted(asked, meant.needs, found.compartment or found.type)
            answer = meant.handler(server, asked if asker is asked.asker else _placed(asked, found, asker))
        except PacsdError as error:
            if recording is not None and error.fault is not Fault.UNAUTHENTICATED:     # that is the edge's to record
                recording.refused(asked, meant, error)
            raise
        if recording is not None:
            recording.done(asked, meant, answer)
        return answer

    def _meant(self, request: Request, found: Place) -> Interaction | Operation:
        if found.operation:
            return self._operation(request, found)
        interactions = self._of_type.get(found.compartment or found.type, self._interactions).get(found.shape)
        if interactions is None:
            raise _nowhere()
        interaction = interactions.get(request.method)
        if interaction is None:
            raise _not_allowed(interactions)
        return interaction

    def _operation(self, request: Request, found: Place) -> Operation:
        named = self._operations.get(found.operation, ())
        operation = next((one for one in named if one.may_be_asked(found.type, found.id)), None)
        if operation is None:
            raise FhirError(Fault.NOT_FOUND, f"there is no operation ${found.operation[:64]} here",
                            code="not-supported")  # fmt: skip
        if request.method not in ("GET", "POST") or (operation.affects_state and request.method != "POST"):
            raise _not_allowed(("POST",) if operation.affects_state else ("GET", "POST"))
        return operation


def _placed(request: Request, at: Place, asker: Asker) -> Request:
    """The request with what its path says; each has one, so nothing is looked up by name (dataclasses.replace)."""
    return Request(
        asker, request.base, request.method, at.type, at.id, at.version, at.operation, at.compartment,
        request.parameters, request.resource, request.content, request.content_type, request.conditions,
        request.handling, request.returning,
    )  # fmt: skip


def _by_path(interactions: Sequence[Interaction]) -> dict[str, dict[str, Interaction]]:
    found: dict[str, dict[str, Interaction]] = {}
    for one in interactions:
        found.setdefault(one.path, {})[one.method] = one
    return found


def _nowhere() -> FhirError:
    return FhirError(Fault.NOT_FOUND, "there is nothing at this path", code="not-supported")


def _not_allowed(methods: Mapping[str, Interaction] | Sequence[str]) -> FhirError:
    allowed = sorted({*methods, *(("HEAD",) if "GET" in methods else ()), "OPTIONS"})
    return FhirError(Fault.UNSUPPORTED, "this method is not for this path", status=405,
                     headers={"Allow": ", ".join(allowed)})  # fmt: skip
