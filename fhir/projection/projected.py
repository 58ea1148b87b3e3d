"""What projections have in common: for whom they are made, under which ids, and what comes of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any
from uuid import UUID, uuid5

from fhir.projection.systems import Systems, local
from pacsd.index.sources import Patient

Resource = dict[str, Any]
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

    def patient(self, patient: Patient, unidentified: str = "") -> Resource:
        """A reference to a patient; one without an id is told by its study."""
        if unidentified:
            return self.to("Patient", "unidentified", unidentified)
        return self.to("Patient", "patient", *patient)

    def to(self, type_name: str, kind: str, *key: str) -> Resource:
        """A reference to a projected resource."""
        return {"reference": f"{type_name}/{self.id_of(kind, *key)}"}


@dataclass(frozen=True, slots=True)
class Projected:
    """A resource as the archive has it, without meta. `feed`: whose word it is. `subject`: what it is about, by which
    a client's own resource of the same is found.

    `stems`: references in it to resources that are nobody else's: those it names no more are deleted.
    """

    organisation: int
    feed: str
    resource: Resource
    subject: str = ""
    tags: tuple[Resource, ...] = ()
    stems: tuple[str, ...] = ()

    @property
    def name(self) -> tuple[str, str]:
        """Type and id."""
        return self.resource["resourceType"], self.resource["id"]


@dataclass(frozen=True, slots=True)
class Known:
    """What resources may refer to: others that are there.

    `patients`: (organisation, authority, id); `orders`: by organisation and number; `aliases`: what a client has made
    of an order or report, by type and projected id.
    """

    patients: Collection[tuple[int, str, str]] = ()
    orders: Mapping[tuple[int, str], tuple[str, str]] = field(default_factory=dict)
    studies: Collection[tuple[int, str]] = ()
    aliases: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def subject(self, house: House, patient: Patient) -> Resource:
        """A reference to a patient, by identifier alone where there is no such resource."""
        if (house.organisation, *patient) in self.patients:
            return house.patient(patient)
        return {"type": "Patient", "identifier": {"system": house.systems.of(patient[0]), "value": patient[1]}}

    def order(self, house: House, order_key: str, procedure: str) -> Resource:
        """A reference to what was ordered: the client's own resource, where one made the order."""
        made = house.id_of("order", order_key, procedure)
        return {"reference": f"ServiceRequest/{self.aliases.get(('ServiceRequest', made), made)}"}


def feed(kind: str, code: str, name: str = "") -> str:
    """How a feed is called, a URI for meta.source: DICOM or a sender of messages of an organisation."""
    return local(code, f"feed:{kind}", *((name,) if name else ()))


def without_empty(resource: Mapping[str, Any]) -> Resource:
    """The elements that say something; an empty one is not allowed (http://hl7.org/fhir/R4/json.html)."""
    return {name: value for name, value in resource.items() if value not in ("", None, [], {})}
