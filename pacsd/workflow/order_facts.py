"""Orders in the journal: each fact holds the whole of one requested procedure, and takes effect again from there."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from pacsd.faults import Fault, PacsdError
from pacsd.index import orders as rows
from pacsd.index import patients, placement, scheduled_steps
from pacsd.index.connect import Connection, Pool, retried
from pacsd.index.orders import Procedure
from pacsd.index.scheduled_steps import Step, with_status

FACT = "order"                           # the word of the journal's FactKind
PATIENT_ID, ISSUER_OF_PATIENT_ID = "00100020", "00100021"


class Fact(Protocol):
    """A fact of the journal, on its way into an index once more."""

    @property
    def at(self) -> datetime: ...
    @property
    def body(self) -> Mapping[str, Any]: ...


def write(connection: Connection, procedure: Procedure, steps: Sequence[Step]) -> None:
    """Keep a procedure and its steps, as what is stated of their patient has them read."""
    pk = rows.write(connection, procedure)
    whose = [replace(one, procedure=pk, patient=procedure.patient, organisation=procedure.organisation)
             for one in steps]  # fmt: skip
    scheduled_steps.write(connection, whose, patients.overlay_of(connection, procedure.patient))


def fact_of(code: str, procedure: Procedure, steps: Sequence[Step], moved: Collection[str]) -> dict[str, object]:
    """The whole of a procedure; the status of `moved` steps is as old as the fact."""
    item = steps[0].original if steps else {}
    return {
        "fact": FACT, "organisation": code, "authority": scheduled_steps.text_of(item, ISSUER_OF_PATIENT_ID),
        "patient_id": scheduled_steps.text_of(item, PATIENT_ID),
        "procedure": {name: getattr(procedure, name) for name in (
            "order_key", "requested_procedure_id", "placer_number", "filler_number", "accession_number",
            "study_instance_uid", "said_by", "said", "formerly",
        )},
        "steps": [{
            "step_id": one.step_id, "status": one.status, "item": one.original,
            "status_at": None if one.step_id in moved else one.status_at.isoformat(),
        } for one in steps],
    }  # fmt: skip


def applier(pool: Pool, keys: Mapping[str, int]) -> Callable[[Fact], None]:
    """How facts of orders take effect again, after a crash or in a rebuild. `keys`: of organisations, by code."""

    def apply(fact: Fact) -> None:
        retried(pool, lambda connection: _apply(connection, keys, fact))

    return apply


def _apply(connection: Connection, keys: Mapping[str, int], fact: Fact) -> None:
    body = fact.body
    organisation = keys.get(body["organisation"])
    if organisation is None:
        raise PacsdError(Fault.INTERNAL, f"organisation {body['organisation']} is not configured")
    said = dict(body["procedure"])
    if rows.is_known(
        connection, organisation, said["order_key"], [said["requested_procedure_id"], said["formerly"]], since=fact.at
    ):
        return                               # as nearly all are at a start: nobody is locked for it
    with connection.transaction():
        connection.execute("set local synchronous_commit = on")
        patient = placement.holder(connection, (body["patient_id"], body["authority"], ""))
        rows.hold_numbers(connection, organisation, (said["placer_number"], said["filler_number"]))
        key, ids = said["order_key"], (said["requested_procedure_id"], said["formerly"])
        found = [rows.by_key(connection, organisation, key, one) for one in ids if one]
        known = next((one for one in found if one is not None), None)
        if known is not None and known.stated_at >= fact.at:
            return
        procedure = Procedure(organisation=organisation, patient=patient.pk, named_patient=patient.named,
                              stated_at=fact.at, pk=known.pk if known else 0, **said)  # fmt: skip
        there = {one.step_id: one for one in scheduled_steps.of(connection, [known.pk] if known else [])}
        steps = [_again(procedure, one, there.get(one["step_id"]), fact.at) for one in body["steps"]]
        if known:
            scheduled_steps.keep_only(connection, known.pk, [one.step_id for one in steps])
        write(connection, procedure, steps)


def _again(procedure: Procedure, said: Mapping[str, Any], there: Step | None, at: datetime) -> Step:
    """A step as a fact has it; its status, unless an exam said a later one."""
    status_at = datetime.fromisoformat(said["status_at"]) if said["status_at"] else at
    status = said["status"]
    if there is not None and there.status_at > status_at:
        status, status_at = there.status, there.status_at
    return Step(procedure.pk, procedure.patient, procedure.organisation, said["step_id"], status, status_at,
                with_status(said["item"], status), there.pk if there else 0)  # fmt: skip
