"""Appointment (http://hl7.org/fhir/R4/appointment.html): a scheduled procedure step, which is a place on a worklist."""

from collections.abc import Iterator
from datetime import datetime

from fhir.format.instants import instant
from fhir.projection.datatypes import concepts, date_time, text, values
from fhir.projection.projected import House, Known, Projected, Resource, feed, without_empty
from pacsd.index.sources import OrderSource, StepSource

# Scheduled Procedure Step Status (PS3.3 C.4.10)
STATUSES = {
    "SCHEDULED": "booked", "ARRIVED": "arrived", "READY": "checked-in", "STARTED": "checked-in",
    "DEPARTED": "checked-in", "COMPLETED": "fulfilled", "DISCONTINUED": "cancelled", "CANCELED": "cancelled",
}  # fmt: skip


def appointments(house: House, source: OrderSource, known: Known) -> Iterator[Projected]:
    """The steps of a procedure that have a time."""
    for step in source.steps:
        if (resource := _appointment(house, source, step, known)) is not None:
            yield Projected(source.organisation, feed("orders", house.code, source.said_by), resource)


def _appointment(house: House, source: OrderSource, step: StepSource, known: Known) -> Resource | None:
    """A worklist tells no end: start and end are one moment (app-2 and app-3 want both)."""
    items = values(step.item, "00400100")
    start = date_time(items[0], "00400002", "00400003", house.zone) if items else ""
    if "T" not in start:
        return None
    at = instant(datetime.fromisoformat(start))
    subject = known.subject(house, source.patient)
    places = [{"actor": {"display": str(title)}, "status": "accepted"} for title in values(items[0], "00400001")]
    return without_empty({
        "resourceType": "Appointment",
        "id": house.id_of("step", source.order_key, source.name, step.step_id),
        "status": STATUSES[step.status],
        "serviceType": concepts(house, items[0], "00400008"),
        "description": text(items[0], "00400007"),
        "start": at,
        "end": at,
        "basedOn": [known.order(house, source.order_key, source.name)],
        "participant": [{"actor": subject, "status": "accepted"}, *places],
    })  # fmt: skip
