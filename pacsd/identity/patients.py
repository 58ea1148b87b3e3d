"""What feeds of an assigning authority say of its patients: demographics, and that two of them are one.

A statement is an overlay on every study of the patient, those that are still to arrive among them; a merge puts the
studies of one patient under another of the same authority. Stored bytes never change. Both are said to the unit of
work, which journals them before it commits, so that a rebuild from blobs alone knows them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pacsd.archive.journal import Fact, FactKind
from pacsd.archive.overlay import PATIENT_TAGS, Attributes
from pacsd.faults import Fault, PacsdError
from pacsd.index import outbox
from pacsd.index import patients as rows
from pacsd.index.connect import Connection, Pool, retried

PATIENT_UPDATED, PATIENT_MERGED = "patient.updated", "patient.merged"
_PATIENT_ID = "00100020"


class Work(Protocol):
    """The unit of work within which a message takes effect."""

    @property
    def connection(self) -> Connection: ...
    @property
    def organisation(self) -> int: ...
    def say(self, fact: Mapping[str, object]) -> datetime:
        """Have a fact journalled before all this can be committed; when it was said."""


@dataclass(frozen=True, slots=True)
class PatientKey:
    """A patient of an assigning authority."""

    assigning_authority: str
    patient_id: str


class Patients:
    """States and merges patients, within the caller's unit of work."""

    def hold(self, work: Work, keys: Iterable[PatientKey]) -> None:
        """Lock several patients in the order that everybody keeps, before one after the other is changed."""
        for key in sorted(set(keys), key=lambda one: (one.patient_id, one.assigning_authority)):
            _check(key, {})
            rows.locked(work.connection, key.assigning_authority, key.patient_id, make=True)

    def state(self, work: Work, key: PatientKey, changes: Attributes) -> Attributes:
        """Change what is stated of a patient, who may be new; what has changed by that.

        `changes`: DICOM JSON attributes by tag, without those that stay; None for one that is to be shown empty.
        Raises PacsdError NOT_FOUND for a patient that was merged, MALFORMED.
        """
        _check(key, changes)
        patient = self._live(work.connection, key)
        stated = _stated(changes)
        changed = {tag: value for tag, value in stated.items() if patient.overlay.get(tag) != value}
        if changed:
            overlay = {**patient.overlay, **changed}
            at = work.say({
                "fact": FactKind.PATIENT_OVERLAY.value, "authority": key.assigning_authority,
                "patient_id": key.patient_id, "attributes": {tag: value or None for tag, value in overlay.items()},
            })  # fmt: skip
            told = _told(work, PATIENT_UPDATED, key, {"attributes": sorted(changed)})
            rows.state(work.connection, patient, overlay, at=at, told=told)
        return changed

    def merge(self, work: Work, *, prior: PatientKey, survivor: PatientKey) -> bool:
        """Make the studies of `prior`, and those that still arrive for it, those of `survivor`; whether that is new.

        Either may be unknown so far. Raises PacsdError CONFLICT for a merge with itself or across authorities,
        NOT_FOUND where either was merged into somebody else before.
        """
        if prior.assigning_authority != survivor.assigning_authority:
            raise PacsdError(Fault.CONFLICT, "patients of two assigning authorities are linked, never merged")
        if prior == survivor:
            raise PacsdError(Fault.CONFLICT, "a patient cannot be merged with itself")
        _check(prior, {})
        _check(survivor, {})
        authority, connection = prior.assigning_authority, work.connection
        one, other = rows.locked_pair(connection, authority, prior.patient_id, survivor.patient_id)
        if other.merged_into is not None:
            raise PacsdError(Fault.NOT_FOUND, "the surviving patient was merged into another before")
        if one.merged_into is not None:
            if one.merged_into == other.pk:
                return False
            raise PacsdError(Fault.NOT_FOUND, "the prior patient was merged into another before")
        at = work.say({
            "fact": FactKind.PATIENT_MERGE.value, "authority": authority, "patient_id": prior.patient_id,
            "into": survivor.patient_id,
        })  # fmt: skip
        rows.merge(connection, one, other, at=at)
        told = _told(work, PATIENT_MERGED, survivor, {"prior": prior.patient_id})
        outbox.append(
            connection, organisation=told.organisation, topic=told.topic, subject=told.subject, body=dict(told.body)
        )
        return True

    def _live(self, connection: Connection, key: PatientKey) -> rows.Patient:
        patient = rows.locked(connection, key.assigning_authority, key.patient_id, make=True)
        if patient is None or patient.merged_into is not None:
            raise PacsdError(Fault.NOT_FOUND, "the patient was merged into another")
        return patient


def appliers(pool: Pool) -> dict[FactKind, Callable[[Fact], None]]:
    """How facts of this room take effect again, after a crash or in a rebuild."""

    def merged(fact: Fact) -> None:
        retried(pool, lambda connection: _merge_again(connection, fact))

    return {FactKind.PATIENT_MERGE: merged}


def _merge_again(connection: Connection, fact: Fact) -> None:
    body: Mapping[str, Any] = fact.body
    with connection.transaction():
        connection.execute("set local synchronous_commit = on")
        prior, survivor = rows.locked_pair(connection, body["authority"], body["patient_id"], body["into"])
        if prior.merged_into is None and survivor.merged_into is None and prior.pk != survivor.pk:
            rows.merge(connection, prior, survivor, at=max(fact.at, survivor.overlaid_at or fact.at))


def _told(work: Work, topic: str, key: PatientKey, body: Mapping[str, Any]) -> rows.Told:
    named = {"assigning_authority": key.assigning_authority, "patient_id": key.patient_id}
    return rows.Told(work.organisation, topic, f"{key.assigning_authority} {key.patient_id}", {**named, **body})


def _check(key: PatientKey, changes: Attributes) -> None:
    if not 1 <= len(key.patient_id) <= 64 or "\\" in key.patient_id:         # PS3.5 6.2, VR LO
        raise PacsdError(Fault.MALFORMED, "a patient id has 1 to 64 characters, and no backslash")
    if not 1 <= len(key.assigning_authority) <= 64 or "\\" in key.assigning_authority:
        raise PacsdError(Fault.MALFORMED, "an assigning authority has 1 to 64 characters, and no backslash")
    for tag in changes:
        if tag not in PATIENT_TAGS or tag == _PATIENT_ID:
            raise PacsdError(Fault.MALFORMED, f"{tag} is nothing that a feed states of a patient")


def _stated(changes: Attributes) -> dict[str, dict[str, Any]]:
    """As the index keeps it: an empty object takes an attribute away."""
    return {tag: {} if value is None else dict(value) for tag, value in changes.items()}
