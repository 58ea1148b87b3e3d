"""Corrections of patients and studies: kept beside what the bytes say, and worked into what readers see."""

from datetime import datetime

from psycopg.types.json import Jsonb

from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index import patients
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.effective import recompute
from pacsd.index.predicate import Params, within
from pacsd.index.rows import dumps
from pacsd.index.values import Attributes


def knows_patient(pool: Pool, assigning_authority: str, patient_id: str) -> bool:
    """Whether the authority has such a patient."""
    with lent(pool) as connection:
        return connection.execute(
            "select from patient where patient_id = %s and assigning_authority = %s and unidentified = ''",
            (patient_id, assigning_authority),
        ).fetchone() is not None


def knows_study(pool: Pool, organisation: int, study_instance_uid: str) -> bool:
    """Whether the organisation has such a study."""
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "s")
    statement = f"select from study s where {mine} and s.study_instance_uid = {params.add(study_instance_uid)}"
    with lent(pool) as connection:
        return connection.execute(statement, params.values).fetchone() is not None


def set_patient_overlay(
    pool: Pool,
    assigning_authority: str,
    patient_id: str,
    attributes: Attributes,
    *,
    at: datetime | None = None,
    make: bool = False,
) -> int:
    """Replace what corrects a patient of one authority; how many studies read differently now.

    DICOM JSON attributes by tag; None in an attribute's place takes it away, no attributes at all undo every
    correction. `at` is when that was said (now): readers see it as the time of the modification, and what was said
    later stays. A patient that is not there is made, with `make`. Raises PacsdError NOT_FOUND.
    """

    def work(connection: Connection) -> int:
        with connection.transaction():
            connection.execute("set local synchronous_commit = on")
            patient = patients.locked(connection, assigning_authority, patient_id, make=make)
            if patient is None:
                raise PacsdError(Fault.NOT_FOUND, "no such patient")
            if _is_known(patient, attributes, at):
                return 0
            return patients.state(connection, patient, attributes, at=at)

    return retried(pool, work)


def _is_known(patient: patients.Patient, attributes: Attributes, at: datetime | None) -> bool:
    """Whether this was stated already, or something later."""
    if at is None or patient.stated_at is None or at > patient.stated_at:
        return False
    return at < patient.stated_at or patient.stated() == patient.stated(attributes)


def set_study_overlay(
    pool: Pool, organisation: int, study_instance_uid: str, attributes: Attributes, *, at: datetime | None = None
) -> None:
    """Replace what corrects one organisation's study; it counts over the patient's. Raises PacsdError NOT_FOUND."""

    def work(connection: Connection) -> None:
        params = Params()
        mine = within(Scope((organisation,), organisation), params, "s")
        statement = f"""
            update study s set overlay = {params.add(Jsonb(attributes, dumps=dumps))},
                overlaid_at = coalesce({params.add(at)}, now())
            where {mine} and s.study_instance_uid = {params.add(study_instance_uid)} returning pk"""
        with connection.transaction():
            connection.execute("set local synchronous_commit = on")
            found = connection.execute(statement, params.values).fetchone()
            if found is None:
                raise PacsdError(Fault.NOT_FOUND, "no such study")
            recompute(connection, [found[0]])

    retried(pool, work)
