"""What projections have in common: for whom they are made, under which ids, and what comes of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any
from uuid import UUID, uuid5

from fhir.projection.systems import Systems, local
from pacsd.index.sources import Patient

Resource = dict[str, Any]
BY_FHIR = "FHIR"                         # as whom our clients speak, in orders and reports
_NAMESPACE = UUID("7f3c4a52-6f0b-5d2e-9a3c-5b1c7d0f9e64")


@dataclass(frozen=True, slots=True)
class House:
    """An organisation as projections speak of it. `zone`: where times that name no zone were told."""

    organisation: int
    code: str
    name: str
    authority: str
    systems: Systems
    dicomweb: str
    zone: tzinfo

    def id_of(self, kind: str, *key: str) -> str:
        """The id of a resource that is made of what the archive knows by this key: the same one for ever."""
        return str(uuid5(_NAMESPACE, "\0".join((self.code, kind, *key))))

    def to(self, type_name: str, kind: str, *key: str) -> Resource:
        """A reference to a projected resource."""
        return {"reference": f"{type_name}/{self.id_of(kind, *key)}"}


@dataclass(frozen=True, slots=True)
class Projected:
    """A resource as the archive has it, without meta. `feed`: whose word it is. `subject`: what it is about, by which
    a client's own resource of the same is found.
    """

    organisation: int
    feed: str
    resource: Resource
    subject: str = ""
    tags: tuple[Resource, ...] = ()
    by_client: bool = False              # what a client said last

    @property
    def name(self) -> tuple[str, str]:
        """Type and id."""
        return self.resource["resourceType"], self.resource["id"]


@dataclass(frozen=True, slots=True)
class Known:
    """What resources may refer to: others that are there.

    `patients`: (organisation, authority, id); `studies`: (organisation, UID) of those that workitems are about;
    `orders`: by organisation and number, the order and which procedure of it; `shared`: by organisation and subject the
    id of what a client made of it; `merged`: into whom patients were merged.
    """

    patients: Collection[tuple[int, str, str]] = ()
    orders: Mapping[tuple[int, str], tuple[str, str]] = field(default_factory=dict)
    studies: Collection[tuple[int, str]] = ()
    shared: Mapping[tuple[int, str], str] = field(default_factory=dict)
    merged: Mapping[tuple[int, str, str], Patient] = field(default_factory=dict)

    def subject(self, house: House, patient: Patient) -> Resource:
        """A reference to a patient, to who survives where it was merged; by identifier alone without a resource."""
        patient = self.merged.get((house.organisation, *patient), patient)
        if (house.organisation, *patient) in self.patients:
            return self.patient(house, patient)
        return {"type": "Patient", "identifier": {"system": house.systems.of(patient[0]), "value": patient[1]}}

    def patient(self, house: House, patient: Patient, unidentified: str = "") -> Resource:
        """A reference to a patient who is there; one without an id is told by its study."""
        if unidentified:
            return house.to("Patient", "unidentified", unidentified)
        return self._to(house, "Patient", about_patient(patient), house.id_of("patient", *patient))

    def order(self, house: House, order_key: str, procedure: str) -> Resource:
        """A reference to what was ordered."""
        made = house.id_of("order", order_key, procedure)
        return self._to(house, "ServiceRequest", about_order(order_key, procedure), made)

    def report(self, house: House, name: str) -> Resource:
        """A reference to a report."""
        return self._to(house, "DiagnosticReport", about_report(name), house.id_of("report", name))

    def _to(self, house: House, type_name: str, about: str, made: str) -> Resource:
        return {"reference": f"{type_name}/{self.shared.get((house.organisation, about), made)}"}


def about_patient(patient: Patient) -> str:
    """The subject of resources about a patient."""
    return f"patient {patient[0]} {patient[1]}"


def about_order(order_key: str, procedure: str) -> str:
    """The subject of resources about a requested procedure."""
    return f"order {order_key} {procedure}"


def about_report(name: str) -> str:
    """The subject of resources about a report."""
    return f"report {name}"


def feed(kind: str, code: str, name: str = "") -> str:
    """How a feed is called, a URI for meta.source: DICOM or a sender of messages of an organisation."""
    return local(code, f"feed:{kind}", *((name,) if name else ()))


def without_empty(resource: Mapping[str, Any]) -> Resource:
    """The elements that say something; an empty one is not allowed (http://hl7.org/fhir/R4/json.html)."""
    return {name: value for name, value in resource.items() if value not in ("", None, [], {})}
