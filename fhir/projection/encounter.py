"""Encounter (http://hl7.org/fhir/R4/encounter.html): the visits that orders name.

No more is known of a visit than its number: messages about visits are taken, and nothing is kept of them.
"""

from fhir.projection.datatypes import identifier, text
from fhir.projection.projected import House, Known, Projected, Resource, feed, without_empty
from fhir.projection.systems import ABSENT
from pacsd.index.sources import OrderSource
from pacsd.index.values import Attributes

_UNKNOWN = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}


def visit(house: House, item: Attributes) -> Resource:
    """A reference to the visit of a worklist item; empty where it names none."""
    key = _key(item)
    return house.to("Encounter", "visit", *key) if key else {}


def encounter(house: House, source: OrderSource, known: Known) -> Projected | None:
    """The visit an order was placed in."""
    item = source.steps[0].item if source.steps else {}
    key = _key(item)
    if not key:
        return None
    number, issuer = key
    resource = {
        "resourceType": "Encounter",
        "id": house.id_of("visit", *key),
        "identifier": [identifier("VN", house.systems.of(issuer or f"{house.code} VN"), number)],
        "status": "unknown",
        "class": _UNKNOWN,
        "subject": known.subject(house, source.patient),
        "serviceProvider": house.to("Organization", "organization"),
    }
    return Projected(source.organisation, feed("orders", house.code, source.said_by), without_empty(resource))


def _key(item: Attributes) -> tuple[str, str] | tuple[()]:
    number = text(item, "00380010")
    return (number, text(item, "00380014.00400031")) if number else ()
