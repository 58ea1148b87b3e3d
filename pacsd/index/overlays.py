"""Corrections of patients and studies: kept beside what the bytes say, and worked into what readers see."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.names import name_grams
from pacsd.index.placement import add_grams
from pacsd.index.predicate import Params, within
from pacsd.index.rows import PATIENT_ID, answer, column_names, column_values, dumps, overlaid
from pacsd.index.values import Attributes, text_at

_BATCH = 500

_COLUMNS = column_names("study")
_LOCK_STUDIES = """
select s.pk, s.patient, s.original, p.overlay, s.overlay from study s join patient p on p.pk = s.patient
where s.pk = any(%s) order by s.study_instance_uid, s.organisation for no key update of s
"""
_RECOMPUTE = f"""
update study set patient_id = %s, attributes = %s, more = %s, {", ".join(f"{name} = %s" for name in _COLUMNS)}
where pk = %s
"""


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
    pool: Pool, assigning_authority: str, patient_id: str, attributes: Attributes, *, at: datetime | None = None
) -> int:
    """Replace what corrects a patient of one authority; how many studies read differently now.

    DICOM JSON attributes by tag; None in an attribute's place takes it away, no attributes at all undo every
    correction. `at` is when that was said (now): readers see it as the time of the modification. Raises PacsdError
    NOT_FOUND.
    """

    def work(connection: Connection) -> int:
        with connection.transaction():
            connection.execute("set local synchronous_commit = on")
            found = connection.execute(
                """update patient set overlay = %s, overlaid_at = coalesce(%s, now())
                where patient_id = %s and assigning_authority = %s and unidentified = '' returning pk""",
                (Jsonb(attributes, dumps=dumps), at, patient_id, assigning_authority),
            ).fetchone()
            if found is None:
                raise PacsdError(Fault.NOT_FOUND, "no such patient")
            studies = connection.execute("select pk from study where patient = %s", found).fetchall()
            return _recompute(connection, [row[0] for row in studies])

    return retried(pool, work)


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
            _recompute(connection, [found[0]])

    retried(pool, work)


def _recompute(connection: Connection, studies: Sequence[int]) -> int:
    grams: set[tuple[str, int]] = set()
    for start in range(0, len(studies), _BATCH):
        rows = connection.execute(_LOCK_STUDIES, (list(studies[start : start + _BATCH]),)).fetchall()
        changes: list[tuple[Any, ...]] = []
        for pk, patient, original, patient_overlay, overlay in rows:
            effective = overlaid(original, patient_overlay, overlay)
            ready, keys = answer("study", effective), column_values("study", effective)
            changes.append((text_at(effective, PATIENT_ID) or "", ready.attributes, ready.more, *keys, pk))
            grams.update((gram, patient) for gram in name_grams(keys[:4]))
        with connection.cursor() as cursor:
            cursor.executemany(_RECOMPUTE, changes)
    add_grams(connection, grams)
    return len(studies)
