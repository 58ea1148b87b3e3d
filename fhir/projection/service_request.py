"""ServiceRequest (http://hl7.org/fhir/R4/servicerequest.html): a requested procedure of an order."""

from fhir.projection.datatypes import concepts, date_time, display, entity, text, values
from fhir.projection.encounter import visit
from fhir.projection.imaging_study import accession, uid
from fhir.projection.projected import House, Known, Projected, Resource, about_order, feed, without_empty
from fhir.projection.systems import SNOMED
from pacsd.index.sources import OrderSource
from pacsd.index.values import Attributes
from pacsd.workflow.order_statuses import COMPLETED, FINAL

IMAGING = {"coding": [{"system": SNOMED, "code": "363679005", "display": "Imaging"}]}
# Requested Procedure Priority (PS3.3 C.4.11) and back
PRIORITIES = {"STAT": "stat", "HIGH": "urgent", "MEDIUM": "asap", "ROUTINE": "routine", "LOW": "routine"}


def order_id(house: House, source: OrderSource) -> str:
    """The id of what a procedure becomes."""
    return house.id_of("order", source.order_key, source.name)


def service_request(house: House, source: OrderSource, known: Known) -> Projected:
    """A procedure that was ordered, as far as its steps have come."""
    first = source.steps[0].item if source.steps else {}
    codes = concepts(house, first, "00321064")
    start = [date_time(one.item["00400100"]["Value"][0], "00400002", "00400003", house.zone)
             for one in source.steps if values(one.item, "00400100")]  # fmt: skip
    resource = {
        "resourceType": "ServiceRequest",
        "id": order_id(house, source),
        "identifier": _identifiers(house, source, first),
        "status": status(source),
        "intent": "order",
        "category": [IMAGING],
        "priority": PRIORITIES.get(text(first, "00401003"), ""),
        "code": codes[0] if codes else {"text": text(first, "00321060")} if text(first, "00321060") else {},
        "subject": known.subject(house, source.patient),
        "encounter": visit(house, first),
        "occurrenceDateTime": min((one for one in start if one), default=""),
        "authoredOn": date_time(first, "00402004", "00402005", house.zone),
        "requester": display(next(iter(values(first, "00321032")), "")),
        "reasonCode": [{"text": text(first, "00401002")}] if text(first, "00401002") else [],
        "note": [{"text": text(first, "00401400")}] if text(first, "00401400") else [],
    }
    return Projected(source.organisation, feed("orders", house.code, source.said_by), without_empty(resource),
                     subject=about_order(source.order_key, source.name))  # fmt: skip


def status(source: OrderSource) -> str:
    """Of all steps together (http://hl7.org/fhir/R4/valueset-request-status.html)."""
    steps = [one.status for one in source.steps]
    if steps and all(one in FINAL for one in steps):
        if COMPLETED in steps:
            return "completed"
        return "revoked"
    return "active"


def _identifiers(house: House, source: OrderSource, item: Attributes) -> list[Resource]:
    numbers = (("PLAC", source.placer_number), ("FILL", source.filler_number))
    found = [entity(house, kind, number) for kind, number in numbers if number]
    if source.accession_number:
        found.append(accession(house, source.accession_number, item))
    return [*found, uid(source.study_instance_uid)] if source.study_instance_uid else found


