"""Orders: what was requested of whom, in scheduled procedure steps that modalities find on their worklist.

A statement of an order holds one requested procedure with its steps. Its numbers, its Study Instance UID and the ids of
its steps are its own where it has them; where not they are assigned, the same ones for the same order. Every change is
said to the unit of work as a fact that holds the whole procedure, so that a rebuild from blobs alone knows it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pacsd.faults import Fault, PacsdError
from pacsd.index import orders as rows
from pacsd.index import outbox, patients, placement, scheduled_steps
from pacsd.index.connect import Connection
from pacsd.index.orders import Procedure
from pacsd.index.scheduled_steps import Step, inner, with_status
from pacsd.index.values import Attributes
from pacsd.index.work import Work
from pacsd.workflow import order_facts, order_ids
from pacsd.workflow.order_facts import ISSUER_OF_PATIENT_ID, PATIENT_ID
from pacsd.workflow.order_statuses import CANCELED, FINAL, PERFORMED, SCHEDULED, status_of
from pacsd.workflow.ordered import Done, Ordered, OrderedStep, Said, Touched, Which

ORDER_CHANGED, STEP_STATUS_CHANGED = "order.changed", "step.status_changed"
BY_MESSAGE, BY_EXAM = "message", "exam"  # who changed a status

SEQUENCE, STEP_ID = "00400100", "00400009"
ACCESSION_NUMBER, STUDY_INSTANCE_UID, REQUESTED_PROCEDURE_ID = "00080050", "0020000D", "00401001"
PLACER_NUMBER, FILLER_NUMBER = "00402016", "00402017"
_NEVER = datetime.fromtimestamp(0, UTC)  # of what is about to be said


class Orders:
    """States orders and their progress, within the caller's unit of work. `codes`: of organisations, by key."""

    def __init__(self, codes: Mapping[int, str]) -> None:
        self._codes = codes

    def hold(self, work: Work, patient: tuple[str, str], numbers: Collection[str]) -> None:
        """Lock a patient (id and authority) and several orders of it in the order that everybody keeps."""
        placement.holder(work.connection, (*patient, ""))
        rows.hold_numbers(work.connection, work.organisation, numbers)

    def place(self, work: Work, ordered: Ordered) -> Done:
        """Make an order, or change it to what is said now; steps that are not named stay.

        Raises PacsdError CONFLICT where the order is another patient's, MALFORMED.
        """
        which = ordered.which
        if not (which.placer or which.filler):
            raise PacsdError(Fault.MALFORMED, "an order has a number")
        patient = placement.holder(work.connection, (ordered.patient_id, ordered.authority, ""))
        rows.hold_numbers(work.connection, work.organisation, (which.placer, which.filler))
        known = rows.of_order(work.connection, work.organisation, placer=which.placer, filler=which.filler)
        if any(one.patient != patient.pk for one in known):
            raise PacsdError(Fault.CONFLICT, "the order of that number is another patient's")
        procedure = _chosen(known, which, self._codes[work.organisation])
        if procedure is not None and _is_older(ordered.said, procedure):
            return Done("older", procedure, ())
        steps = scheduled_steps.of(work.connection, [procedure.pk]) if procedure else []
        return self._state(work, _Case(ordered, procedure, tuple(steps), patient, work.organisation))

    def change_status(
        self, work: Work, which: Which, status: str, said: Said, *, patient: tuple[str, str] | None = None
    ) -> Sequence[Touched]:
        """Say how far steps have come; what was finished stays so. `patient`: id and authority of whose the order is.

        Raises PacsdError NOT_FOUND for an order nobody placed, CONFLICT for another patient's, REFUSED to cancel what
        is being performed, MALFORMED.
        """
        status, touched = status_of(status), []
        holder = placement.holder(work.connection, (*patient, "")) if patient else None
        for procedure, steps in self._named(work, which):
            if holder is not None and procedure.patient != holder.pk:
                raise PacsdError(Fault.CONFLICT, "the order of that number is another patient's")
            if _is_older(said, procedure):
                continue
            chosen = [one for one in steps if not which.step_ids or one.step_id in which.step_ids]
            if status == CANCELED and any(one.status in PERFORMED - FINAL for one in chosen):
                raise PacsdError(Fault.REFUSED, "a step that was started is discontinued or completed, not canceled")
            changed = [one for one in chosen if one.status != status and not _is_settled(one, status)]
            touched += self._changed(work, procedure, steps, {one.pk: status for one in changed}, said)
        return touched

    def reschedule(
        self, work: Work, which: Which, item: Attributes, said: Said, *, renews: bool = False, cancels: bool = False
    ) -> Done:
        """Change attributes of steps, as their time and place; those that are being performed keep their status.

        `renews`: steps that were canceled are scheduled again; `cancels`: they leave the worklist until then.
        Raises PacsdError NOT_FOUND.
        """
        last: Done | None = None
        for procedure, steps in self._named(work, which):
            if _is_older(said, procedure):
                last = last or Done("older", procedure, ())
                continue
            chosen = {one.pk for one in steps if not which.step_ids or one.step_id in which.step_ids}
            new = [_booked(one, item, renews, cancels) if one.pk in chosen else one for one in steps]
            last = self._written(work, procedure, new, said, "changed" if new != steps else "same")
        if last is None:
            raise PacsdError(Fault.NOT_FOUND, "there is no order of that number")
        return last

    def _named(self, work: Work, which: Which) -> list[tuple[Procedure, list[Step]]]:
        """The procedures that a message about a known order speaks of, with their steps."""
        rows.hold_numbers(work.connection, work.organisation, (which.placer, which.filler))
        known = rows.of_order(work.connection, work.organisation, placer=which.placer, filler=which.filler)
        found = [one for one in known if _fits(one, which)]
        if not found:
            raise PacsdError(Fault.NOT_FOUND, "there is no order of that number")
        steps = scheduled_steps.of(work.connection, [one.pk for one in found])
        ids = {one.step_id for one in steps}
        if missing := [one for one in which.step_ids if one not in ids]:
            raise PacsdError(Fault.NOT_FOUND, f"the order has no step {missing[0]}")
        return [(one, [step for step in steps if step.procedure == one.pk]) for one in found]

    def _state(self, work: Work, case: "_Case") -> Done:
        ordered, known = case.ordered, case.procedure
        ids = _ids(work, self._codes[work.organisation], case)
        procedure = Procedure(
            work.organisation, known.order_key if known else order_ids.order_key(ordered.which.placer,
            ordered.which.filler), ids.requested_procedure_id, case.patient.pk, case.patient.named,
            known.stated_at if known else _NEVER, ordered.which.placer or (known.placer_number if known else ""),
            ordered.which.filler or (known.filler_number if known else ""), ids.accession_number,
            ids.study_instance_uid, ordered.said.by, ordered.said.at, _formerly(known, ids),
            known.pk if known else 0,
        )  # fmt: skip
        above = {**ordered.attributes, **_numbers(procedure), **_patient_of(ordered)}
        steps = _merged(case, above, ids.requested_procedure_id)
        same = known is not None and list(case.steps) == steps and replace(
            known, said_by=procedure.said_by, said=procedure.said) == procedure  # fmt: skip
        return self._written(work, procedure, steps, ordered.said, "new" if known is None else
                             "same" if same else "changed")  # fmt: skip

    def _changed(
        self, work: Work, procedure: Procedure, steps: Sequence[Step], statuses: Mapping[int, str], said: Said
    ) -> list[Touched]:
        if not statuses:
            return []
        new = [_with_status(one, statuses[one.pk]) if one.pk in statuses else one for one in steps]
        done = self._written(work, procedure, new, said, "changed")
        return [_touched(done.procedure, one) for one in done.steps if one.pk in statuses]

    def _written(
        self, work: Work, procedure: Procedure, steps: Sequence[Step], said: Said, what: str
    ) -> Done:
        """Journal, keep and tell the whole of a procedure."""
        if what == "same":
            return Done(what, procedure, tuple(steps))
        connection = work.connection
        before = {one.step_id: one.status for one in scheduled_steps.of(connection, [procedure.pk])}
        moved = {one.step_id for one in steps if before.get(one.step_id) != one.status}
        procedure = replace(procedure, said_by=said.by, said=said.at)
        at = work.say(order_facts.fact_of(self._codes[work.organisation], procedure, steps, moved))
        procedure = replace(procedure, stated_at=at)
        written = [replace(one, status_at=at) if one.step_id in moved else one for one in steps]
        order_facts.write(connection, procedure, written)
        _tell(connection, procedure, ORDER_CHANGED, {"what": what, "steps": [one.step_id for one in written]})
        for one in written:
            if one.step_id in moved & before.keys():
                _tell_status(connection, procedure, _touched(procedure, one), BY_MESSAGE)
        return Done(what, procedure, tuple(written))


