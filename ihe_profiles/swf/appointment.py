"""Appointments (IHE RAD-48, SIU^S12 to S15): when and where the steps of an order are done."""

from collections.abc import Sequence
from dataclasses import dataclass

from hl7.conditions import Condition, Hl7Error
from hl7.ports import Action, Handled, Sender
from hl7.reading import Reading
from ihe_profiles.exchange.conditions import located
from ihe_profiles.swf import values
from ihe_profiles.swf.order_placement import order_number, said_of
from ihe_profiles.swf.values import attribute
from pacsd.index.work import Work
from pacsd.workflow.ordered import Which
from pacsd.workflow.orders import Orders


@dataclass(frozen=True, slots=True)
class Event:
    """An event of appointments. `books`: it says a start, and steps that left the worklist come back;
    `cancels`: they leave it until the next one."""

    code: str
    books: bool = False
    cancels: bool = False


EVENTS = (Event("S12", books=True), Event("S13", books=True), Event("S14"), Event("S15", cancels=True))
APPOINTMENT_TYPES = tuple((one.code, "SIU_S12", ("RAD-48",)) for one in EVENTS)


class Appointments:
    """Acts on messages of appointments. They name an order that is known (SCH-26, SCH-27)."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    def handled(self) -> tuple[Handled, ...]:
        """The messages that are acted on."""
        return tuple(
            Handled("SIU", event.code, self._acting(event), names, shape)
            for event, (_, shape, names) in zip(EVENTS, APPOINTMENT_TYPES, strict=True)
        )

    def _acting(self, event: Event) -> Action:
        def act(work: Work, reading: Reading, sender: Sender) -> Sequence[str]:
            return self.book(work, reading, event)

        return act

    def book(self, work: Work, reading: Reading, event: Event) -> Sequence[str]:
        """Give the steps of the order the time and place of the appointment, or take them off the worklist."""
        placer = order_number(reading, "appointment_placer_order")
        filler = order_number(reading, "appointment_filler_order")
        where = reading.where("appointment_filler_order" if filler else "appointment_placer_order")
        if not placer and not filler:
            raise Hl7Error(Condition.REQUIRED_FIELD, where, "an appointment without the number of an order")
        item = {} if event.cancels else _item(reading, required=event.books)
        with located(where):
            done = self._orders.reschedule(
                work, Which(placer=placer, filler=filler), item, said_of(reading), renews=event.books,
                cancels=event.cancels,
            )  # fmt: skip
        steps = "; ".join(f"step {one.step_id} {one.status}" for one in done.steps) or "without effect"
        return [f"order {placer or filler} is {done.what}: {steps}"]


def _item(reading: Reading, *, required: bool) -> dict[str, dict[str, object]]:
    """Start, place, station and performer, as far as the message says. Raises Hl7Error."""
    item: dict[str, dict[str, object]] = {}
    start, where = reading.said("appointment_start"), reading.where("appointment_start")
    if start:
        day, clock = values.date_and_time(start, where)
        item |= {"00400002": attribute("DA", day), "00400003": attribute("TM", clock)}
    elif required:
        raise Hl7Error(Condition.REQUIRED_FIELD, where, "without a start")
    if location := values.text(" ".join(one for one in reading.parts("appointment_location")[:4] if one), "SH"):
        item["00400011"] = attribute("SH", location)
    resource = reading.mapping.code("station_ae_title", reading.said("appointment_resource"))
    if resource and resource in {one.meant for one in reading.mapping.codes if one.name == "station_ae_title"}:
        item["00400001"] = attribute("AE", values.ae_title(resource, reading.where("appointment_resource")))
    if name := values.person(reading.parts("appointment_personnel")):
        item["00400006"] = attribute("PN", name)
    return item
