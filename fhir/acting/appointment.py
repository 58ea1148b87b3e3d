"""Appointment of a scheduled procedure step: cancelled, booked again, moved, or its patient has come.

Who placed the order says what becomes of its steps: of an order that came by FHIR clients do, of another sender's that
sender alone. A step that is being performed, or was, stays as the exam says. The resource stays the projection's.
"""

from collections.abc import Mapping
from typing import Any

from fhir.acting.deed import Body, Deed, listed
from fhir.acting.dicom import attribute, day_and_time
from fhir.acting.projecting import Projecting, differs
from fhir.acting.service_request import placer_of, said_of
from fhir.store.shared import is_shared
from fhir.store.stored import Change
from pacsd.faults import Fault, PacsdError
from pacsd.index import orders as rows
from pacsd.index import scheduled_steps
from pacsd.index.orders import Procedure
from pacsd.index.scheduled_steps import Step
from pacsd.workflow.order_statuses import ARRIVED, CANCELED, PERFORMED, READY
from pacsd.workflow.ordered import Said, Which
from pacsd.workflow.orders import Orders

_WRITTEN = ("status", "start", "end")
_STATES: Mapping[str, str] = {"cancelled": CANCELED, "arrived": ARRIVED, "checked-in": READY}
_BOOKED = "booked"


class AppointmentRule:
    """Acts on versions that follow those of scheduled steps."""

    def __init__(self, orders: Orders, projecting: Projecting) -> None:
        self._orders = orders
        self._projecting = projecting

    def act(self, deed: Deed) -> Change:
        """The version as the step is then, whose it stays. Raises FhirError, PacsdError."""
        if deed.change.deleted:
            raise deed.refused("a step of an order is not deleted: cancel it")
        body, before = deed.body(), deed.before()
        if element := differs(body, before, _WRITTEN):
            raise deed.refused("of a scheduled step its status, start and end are written here",
                               f"Appointment.{element}")  # fmt: skip
        procedure, step = self._step(deed, before)
        which = Which(placer=procedure.placer_number, step_ids=(step.step_id,),
                      requested_procedure_id=procedure.requested_procedure_id)  # fmt: skip
        if step.status in PERFORMED:
            raise deed.refused("the exam was begun: it says what becomes of the step", "Appointment.status")
        try:
            self._change(deed, which, said_of(deed, [procedure]), step, body, before)
        except PacsdError as error:
            if error.fault not in (Fault.REFUSED, Fault.NOT_FOUND):
                raise
            raise deed.refused(error.message, "Appointment.status") from error
        return self._projecting.order(deed, procedure.order_key)

    def _change(self, deed: Deed, which: Which, said: Said, step: Step, body: Body, before: Body) -> None:
        status, moved = str(body.get("status")), _moved(deed, body, before)
        if status not in (*_STATES, _BOOKED):
            raise deed.incomplete(f"the status of a scheduled step is {_BOOKED}, {', '.join(_STATES)}",
                                  "Appointment.status")  # fmt: skip
        if status != _BOOKED and moved:
            raise deed.incomplete("what is moved is booked", "Appointment.start")
        if status == _BOOKED and before.get("status") not in (_BOOKED, "cancelled"):
            raise deed.refused("who has come is not sent away: cancel the step, and book it again",
                               "Appointment.status")  # fmt: skip
        if status == before.get("status") and not moved:
            raise deed.refused("that is how the step is already: there is nothing to do", "Appointment.status")
        if status == _BOOKED:
            self._orders.reschedule(deed.work, which, moved, said, renews=step.status == CANCELED)
            return
        if step.status == CANCELED:
            raise deed.refused("the step was cancelled: book it again first", "Appointment.status")
        self._orders.change_status(deed.work, which, _STATES[status], said)

    def _step(self, deed: Deed, before: Body) -> tuple[Procedure, Step]:
        """The step that it is, of an order that came by FHIR. Raises FhirError."""
        connection, organisation = deed.unit.connection, deed.change.organisation
        reference = next(iter(listed(before, "basedOn")), None)
        order = deed.resource(reference, "ServiceRequest")
        stored = deed.stored(reference, "ServiceRequest")
        if order is None or stored is None or not is_shared(stored.owner):
            raise deed.refused("the sender of the order alone changes its steps", "Appointment.basedOn")
        placer, whose = placer_of(deed, order), deed.patient(order.get("subject"))
        if whose is not None:
            self._orders.hold(deed.work, (whose[0][1], whose[0][0]), (placer,))
        for procedure in rows.of_order(connection, organisation, placer=placer, filler=""):
            name = procedure.formerly or procedure.requested_procedure_id
            for step in scheduled_steps.of(connection, [procedure.pk]):
                if deed.house.id_of("step", procedure.order_key, name, step.step_id) == deed.change.id:
                    return procedure, step
        raise deed.refused("the order has no such step any more")


def _moved(deed: Deed, body: Body, before: Body) -> dict[str, dict[str, Any]]:
    """When the step is to begin, where that is another time; nothing where it is the same."""
    start, end = body.get("start"), body.get("end")
    if start == before.get("start") and end == before.get("end"):
        return {}
    if not start or end not in (None, start):
        raise deed.incomplete("a worklist tells no end of a step: its end is its start", "Appointment.end")
    told = day_and_time(start, deed)
    if told is None:
        raise deed.incomplete("a step begins at a time", "Appointment.start")
    return {"00400002": attribute("DA", told[0]), "00400003": attribute("TM", told[1])}
