"""Rows of performed procedure steps: made, locked, changed, deleted; and telling when their instances have come.

What decides stands in `pacsd.workflow`; here every statement says for whom.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from pacsd.access.scope import Scope
from pacsd.index import outbox
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.packs import THROW
from pacsd.index.predicate import Params, visible_performed_step, within

Attributes = dict[str, dict[str, Any]]
STEP_AVAILABLE = "step.available"


@dataclass(frozen=True, slots=True)
class PerformedStep:
    """A performed procedure step as it is kept. `attributes`: DICOM JSON by tag, without its UIDs.

    `record`: the key of the blob that says the same, for a rebuild.
    """

    organisation: int
    sop_instance_uid: str
    state: str
    attributes: Attributes
    study_instance_uids: Sequence[str]
    record: str
    created_at: datetime
    changed_at: datetime
    finished_at: datetime | None = None
    revision: int = 1
    pk: int = 0                          # 0: not kept yet


_STATED = ("state", "attributes", "study_instance_uids", "record", "created_at", "changed_at", "finished_at",
           "revision")  # fmt: skip
_FIELDS = ", ".join(f"t.{name}" for name in ("organisation", "sop_instance_uid", *_STATED, "pk"))
_INSERT = f"""
insert into performed_step (organisation, sop_instance_uid, told, {", ".join(_STATED)})
values (%s, %s, %s, {", ".join(["%s"] * len(_STATED))}) on conflict do nothing returning pk
"""
# The next look comes the later the longer nothing has come: a step may name what is never sent.
_AWAITED = f"""
update performed_step t set look_at = %(now)s + least(interval '300 s', greatest(interval '1 s',
    (%(now)s - t.finished_at) / 10))
where pk in (
    select pk from performed_step where state = 'COMPLETED' and not told and look_at <= %(now)s
    order by look_at limit %(limit)s for no key update skip locked)
returning {_FIELDS}
"""
_TOLD = "update performed_step set told = true where pk = %s and not told returning organisation, sop_instance_uid"
_STUDIES = """
select s.pk, s.study_instance_uid from study s
where {mine} and s.pk in (select r.study from series r
    where {series} and r.series_instance_uid = any({uids}::text[]))
order by s.study_instance_uid, s.organisation for no key update of s
"""
_LAPSED = f"""
delete from performed_step t where pk in (
    select pk from performed_step where changed_at < %s order by changed_at limit %s for update skip locked)
