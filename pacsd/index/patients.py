"""Rows of patients: stated, and merged within their assigning authority.

Whoever changes a patient locks its row first, the lower (patient id, authority) before the higher, so that no study
that arrives meanwhile escapes the change (pacsd.index.placement holds the row while it puts a study under it).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from pacsd.index import scheduled_steps
from pacsd.index.connect import Connection
from pacsd.index.effective import recompute
from pacsd.index.rows import PATIENT_ID, dumps
from pacsd.index.values import Attributes

# %s twice: the caller says whether one that is not there is made
_LOCK = """
with asked as (select %s::text as patient_id, %s::text as assigning_authority),
found as (select p.pk, p.overlay, p.overlaid_at, p.merged_into
    from patient p join asked using (patient_id, assigning_authority) where p.unidentified = '' for update of p),
made as (
    insert into patient (patient_id, assigning_authority)
    select patient_id, assigning_authority from asked where %s and not exists (select from found)
    on conflict do nothing returning pk, overlay, overlaid_at, merged_into
)
select pk, overlay, overlaid_at, merged_into, false from found
union all select pk, overlay, overlaid_at, merged_into, true from made
"""
_STATE = "update patient set overlay = %s, overlaid_at = coalesce(%s, now()) where pk = %s"
_STATE_AND_TELL = f"""
with stated as ({_STATE}) insert into event (organisation, topic, subject, body) values (%s, %s, %s, %s)
"""
_STUDIES = "select pk from study where patient = %s order by study_instance_uid, organisation for no key update"


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient that the caller's transaction has locked. `overlay`: what is stated of it, as DICOM JSON by tag."""

    pk: int
    patient_id: str
    assigning_authority: str
    overlay: Attributes
    overlaid_at: datetime | None
    merged_into: int | None
    made: bool                           # by this transaction: it has no studies


def locked(connection: Connection, assigning_authority: str, patient_id: str, *, make: bool) -> Patient | None:
    """The patient, until the transaction ends; one that is not there is made, with `make`, or None."""
    while True:
        row = connection.execute(_LOCK, (patient_id, assigning_authority, make), prepare=True).fetchone()
        if row is not None:
            pk, overlay, overlaid_at, merged_into, made = row
            return Patient(pk, patient_id, assigning_authority, overlay, overlaid_at, merged_into, made)
        if not make:
            return None                          # else somebody makes it at this moment: look again


def overlay_of(connection: Connection, patient: int) -> Attributes:
    """What is stated of a patient now."""
    row = connection.execute("select overlay from patient where pk = %s", (patient,), prepare=True).fetchone()
    return {} if row is None else row[0]


def locked_pair(
    connection: Connection, assigning_authority: str, first: str, second: str
) -> tuple[Patient, Patient]:
    """Two patients of one authority, made where they are not there."""
    found = {one: locked(connection, assigning_authority, one, make=True) for one in sorted({first, second})}
    pair = found[first], found[second]
    if pair[0] is None or pair[1] is None:
        raise LookupError("a patient that was made is not there")
    return pair[0], pair[1]


@dataclass(frozen=True, slots=True)
class Told:
    """The event that tells of a change (pacsd.index.outbox)."""

    organisation: int
    topic: str
    subject: str
    body: Mapping[str, Any]


def state(
    connection: Connection, patient: Patient, overlay: Attributes, *, at: datetime | None, told: Told | None = None
) -> int:
    """Replace what is stated of a locked patient, and tell of it; how many studies read differently now."""
    values = (Jsonb(overlay, dumps=dumps), at, patient.pk)
    if told is None:
        connection.execute(_STATE, values, prepare=True)
    else:                                        # one statement: feeds state thousands of patients a minute
        event = (told.organisation, told.topic, told.subject, Jsonb(dict(told.body)))
        connection.execute(_STATE_AND_TELL, (*values, *event), prepare=True)
    if patient.made:
        return 0
    found = recompute(connection, _studies(connection, patient.pk))
    scheduled_steps.recompute(connection, patient.pk)
    return found


def merge(connection: Connection, prior: Patient, survivor: Patient, *, at: datetime) -> int:
    """All studies and orders of `prior` become those of `survivor`, and show its id; how many studies it has now.

    Each study keeps whom it was first placed under, so that this can be taken back. Both are locked, and neither is
    merged into anybody.
    """
    moved = _studies(connection, prior.pk)
    connection.execute("update patient set merged_into = %s where pk = %s", (survivor.pk, prior.pk))
    connection.execute(
        "update patient set survivor = %s where pk = %s or survivor = %s", (survivor.pk, prior.pk, prior.pk)
    )
    connection.execute(
        "update study set named_patient = coalesce(named_patient, patient), patient = %s where pk = any(%s)",
        (survivor.pk, moved),
    )
    scheduled_steps.move(connection, prior.pk, survivor.pk)
    named = {**survivor.overlay, PATIENT_ID: {"vr": "LO", "Value": [survivor.patient_id]}}
    connection.execute(_STATE, (Jsonb(named, dumps=dumps), at, survivor.pk))
    found = recompute(connection, _studies(connection, survivor.pk))
    scheduled_steps.recompute(connection, survivor.pk)
    return found


def _studies(connection: Connection, patient: int) -> Sequence[int]:
    return [row[0] for row in connection.execute(_STUDIES, (patient,), prepare=True)]