def progress(
    connection: Connection,
    *,
    organisation: int,
    study_instance_uid: str | None,
    accession_number: str | None,
    scheduled_step_ids: Collection[str],
    status: str,
    at: datetime,
) -> list[Touched]:
    """Change the status of the scheduled steps that a performed step names; which were changed.

    The steps of those ids among the procedures of the Study Instance UID, else of the accession number; of the ids
    alone where neither is given. Without ids all steps of the procedures. What was said later than `at` stays, so this
    may be called twice. It tells by `step.status_changed` and journals nothing: the caller's own fact leads here again.
    Raises PacsdError MALFORMED.
    """
    status = status_of(status)
    found = rows.performed(
        connection, organisation, study_instance_uid=study_instance_uid, accession_number=accession_number,
        scheduled_step_ids=scheduled_step_ids,
    )  # fmt: skip
    touched: list[Touched] = []
    steps = scheduled_steps.of(connection, [one.pk for one in found])
    for procedure in found:
        changed = [
            replace(one, status=status, status_at=at, original=with_status(one.original, status)) for one in steps
            if one.procedure == procedure.pk and one.status != status and one.status_at <= at
            and (not scheduled_step_ids or one.step_id in scheduled_step_ids)
        ]  # fmt: skip
        if changed:
            overlay = patients.overlay_of(connection, procedure.patient)
            scheduled_steps.write(connection, changed, overlay)
        for one in changed:
            touched.append(_touched(procedure, one))
            _tell_status(connection, procedure, touched[-1], BY_EXAM)
    return touched