returning {_FIELDS}
"""


@contextmanager
def changing(pool: Pool) -> Iterator[Connection]:
    """A transaction that changes performed steps."""
    with lent(pool) as connection, connection.transaction():
        yield connection


def insert(connection: Connection, step: PerformedStep, *, told: bool = False) -> int | None:
    """Keep a new step; its key, or None if its organisation has one of this UID. `told`: of its instances before."""
    values = (step.organisation, step.sop_instance_uid, told, *_values(step))
    row = connection.execute(_INSERT, values, prepare=True).fetchone()
    return None if row is None else int(row[0])


def update(connection: Connection, step: PerformedStep, *, superseded: str, grace_s: float) -> None:
    """Write a changed step that this transaction has locked; its former record goes after a while."""
    params = Params()
    sets = ", ".join(f"{name} = {params.add(value)}" for name, value in zip(_STATED, _values(step), strict=True))
    mine = within(Scope((step.organisation,), step.organisation), params, "t")
    statement = f"update performed_step t set {sets} where {mine} and t.pk = {params.add(step.pk)}"
    connection.execute(statement, params.values, prepare=True)
    connection.execute(THROW, (grace_s, [superseded]), prepare=True)


def locked(connection: Connection, scope: Scope, sop_instance_uid: str) -> PerformedStep | None:
    """The step the scope sees, which nobody else changes until the transaction ends."""
    return _one(connection, scope, sop_instance_uid, " for no key update of t")


def found(connection: Connection, scope: Scope, sop_instance_uid: str) -> PerformedStep | None:
    """The step the scope sees."""
    return _one(connection, scope, sop_instance_uid, "")


def load(pool: Pool, scope: Scope, sop_instance_uid: str) -> PerformedStep | None:
    """The step the scope sees."""
    return retried(pool, lambda connection: found(connection, scope, sop_instance_uid), scope)


def surviving_patient(connection: Connection, assigning_authority: str, patient_id: str) -> tuple[str, str]:
    """Whom this id names today: the patient that survived, where it was merged; else as given, known or not."""
    row = connection.execute(
        """select s.assigning_authority, s.patient_id from patient p join patient s on s.pk = coalesce(p.survivor, p.pk)
        where p.patient_id = %s and p.assigning_authority = %s and p.unidentified = ''""",
        (patient_id, assigning_authority), prepare=True,
    ).fetchone()  # fmt: skip
    return (str(row[0]), str(row[1])) if row is not None else (assigning_authority, patient_id)


def awaited(pool: Pool, *, now: datetime, limit: int = 20) -> list[PerformedStep]:
    """Completed steps of which it was not yet said that all their instances came, each looked at again later."""

    def work(connection: Connection) -> list[PerformedStep]:
        return [_step(row) for row in connection.execute(_AWAITED, {"now": now, "limit": limit}).fetchall()]

    return retried(pool, work)


def tell_available(
    pool: Pool, step: PerformedStep, series_instance_uids: Sequence[str], completed_topic: str
) -> bool:
    """Say that all instances of a completed step are there, and that its studies are complete by that; once.

    A study is not complete while another step of it is in progress, or misses instances, nor if that was said already
    and nothing has come since. Writes `step.available`, and `completed_topic` for each study.
    """

    def work(connection: Connection) -> bool:
        with connection.transaction():
            if connection.execute(_TOLD, (step.pk,)).fetchone() is None:
                return False
            studies = _studies(connection, step.organisation, series_instance_uids)
            if studies:
                body = {"sop_instance_uid": step.sop_instance_uid, "study_instance_uids": list(studies.values())}
                outbox.append(
                    connection, organisation=step.organisation, topic=STEP_AVAILABLE, subject=step.sop_instance_uid,
                    body=body,
                )  # fmt: skip
            _complete(connection, step, list(studies), completed_topic)
        return True

    return retried(pool, work)


def _studies(connection: Connection, organisation: int, series_instance_uids: Sequence[str]) -> dict[int, str]:
    """The studies that hold these series, locked in the order that every writer keeps."""
    params, scope = Params(), Scope((organisation,), organisation)
    statement = _STUDIES.format(
        mine=within(scope, params, "s"), series=within(scope, params, "r"), uids=params.add(list(series_instance_uids))
    )
    return dict(connection.execute(statement, params.values).fetchall())


def _complete(connection: Connection, step: PerformedStep, studies: Sequence[int], topic: str) -> None:
    params = Params()
    mine = within(Scope((step.organisation,), step.organisation), params, "s")
    complete = connection.execute(
        f"""update study s set changed = false where {mine} and s.pk = any({params.add(list(studies))}) and s.changed
            and not exists (select from performed_step t where t.organisation = s.organisation
                and t.study_instance_uids @> array[s.study_instance_uid]
                and (t.state = 'IN PROGRESS' or (t.state = 'COMPLETED' and not t.told)))
        returning s.study_instance_uid, s.instances""",
        params.values,
    ).fetchall()
    for uid, instances in complete:
        body = {"study_instance_uid": uid, "instances": instances, "performed_steps": [step.sop_instance_uid]}
        outbox.append(connection, organisation=step.organisation, topic=topic, subject=uid, body=body)


def delete_old(
    pool: Pool, say: Callable[[Sequence[PerformedStep]], None], *, before: datetime, grace_s: float, limit: int = 200
) -> int:
    """Delete steps that ended before, or that nobody has gone on with since, and later their records; how many.

    `say` keeps what is still to be known of them, before they are gone.
    """

    def work(connection: Connection) -> int:
        with connection.transaction():
            steps = [_step(row) for row in connection.execute(_LAPSED, (before, limit)).fetchall()]
            if steps:
                say(steps)
                connection.execute(THROW, (grace_s, [one.record for one in steps]))
        return len(steps)

    return retried(pool, work)


def _one(connection: Connection, scope: Scope, sop_instance_uid: str, lock: str) -> PerformedStep | None:
    params = Params()
    statement = f"""
        select {_FIELDS} from performed_step t
        where {visible_performed_step(scope, params)} and t.sop_instance_uid = {params.add(sop_instance_uid)}{lock}"""
    row = connection.execute(statement, params.values, prepare=True).fetchone()
    return None if row is None else _step(row)


def _step(row: tuple[Any, ...]) -> PerformedStep:
    organisation, uid, state, attributes, *rest = row
    return PerformedStep(organisation, uid, state, orjson.loads(attributes), *rest)


def _values(step: PerformedStep) -> list[Any]:
    return [
        step.state, orjson.dumps(step.attributes).decode(), list(step.study_instance_uids), step.record,
        step.created_at, step.changed_at, step.finished_at, step.revision,
    ]  # fmt: skip
