"""Rows of requested procedures: what was ordered, found by every number that a message or an image knows it by.

Whoever changes them locks their patient first, then the numbers of the order, then the rows by key, then their steps.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.predicate import Params, visible, within

_LOCK_CLASS = 0x6F7264                   # "ord": advisory locks of two keys, this and an order's number

_STATED = (
    "requested_procedure_id", "patient", "named_patient", "stated_at", "placer_number", "filler_number",
    "accession_number", "study_instance_uid", "said_by", "said", "formerly",
)  # fmt: skip
_NAMES = ("organisation", "order_key", *_STATED)
_FIELDS = ", ".join(f"r.{name}" for name in (*_NAMES, "pk"))
_INSERT = f"""
insert into requested_procedure ({", ".join(_NAMES)}) values ({", ".join(["%s"] * len(_NAMES))}) returning pk
"""
_UPDATE = f"update requested_procedure set {', '.join(f'{name} = %s' for name in _STATED)} where pk = %s"


@dataclass(frozen=True, slots=True)
class Procedure:
    """A requested procedure of an order. Numbers of orders are "id^namespace", empty where there is none.

    `named_patient`: whom the order names, where that patient was merged into `patient`. `formerly`: the id that was
    assigned to it before it got its own.
    """

    organisation: int
    order_key: str
    requested_procedure_id: str
    patient: int
    named_patient: int | None
    stated_at: datetime
    placer_number: str
    filler_number: str
    accession_number: str
    study_instance_uid: str
    said_by: str
    said: str
    formerly: str = ""
    pk: int = 0                          # 0: not kept yet


def hold_numbers(connection: Connection, organisation: int, numbers: Collection[str]) -> None:
    """Nobody else makes or finds an order of these numbers until the transaction ends."""
    for number in sorted({one for one in numbers if one}):
        connection.execute(
            "select pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK_CLASS, f"{organisation} {number}"), prepare=True
        )


def of_order(connection: Connection, organisation: int, *, placer: str, filler: str) -> list[Procedure]:
    """The procedures of an order, locked: those of its filler's number, else those of its placer's."""
    for column, number in (("filler_number", filler), ("placer_number", placer)):
        if number and (found := _locked(connection, organisation, f"r.{column} = {{}}", number)):
            return found
    return []


def by_key(
    connection: Connection, organisation: int, order_key: str, requested_procedure_id: str
) -> Procedure | None:
    """One procedure by its id or the one it had formerly, locked."""
    found = _locked(connection, organisation, "r.order_key = {}", order_key)
    return next((one for one in found if requested_procedure_id in (one.requested_procedure_id, one.formerly)), None)


def is_known(
    connection: Connection, organisation: int, order_key: str, ids: Sequence[str], *, since: datetime
) -> bool:
    """Whether a procedure, by its ids, is known as it was said then or later."""
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "r")
    those = params.add([one for one in ids if one])
    statement = f"""
        select coalesce(min(r.stated_at) >= {params.add(since)}, false) from requested_procedure r
        where {mine} and r.order_key = {params.add(order_key)}
        and (r.requested_procedure_id = any({those}) or r.formerly = any({those}))"""
    row = connection.execute(statement, params.values, prepare=True).fetchone()
    return row is not None and bool(row[0])


def performed(
    connection: Connection,
    organisation: int,
    *,
    study_instance_uid: str | None,
    accession_number: str | None,
    scheduled_step_ids: Collection[str],
) -> list[Procedure]:
    """The procedures that a performed step speaks of, locked: by Study Instance UID, else accession, else step ids."""
    if study_instance_uid and (
        found := _locked(connection, organisation, "r.study_instance_uid = {}", study_instance_uid)
    ):
        return found
    if accession_number and (found := _locked(connection, organisation, "r.accession_number = {}", accession_number)):
        return found
    if study_instance_uid or accession_number or not scheduled_step_ids:
        return []
    having = """r.pk in (select t.procedure from scheduled_step t
        where t.organisation = r.organisation and t.step_id = any({}::text[]))"""
    return _locked(connection, organisation, having, sorted(scheduled_step_ids))


def write(connection: Connection, procedure: Procedure) -> int:
    """Keep a new or changed procedure; its key."""
    if procedure.pk:
        connection.execute(_UPDATE, (*_values(procedure, _STATED), procedure.pk), prepare=True)
        return procedure.pk
    row = connection.execute(_INSERT, _values(procedure, _NAMES), prepare=True).fetchone()
    return 0 if row is None else int(row[0])


def study_of_accession(
    connection: Connection, organisation: int, accession_number: str, patient: int
) -> str | None:
    """The Study Instance UID of the images of that accession which came before their order, of the same patient.

    None where there are none, or several studies.
    """
    params = Params()
    mine = visible(Scope((organisation,), organisation), params)
    statement = f"""
        select s.study_instance_uid from study s where {mine}
        and s.accession_number = {params.add(accession_number)} and s.patient = {params.add(patient)} limit 2"""
    found = connection.execute(statement, params.values, prepare=True).fetchall()
    return str(found[0][0]) if len(found) == 1 else None


def of_study(pool: Pool, scope: Scope, study_instance_uid: str) -> list[Procedure]:
    """What was ordered with the images of a study, whichever came first: by Study Instance UID, or by accession."""
    params = Params()
    uid = params.add(study_instance_uid)
    statement = f"""
        select {_FIELDS} from requested_procedure r where {within(scope, params, "r")} and r.study_instance_uid = {uid}
        union
        select {_FIELDS} from requested_procedure r join study s
            on s.accession_number = r.accession_number and s.organisation = r.organisation and s.patient = r.patient
        where {within(scope, params, "r")} and {visible(scope, params)} and s.study_instance_uid = {uid}
        order by pk"""
    with lent(pool, scope) as connection:
        return [Procedure(*row) for row in connection.execute(statement, params.values, prepare=False)]


def studies_of(pool: Pool, scope: Scope, procedure: Procedure) -> list[str]:
    """The Study Instance UIDs of the images that came for a procedure, whichever came first."""
    params = Params()
    organisation = params.add(procedure.organisation)
    uid, accession = params.add(procedure.study_instance_uid), params.add(procedure.accession_number)
    statement = f"""
        select s.study_instance_uid from study s where {visible(scope, params)} and s.organisation = {organisation}
        and (s.study_instance_uid = {uid} or (s.accession_number = {accession}
            and s.patient = {params.add(procedure.patient)}))
        order by 1"""
    with lent(pool, scope) as connection:
        return [row[0] for row in connection.execute(statement, params.values, prepare=False)]


def _locked(connection: Connection, organisation: int, condition: str, value: Any) -> list[Procedure]:
    """Those that fulfil a condition, in which {} stands for the value."""
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "r")
    statement = f"""
        select {_FIELDS} from requested_procedure r where {mine} and {condition.format(params.add(value))}
        order by r.pk for no key update of r"""
    rows = connection.execute(statement, params.values, prepare=True).fetchall()
    return [Procedure(*row) for row in rows]


def _values(procedure: Procedure, names: Sequence[str]) -> list[Any]:
    return [getattr(procedure, name) for name in names]