@dataclass(frozen=True, slots=True)
class _Case:
    """A statement, and what is known of its procedure."""

    ordered: Ordered
    procedure: Procedure | None
    steps: tuple[Step, ...]
    patient: placement.Holder
    organisation: int


@dataclass(frozen=True, slots=True)
class _Ids:
    requested_procedure_id: str
    accession_number: str
    study_instance_uid: str


def _ids(work: Work, code: str, case: _Case) -> _Ids:
    """What the order says, else what is known, else what images that came before say, else what is assigned."""
    which, known = case.ordered.which, case.procedure
    assigned = order_ids.assigned(code, which.placer, which.filler, which.requested_procedure_id)
    accession = which.accession_number or (known.accession_number if known else assigned.accession_number)
    uid = which.study_instance_uid or (known.study_instance_uid if known else "")
    if not uid:
        found = rows.study_of_accession(work.connection, work.organisation, accession, case.patient.pk)
        uid = found or assigned.study_instance_uid
    procedure_id = which.requested_procedure_id or (known.requested_procedure_id if known else "")
    return _Ids(procedure_id or assigned.requested_procedure_id, accession, uid)


def _formerly(known: Procedure | None, ids: _Ids) -> str:
    if known is None or known.requested_procedure_id == ids.requested_procedure_id:
        return known.formerly if known else ""
    return known.requested_procedure_id


def _merged(case: _Case, above: Attributes, requested_procedure_id: str) -> list[Step]:
    """The steps of the procedure as they are from now on, those that the statement does not name among them."""
    there = {one.step_id: one for one in case.steps}
    places = list(there)
    new: dict[str, Step] = {}
    for number, ordered in enumerate(case.ordered.steps):
        known_id = places[number] if number < len(places) else ""
        step_id = ordered.step_id or known_id or order_ids.step_id(requested_procedure_id, number + 1)
        before = there.get(step_id) or (there.get(known_id) if _is_assigned_step(case, known_id, number) else None)
        new[step_id] = _ordered_step(case, before, above, step_id, ordered)
    renewed = {one.pk: one for one in new.values() if one.pk}
    kept = [
        replace(one, original=with_status({**above, SEQUENCE: one.original[SEQUENCE]}, one.status))
        for one in case.steps if one.pk not in renewed
    ]  # fmt: skip
    known = {**renewed, **{one.pk: one for one in kept}}
    return [*(known[one.pk] for one in case.steps), *(one for one in new.values() if not one.pk)]


def _is_assigned_step(case: _Case, step_id: str, number: int) -> bool:
    """Whether the id of the n-th step was made of its procedure's, which then may get one of its own."""
    procedure = case.procedure
    return procedure is not None and step_id == order_ids.step_id(procedure.requested_procedure_id, number + 1)


def _ordered_step(case: _Case, known: Step | None, above: Attributes, step_id: str, ordered: OrderedStep) -> Step:
    renewed = known is None or (known.status == CANCELED and case.ordered.renews)
    status = status_of(ordered.status) if ordered.status else SCHEDULED if renewed or known is None else known.status
    if known is not None and (_is_settled(known, status) or (known.status == CANCELED and not renewed)):
        status = known.status
    item = {**ordered.attributes, STEP_ID: {"vr": "SH", "Value": [step_id]}}
    original = with_status({**above, SEQUENCE: {"vr": "SQ", "Value": [item]}}, status)
    at = known.status_at if known is not None and known.status == status else _NEVER
    procedure = case.procedure.pk if case.procedure else 0
    return Step(procedure, case.patient.pk, case.organisation, step_id, status, at, original, known.pk if known else 0)


