"""One version that a client writes, with what is around it, as the rules of each type act on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir.format import json
from fhir.outcome import FhirError
from fhir.projection import stated
from fhir.projection.projected import House
from fhir.store import resources
from fhir.store.shared import is_shared
from fhir.store.stored import Change, Name, Stored
from fhir.store.unit import Unit
from pacsd.faults import Fault
from pacsd.index.sources import Patient
from pacsd.index.work import Work

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Deed:
    """A version about to be kept. `beside`: all that its unit writes; `spoken`: the assigning authorities for which
    the organisation speaks."""

    unit: Unit
    house: House
    spoken: frozenset[str]
    change: Change
    previous: Stored | None
    beside: Sequence[Change]

    @property
    def work(self) -> Work:
        """The unit of work of the archive's own rooms: what they say is journalled before all is committed."""
        return Work(self.unit.connection, self.change.organisation, self.unit.now, self.unit.facts)

    @property
    def is_shared(self) -> bool:
        """Whether the archive has acted on a former version."""
        return self.previous is not None and is_shared(self.previous.owner)

    def body(self) -> Body:
        """The resource as it is to be kept."""
        found: Body = json.read(self.change.body)
        return found

    def before(self) -> Body:
        """As it was; empty where it is new, or was deleted."""
        return json.read(self.previous.body) if self.previous is not None and not self.previous.deleted else {}

    def resource(self, reference: Mapping[str, Any] | None, *types: str) -> Body | None:
        """The resource on this server that a literal reference names, as far as its writer may see it.

        One of another server is none, though it may be called the same there.
        """
        name = self._name(reference, types)
        here = next((one for one in (*self.beside, *self.unit.changes) if one.name == name and not one.deleted), None)
        if here is not None:
            return json.read(here.body)
        found = self.stored(reference, *types)
        return None if found is None else json.read(found.body)

    def stored(self, reference: Mapping[str, Any] | None, *types: str) -> Stored | None:
        """The same as it was kept before."""
        name = self._name(reference, types)
        found = None if name is None else resources.held(self.unit.connection, [name]).get(name)
        if found is None or found.deleted or found.organisation not in self.unit.scope.organisations:
            return None
        return found

    def _name(self, reference: Mapping[str, Any] | None, types: Sequence[str]) -> Name | None:
        text = str((reference or {}).get("reference", ""))
        parts = text.removeprefix(f"{self.unit.base}/").split("/") if self.unit.base else text.split("/")
        return Name(parts[0], parts[1]) if len(parts) == len(("type", "id")) and parts[0] in types else None

    def patient(self, reference: Mapping[str, Any] | None) -> tuple[Patient, Body] | None:
        """Whom a subject means, by an identifier of an assigning authority: one it speaks for, if there is one."""
        body = self.resource(reference, "Patient")
        if body is None and isinstance((reference or {}).get("identifier"), dict):
            body = {"identifier": [(reference or {})["identifier"]]}
        found = stated.keys(body or {}, self.house.systems)
        mine = [one for one in found if one[0] in self.spoken]
        return ((mine or found)[0], body or {}) if found else None

    def refused(self, message: str, *expression: str) -> FhirError:
        """That this cannot be done, as the archive knows it otherwise (409)."""
        return FhirError(Fault.CONFLICT, message, expression=expression)

    def incomplete(self, message: str, *expression: str) -> FhirError:
        """That the archive cannot do without something (422)."""
        return FhirError(Fault.INVALID, message, code="business-rule", expression=expression)


def listed(body: Mapping[str, Any], element: str) -> list[Body]:
    """The objects of a list element."""
    found = body.get(element)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
