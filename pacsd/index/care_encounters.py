"""Rows of encounters: for whom an organisation cares, beside those for whom it has an order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pacsd.access.principal import PatientKey
from pacsd.index import organisations
from pacsd.index.connect import Connection, Pool, retried
from pacsd.index.pipelined import Asked, Statement, numbered
from pacsd.index.rows import dumps
from pacsd.index.work import Work

CARE = "care.encounter"                  # word of the journal's FactKind
_KEEP = """
insert into care_encounter (organisation, name, assigning_authority, patient_id, stands, starts, ends, stated_at)
select %s::integer, o.* from jsonb_to_recordset(%s::jsonb) as o(name text, authority text, patient_id text,
    stands boolean, starts timestamptz, ends timestamptz, at timestamptz)
on conflict (organisation, name) do update set assigning_authority = excluded.assigning_authority,
    patient_id = excluded.patient_id, stands = excluded.stands, starts = excluded.starts, ends = excluded.ends,
    stated_at = excluded.stated_at
where care_encounter.stated_at <= excluded.stated_at
"""
_KEEPING = Statement("pacsd_keep_care", numbered(_KEEP), ("integer", "jsonb"))


@dataclass(frozen=True, slots=True)
class CareEncounter:
    """One encounter. `name`: unique in its organisation; `ends`: None while it goes on."""

    name: str
    patient: PatientKey
    starts: datetime
    ends: datetime | None
    stands: bool = True


_Stated = tuple[CareEncounter, datetime]     # and when it was said


def say_and_keep(work: Work, encounter: CareEncounter) -> None:
    """Keep one as it is now, within a unit of work that says so first."""
    asked = keeping(work, organisations.code(work.connection, work.organisation), [encounter])
    work.connection.execute(_KEEP, asked.values, prepare=True)


def keeping(work: Work, code: str, encounters: Sequence[CareEncounter]) -> Asked:
    """The same for several, each of another name, by what is asked with the commit (Work.last).

    Their rows are locked in the order that everybody keeps. `code`: of the organisation, by which facts name it.
    """
    ordered = sorted(encounters, key=lambda one: one.name)
    return Asked(_KEEPING, _values(work.organisation, [(one, work.say(_fact(code, one))) for one in ordered]))


def _fact(code: str, encounter: CareEncounter) -> dict[str, object]:
    return {
        "fact": CARE, "organisation": code, "name": encounter.name, "authority": encounter.patient.assigning_authority,
        "patient_id": encounter.patient.patient_id, "stands": encounter.stands, "from": encounter.starts.isoformat(),
        "until": encounter.ends and encounter.ends.isoformat(),
    }  # fmt: skip


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
        retried(pool, lambda connection: _keep(connection, keys[body["organisation"]], [(encounter, fact.at)]))

    return {CARE: kept}


def _keep(connection: Connection, organisation: int, stated: Sequence[_Stated]) -> None:
    connection.execute(_KEEP, _values(organisation, stated), prepare=True)


def _values(organisation: int, stated: Sequence[_Stated]) -> tuple[int, str]:
    rows = [{
        "name": one.name, "authority": one.patient.assigning_authority, "patient_id": one.patient.patient_id,
        "stands": one.stands, "starts": one.starts.isoformat(), "ends": one.ends and one.ends.isoformat(),
        "at": at.isoformat(),
    } for one, at in stated]  # fmt: skip
    return organisation, dumps(rows)