def _is_settled(step: Step, status: str) -> bool:
    """Whether a message does not change the status: what was performed is not scheduled again, nor canceled."""
    return step.status in FINAL and (status in FINAL or step.status != CANCELED)


def _booked(step: Step, item: Attributes, renews: bool, cancels: bool) -> Step:
    changed = {**inner(step.original), **item}
    original = {**step.original, SEQUENCE: {"vr": "SQ", "Value": [changed]}}
    status = CANCELED if cancels and step.status not in PERFORMED else step.status
    status = SCHEDULED if renews and status == CANCELED else status
    return replace(step, original=with_status(original, status), status=status)


def _with_status(step: Step, status: str) -> Step:
    return replace(step, status=status, original=with_status(step.original, status))


def _numbers(procedure: Procedure) -> dict[str, Mapping[str, Any]]:
    """The identifiers of a procedure as attributes of its worklist items."""
    values = (
        (ACCESSION_NUMBER, "SH", procedure.accession_number), (STUDY_INSTANCE_UID, "UI", procedure.study_instance_uid),
        (REQUESTED_PROCEDURE_ID, "SH", procedure.requested_procedure_id),
        (PLACER_NUMBER, "LO", procedure.placer_number.partition("^")[0]),
        (FILLER_NUMBER, "LO", procedure.filler_number.partition("^")[0]),
    )  # fmt: skip
    return {tag: {"vr": vr, "Value": [value]} for tag, vr, value in values if value}


def _patient_of(ordered: Ordered) -> dict[str, Mapping[str, Any]]:
    values = ((PATIENT_ID, ordered.patient_id), (ISSUER_OF_PATIENT_ID, ordered.authority))
    return {tag: {"vr": "LO", "Value": [value]} for tag, value in values}


def _chosen(known: Sequence[Procedure], which: Which, code: str) -> Procedure | None:
    """The procedure of an order that a statement is of; None: a new one of it.

    The only one, where its id was assigned so far, gets the id that is said now.
    """
    if which.requested_procedure_id:
        named = [one for one in known if one.requested_procedure_id == which.requested_procedure_id]
        return next(iter(named or [one for one in known if len(known) == 1 and _is_assigned(one, code)]), None)
    fitting = [one for one in known if _fits(one, which)]
    return fitting[0] if fitting else None


def _is_assigned(procedure: Procedure, code: str) -> bool:
    """Whether the Requested Procedure ID was made of the order's number."""
    made = order_ids.assigned(code, procedure.order_key, "", "")
    return procedure.requested_procedure_id == made.requested_procedure_id


def _fits(procedure: Procedure, which: Which) -> bool:
    pairs = (
        (which.requested_procedure_id, procedure.requested_procedure_id),
        (which.study_instance_uid, procedure.study_instance_uid),
        (which.accession_number, procedure.accession_number),
    )
    return all(not asked or asked == has for asked, has in pairs)


def _is_older(said: Said, procedure: Procedure) -> bool:
    """Whether the same application has said something later already: messages may arrive in another order."""
    width = min(len(said.at), len(procedure.said))
    return said.by == procedure.said_by and said.at[:width] < procedure.said[:width]


def _touched(procedure: Procedure, step: Step) -> Touched:
    return Touched(
        step.step_id, procedure.requested_procedure_id, procedure.accession_number, procedure.study_instance_uid,
        procedure.placer_number, procedure.filler_number, step.status,
    )  # fmt: skip


def _tell(connection: Connection, procedure: Procedure, topic: str, body: Mapping[str, Any]) -> None:
    named = {
        "placer_number": procedure.placer_number, "filler_number": procedure.filler_number,
        "accession_number": procedure.accession_number, "requested_procedure_id": procedure.requested_procedure_id,
        "study_instance_uid": procedure.study_instance_uid,
    }  # fmt: skip
    outbox.append(
        connection, organisation=procedure.organisation, topic=topic, subject=f"order {procedure.order_key}",
        body={**named, **body},
    )  # fmt: skip


def _tell_status(connection: Connection, procedure: Procedure, step: Touched, by: str) -> None:
    _tell(connection, procedure, STEP_STATUS_CHANGED, {
        "step_id": step.step_id, "status": step.status, "by": by, "order_key": procedure.order_key,
    })  # fmt: skip
