"""Modality performed procedure steps: created, set and retrieved (PS3.4 F.7, F.8; IHE RAD-6, RAD-7).

A change is decided and written while its step's row is locked, in one transaction with the progress of the scheduled
steps it performs and the event for the rest of the house; its record is durable before that commits. Who performs what
was never scheduled, for a patient nobody knows, is taken at its word: somebody lies on the table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

from pacsd.access.directory import Peer
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index import outbox
from pacsd.index import performed_steps as rows
from pacsd.index.connect import Connection, Pool, may_run_again
from pacsd.index.performed_steps import PerformedStep
from pacsd.workflow.performed_step_references import ScheduledSteps, patient, scheduled, studies
from pacsd.workflow.performed_step_refusals import StepReason, StepRefusal
from pacsd.workflow.performed_step_requirements import StepState, created, is_uid, state_of, updated
from pacsd.workflow.records import Records
from pacsd.workflow.requirements import Dataset, first

TOPICS: Mapping[StepState, str] = {
    StepState.IN_PROGRESS: "step.started",
    StepState.COMPLETED: "step.completed",
    StepState.DISCONTINUED: "step.discontinued",
}
MOST_PROCEDURES = 1_000                  # that one step performs: each is told how far it is, in one transaction
_RACES = 3                               # how often a step may find messages at work on its orders, and go on
_MODALITY, _STATION = "00080060", "00400241"


class Progress(Protocol):
    """Tells the scheduled steps of an order how far their performance is, in the caller's transaction."""

    def __call__(
        self, connection: Connection, *, organisation: int, study_instance_uid: str, accession_number: str,
        scheduled_step_ids: Sequence[str], status: str, at: datetime,
    ) -> object: ...  # fmt: skip


def nobody_schedules(*_: object, **__: object) -> None:
    """For a house without orders."""


