"""Rows of encounters: for whom an organisation cares, beside those for whom it has an order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pacsd.access.principal import PatientKey
from pacsd.index import organisations
from pacsd.index.connect import Connection, Pool, retried
from pacsd.index.work import Work

CARE = "care.encounter"                  # word of the journal's FactKind
_KEEP = """
insert into care_encounter (organisation, name, assigning_authority, patient_id, stands, starts, ends, stated_at)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (organisation, name) do update set assigning_authority = excluded.assigning_authority,
    patient_id = excluded.patient_id, stands = excluded.stands, starts = excluded.starts, ends = excluded.ends,
    stated_at = excluded.stated_at
where care_encounter.stated_at <= excluded.stated_at
"""


@dataclass(frozen=True, slots=True)
class CareEncounter:
    """One encounter. `name`: unique in its organisation; `ends`: None while it goes on."""

    name: str
    patient: PatientKey
    starts: datetime
    ends: datetime | None
    stands: bool = True


def say_and_keep(work: Work, encounter: CareEncounter) -> None:
    """Keep one as it is now, within a unit of work that says so first."""
    code = organisations.code(work.connection, work.organisation)
    at = work.say({
        "fact": CARE, "organisation": code, "name": encounter.name, "authority": encounter.patient.assigning_authority,
        "patient_id": encounter.patient.patient_id, "stands": encounter.stands, "from": encounter.starts.isoformat(),
        "until": encounter.ends and encounter.ends.isoformat(),
    })  # fmt: skip
    _keep(work.connection, work.organisation, encounter, at)


def withdraw(work: Work, name: str) -> None:
    """One that was kept does not stand any more; nothing where none was."""
    row = work.connection.execute(
        "select assigning_authority, patient_id, starts, ends from care_encounter"
        " where organisation = %s and name = %s and stands for update", (work.organisation, name),
    ).fetchone()  # fmt: skip
    if row is not None:
        say_and_keep(work, CareEncounter(name, PatientKey(row[0], row[1]), row[2], row[3], stands=False))


def appliers(pool: Pool, keys: Mapping[str, int]) -> dict[str, Callable[[Any], None]]:
    """How facts of encounters take effect again. `keys`: of organisations, by code."""

    def kept(fact: Any) -> None:
        body = fact.body
        encounter = CareEncounter(
            body["name"], PatientKey(body["authority"], body["patient_id"]), datetime.fromisoformat(body["from"]),
            body["until"] and datetime.fromisoformat(body["until"]), body["stands"],
        )  # fmt: skip
        retried(pool, lambda connection: _keep(connection, keys[body["organisation"]], encounter, fact.at))

    return {CARE: kept}


def _keep(connection: Connection, organisation: int, encounter: CareEncounter, at: datetime) -> None:
    connection.execute(_KEEP, (
        organisation, encounter.name, encounter.patient.assigning_authority, encounter.patient.patient_id,
        encounter.stands, encounter.starts, encounter.ends, at,
    ))  # fmt: skip
