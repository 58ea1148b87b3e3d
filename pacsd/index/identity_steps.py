"""Every step in the life of patients' identities: merged, taken back, linked, separated; kept for ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.predicate import Params, within

Key = tuple[str, str]                    # assigning authority, patient id

_NOTE = """
insert into identity_step (organisation, at, step, assigning_authority, patient_id, other_authority, other_id, said_by)
values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""
_NAMES = ("at", "step", "assigning_authority", "patient_id", "other_authority", "other_id", "said_by")


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to a patient and another, when, and who said so: feed, person or matching."""

    at: datetime
    step: str
    assigning_authority: str
    patient_id: str
    other_authority: str
    other_id: str
    said_by: str


def note(
    connection: Connection, step: str, one: Key, other: Key, *, organisation: int, at: datetime, said_by: str
) -> None:
    """Keep a step; one that is kept already is not kept twice."""
    connection.execute(_NOTE, (organisation, at, step, *one, *other, said_by))


def history(pool: Pool, scope: Scope, one: Key, *, limit: int = 1000) -> Sequence[Step]:
    """The steps that concern a patient, the first one first."""
    params = Params()
    authority, patient_id = params.add(one[0]), params.add(one[1])
    statement = f"""
        select {", ".join(f"s.{name}" for name in _NAMES)} from identity_step s where {within(scope, params, "s")}
        and ((s.patient_id = {patient_id} and s.assigning_authority = {authority})
            or (s.other_id = {patient_id} and s.other_authority = {authority}))
        order by s.at, s.pk limit {params.add(limit)}"""
    with lent(pool, scope) as connection:
        return [Step(*row) for row in connection.execute(statement, params.values)]