class PerformedSteps:
    """The service. Everything that is refused raises StepRefusal, or PacsdError FULL, UNAVAILABLE, TOO_MUCH."""

    def __init__(
        self,
        pool: Pool,
        records: Records,
        *,
        grace_s: float,
        progress: Progress = nobody_schedules,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._records = records
        self._grace_s = grace_s
        self._progress = progress
        self._clock = clock

    def create(self, peer: Peer, sop_instance_uid: str, dataset: Dataset) -> str:
        """A new step, IN PROGRESS; its UID, which is ours where none is given (PS3.4 F.7.2.1, PS3.7 10.1.5.1.3)."""
        uid = sop_instance_uid or f"2.25.{uuid4().int}"
        if not is_uid(uid):
            raise StepRefusal(StepReason.INVALID_UID)
        attributes = {tag: dict(one) for tag, one in created(dataset).items()}
        if len(scheduled(attributes)) > MOST_PROCEDURES:
            raise PacsdError(Fault.TOO_MUCH, f"a step of more than {MOST_PROCEDURES} requested procedures")
        now = self._clock()
        step = PerformedStep(
            peer.organisation, uid, StepState.IN_PROGRESS.value, attributes, studies(attributes), self._records.key(),
            now, now,
        )  # fmt: skip
        _unhindered(lambda: self._made(peer, step))
        return uid

    def set(self, peer: Peer, sop_instance_uid: str, changes: Dataset) -> None:
        """Set attributes, the status among them (PS3.4 F.7.2.2). Of two at once that end the step one is refused."""
        _unhindered(lambda: self._set(peer, sop_instance_uid, changes))

    def _made(self, peer: Peer, step: PerformedStep) -> None:
        with rows.changing(self._pool) as connection:
            if rows.insert(connection, step) is None:
                raise StepRefusal(StepReason.DUPLICATE)
            self._tell(connection, peer, step)
            self._records.put_performed_step(step)

    def _set(self, peer: Peer, sop_instance_uid: str, changes: Dataset) -> None:
        with rows.changing(self._pool) as connection:
            step = _locked(connection, peer, sop_instance_uid)
            if StepState(step.state).final:
                raise StepRefusal(StepReason.NO_LONGER_UPDATABLE)
            attributes = {tag: dict(one) for tag, one in updated(step.attributes, changes).items()}
            state, now = state_of(attributes), self._clock()
            kept = replace(
                step, state=state.value, attributes=attributes, record=self._records.key(), changed_at=now,
                finished_at=now if state.final else None, revision=step.revision + 1,
            )  # fmt: skip
            rows.update(connection, kept, superseded=step.record, grace_s=self._grace_s)
            if state.final:
                self._tell(connection, peer, kept)
            self._records.put_performed_step(kept)

    def retrieve(self, scope: Scope, sop_instance_uid: str) -> rows.Attributes:
        """All attributes (PS3.4 F.8.2)."""
        step = rows.load(self._pool, scope, sop_instance_uid)
        if step is None:
            raise StepRefusal(StepReason.UNKNOWN)
        return step.attributes

    def _tell(self, connection: Connection, peer: Peer, step: PerformedStep) -> None:
        """The scheduled steps, and the rest of the house."""
        tell_scheduled(connection, step, self._progress, at=step.changed_at)
        outbox.append(
            connection, organisation=step.organisation, topic=TOPICS[StepState(step.state)],
            subject=step.sop_instance_uid, body=_told(connection, peer, step),
        )  # fmt: skip


def _unhindered(transaction: Callable[[], None]) -> None:
    """A transaction, again where one of the orders' was in its way and came first: a modality says things once."""
    for _ in range(_RACES):
        try:
            return transaction()
        except PacsdError as error:
            if not may_run_again(error):
                raise
    return transaction()


def tell_scheduled(connection: Connection, step: PerformedStep, progress: Progress, *, at: datetime) -> None:
    """Tell every scheduled step that a performed one names how far it is."""
    tell_each(connection, step.organisation, scheduled(step.attributes), progress, status=step.state, at=at)


def tell_each(
    connection: Connection, organisation: int, named: Sequence[ScheduledSteps], progress: Progress, *, status: str,
    at: datetime,
) -> None:  # fmt: skip
    """Tell scheduled steps that are named how far they are, in one order."""
    for one in sorted(named, key=lambda one: (one.study_instance_uid, one.accession_number)):
        progress(
            connection,
            organisation=organisation,
            study_instance_uid=one.study_instance_uid,
            accession_number=one.accession_number,
            scheduled_step_ids=one.scheduled_step_ids,
            status=status,
            at=at,
        )


def _told(connection: Connection, peer: Peer, step: PerformedStep) -> dict[str, Any]:
    orders = scheduled(step.attributes)
    authority, patient_id = patient(step.attributes, peer.assigning_authority)
    if patient_id:
        authority, patient_id = rows.surviving_patient(connection, authority, patient_id)
    return {
        "sop_instance_uid": step.sop_instance_uid,
        "state": step.state,
        "modality": first(step.attributes.get(_MODALITY)),
        "station_ae_title": first(step.attributes.get(_STATION)),
        "assigning_authority": authority,
        "patient_id": patient_id,
        "study_instance_uids": list(step.study_instance_uids),
        "accession_numbers": sorted({one.accession_number for one in orders if one.accession_number}),
        "scheduled_step_ids": sorted({step_id for one in orders for step_id in one.scheduled_step_ids}),
    }


def _locked(connection: Connection, peer: Peer, uid: str) -> PerformedStep:
    """A step of the peer's own organisation: what it may only read it may not change."""
    step = rows.locked(connection, Scope((peer.organisation,), peer.organisation), uid)
    if step is not None:
        return step
    if rows.found(connection, peer.scope, uid) is not None:
        raise StepRefusal(StepReason.OF_ANOTHER_ORGANISATION)
    raise StepRefusal(StepReason.UNKNOWN)
