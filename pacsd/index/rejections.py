"""Rejecting, restoring and purging instances: sets, idempotent, counts right, and nothing left over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pacsd.access.scope import LEVELS, Rejected, Scope
from pacsd.index import outbox
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.loose import sop_hash
from pacsd.index.packs import THROW, keys_of, throw_taken
from pacsd.index.predicate import Params, within
from pacsd.index.summary import lock_series, summarise

INSTANCE_REJECTED = "instance.rejected"
INSTANCE_RESTORED = "instance.restored"
INSTANCE_PURGED = "instance.purged"
HIDDEN, AWAITED, GONE = "hidden", "awaited", "gone"      # states of what is rejected
QUALITY = "113001"                               # PS3.16 CID 7011, Rejected for Quality Reasons
NOBODY = 3                                       # above every reader's level

NOTHING: Mapping[str, str] = {}
Instances = Mapping[str, Sequence[str]]          # Series Instance UID -> SOP Instance UIDs

_KEPT = """
(exists (select from instance i where i.series = g.series and i.sop_instance_uid = g.sop_instance_uid)
    or exists (select from locator l where l.series = g.series and l.hash = g.hash))
"""
_GIVEN = "unnest(%(series)s::bigint[], %(uids)s::text[], %(hashes)s::bigint[]) as g(series, sop_instance_uid, hash)"
# What is rejected once more stays so; for a graver reason it is hidden from more readers. A note stays a note.
_GRAVER = """do update set
    series = excluded.series, code = excluded.code, shown_from = excluded.shown_from,
    rejected_at = excluded.rejected_at, state = excluded.state, said_by = excluded.said_by, reason = excluded.reason
where not rejection.note and rejection.state <> 'gone'
    and (excluded.shown_from > rejection.shown_from or rejection.state <> excluded.state and excluded.state = 'hidden')
"""
_SAID = "%(code)s, %(shown_from)s, %(said_by)s, %(reason)s"
_COLUMNS = "(organisation, series, sop_instance_uid, hash, state, code, shown_from, said_by, reason)"
_REJECT = f"""
insert into rejection {_COLUMNS}
select %(organisation)s, g.series, g.sop_instance_uid, g.hash, 'hidden', {_SAID} from {_GIVEN} where {_KEPT}
order by g.sop_instance_uid on conflict (sop_instance_uid, organisation) {_GRAVER}
returning series
"""
# Not here (any more): only the tombstone is left to be made, in no series that anybody reads.
_REJECT_ABSENT = f"""
insert into rejection {_COLUMNS}
select %(organisation)s, 0, u.sop, u.hash, %(absent)s, {_SAID}
from unnest(%(named)s::text[], %(named_hashes)s::bigint[]) as u(sop, hash)
where not exists (select from instance i where i.sop_instance_uid = u.sop and i.organisation = %(organisation)s)
    and not exists (select from locator l join series r on r.pk = l.series
        where l.hash = u.hash and r.organisation = %(organisation)s)
order by u.sop on conflict (sop_instance_uid, organisation) do update set
    code = excluded.code, shown_from = excluded.shown_from, said_by = excluded.said_by, reason = excluded.reason
where not rejection.note and excluded.shown_from > rejection.shown_from
"""
_RESTORE_ABSENT = """
delete from rejection where organisation = %(organisation)s and sop_instance_uid = any(%(named)s::text[])
    and state <> 'hidden' and not note
returning sop_instance_uid
"""
_RESTORE = f"""
delete from rejection x using {_GIVEN}
where x.sop_instance_uid = g.sop_instance_uid and x.organisation = %(organisation)s and x.series = g.series
    and x.state = 'hidden' and not x.note
returning x.series
"""
_GONE = """
update rejection set state = 'gone'
where organisation = %(organisation)s and sop_instance_uid = any(%(gone)s::text[]) and not note
"""
_NO_NOTE = """
delete from rejection where organisation = %(organisation)s and sop_instance_uid = any(%(gone)s::text[]) and note
"""
_PURGE_LOOSE = f"""
delete from instance i using {_GIVEN} where i.series = g.series and i.sop_instance_uid = g.sop_instance_uid
returning i.series, i.sop_instance_uid, i.key
"""
_PURGE_PACKED = f"""
delete from locator l using {_GIVEN} where l.series = g.series and l.hash = g.hash
returning l.series, g.sop_instance_uid
"""
_HIDE = """
insert into replaced (series, sop_instance_uid) select * from unnest(%s::bigint[], %s::text[]) on conflict do nothing
"""
_IS_KEPT = """(exists (select from instance i where i.series = u.pk and i.sop_instance_uid = x.sop_instance_uid)
        or exists (select from locator l where l.series = u.pk and l.hash = x.hash))"""
_RECOUNT = f"""
update series r set
    loose_count = n.loose, has_loose = n.loose > 0, revision = r.revision + 1,
    fragmented = fragmented or exists (select from replaced x where x.series = r.pk),
    instances = n.loose + n.located - n.hidden, notes = n.notes, kept = n.kept
from (select u.pk, t.*,
    (select count(*)::integer from instance where series = u.pk) as loose,
    (select count(*)::integer from locator where series = u.pk) as located
    from unnest(%s::bigint[]) as u(pk) cross join lateral (select
        count(*)::integer as hidden,
        (count(*) filter (where x.shown_from = 1))::integer as notes,
        (count(*) filter (where x.shown_from = 2))::integer as kept
        from rejection x where x.series = u.pk and {_IS_KEPT}) t) n
where r.pk = n.pk
returning r.pk, n.loose + n.located
"""


@dataclass(frozen=True, slots=True)
class Saying:
    """Why instances are rejected: a title's code of IHE RAD-66, by which note if by one, and in whose words."""

    code: str
    said_by: str = ""                    # SOP Instance UID of the note
    reason: str = ""
    awaited: bool = False                # what is not here counts as still to come: it will be kept, hidden

    @property
    def shown_from(self) -> int:
        """The level of the readers who go on seeing them."""
        return LEVELS[Rejected.KEEP] if self.code == QUALITY else NOBODY


def reject(
    pool: Pool, organisation: int, study_instance_uid: str, instances: Instances, saying: Saying
) -> int:
    """Hide instances from readers, and keep them from coming back; how many were not hidden before.

    What the organisation does not keep at all (any more) is not counted, and may not come back either, unless it is
    awaited; what it keeps elsewhere is passed over.
    """
    said = {
        "code": saying.code, "shown_from": saying.shown_from, "said_by": saying.said_by, "reason": saying.reason,
        "absent": AWAITED if saying.awaited else GONE,
    }  # fmt: skip

    def work(connection: Connection, given: dict[str, Any]) -> list[int]:
        rows = connection.execute(_REJECT, {**given, **said}).fetchall()
        connection.execute(_REJECT_ABSENT, {**given, **said})
        recount(connection, given["every"])
        return [row[0] for row in rows]

    more = {"code": saying.code}
    return _set(pool, organisation, study_instance_uid, instances, work, INSTANCE_REJECTED, more)


def restore(pool: Pool, organisation: int, study_instance_uid: str, instances: Instances) -> int:
    """Undo `reject`; how many became visible again. What is named and not here may come (again)."""

    def work(connection: Connection, given: dict[str, Any]) -> list[int]:
        rows = connection.execute(_RESTORE, given).fetchall()
        connection.execute(_RESTORE_ABSENT, given)
        recount(connection, given["every"])
        return [row[0] for row in rows]

    return _set(pool, organisation, study_instance_uid, instances, work, INSTANCE_RESTORED)


def purge(
    pool: Pool, organisation: int, study_instance_uid: str, instances: Instances, *, grace_s: float
) -> int:
    """Forget instances for good; how many were kept. Their tombstones stay, so what was rejected stays away.

    Spool files become garbage in `grace_s`; packed copies are hidden until a merge drops them. A series
    without instances goes with all its packs, a study without series, a patient without studies of whom
    nothing else was said.
    """

    def work(connection: Connection, given: dict[str, Any]) -> list[int]:
        loose = connection.execute(_PURGE_LOOSE, given).fetchall()
        packed = connection.execute(_PURGE_PACKED, given).fetchall()
        connection.execute(_HIDE, ([row[0] for row in packed], [row[1] for row in packed]))
        for series in {row[0] for row in loose}:
            throw_taken(connection, series, (row[2] for row in loose if row[0] == series), grace_s=grace_s)
        gone = {"organisation": organisation, "gone": [row[1] for row in (*loose, *packed)]}
        connection.execute(_GONE, gone)
        connection.execute(_NO_NOTE, gone)
        left = recount(connection, given["every"])
        _bury(connection, [pk for pk, kept in left if kept == 0], grace_s)
        return [row[0] for row in (*loose, *packed)]

    return _set(pool, organisation, study_instance_uid, instances, work, INSTANCE_PURGED)


@dataclass(frozen=True, slots=True)
class Rejection:
    """What was said of an instance; the study is empty where nothing of it is here."""

    study_instance_uid: str
    sop_instance_uid: str
    saying: Saying
    state: str
    note: bool                           # it is a rejection note, and the code its title
    rejected_at: datetime


def listed(pool: Pool, organisation: int, *, study_instance_uid: str | None, limit: int) -> list[Rejection]:
    """The newest rejections of an organisation, or of one of its studies."""
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "x")
    of_study = "" if study_instance_uid is None else f"and s.study_instance_uid = {params.add(study_instance_uid)}"
    statement = f"""
        select coalesce(s.study_instance_uid, ''), x.sop_instance_uid, x.code, x.said_by, x.reason, x.state, x.note,
            x.rejected_at
        from rejection x left join series r on r.pk = x.series left join study s on s.pk = r.study
        where {mine} {of_study} order by x.rejected_at desc, x.sop_instance_uid limit {params.add(limit)}"""
    with lent(pool) as connection:
        rows = connection.execute(statement, params.values).fetchall()
    return [
        Rejection(study, sop, Saying(code, said_by, reason, state == AWAITED), state, note, at)
        for study, sop, code, said_by, reason, state, note, at in rows
    ]


def hidden_because(pool: Pool, organisation: int, sops: Sequence[str], *, reason: str) -> set[str]:
    """Those of an organisation's instances that are hidden for just this reason."""
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "x")
    statement = f"""
        select x.sop_instance_uid from rejection x where {mine} and x.sop_instance_uid = any({params.add(sorted(sops))})
            and x.state = 'hidden' and x.reason = {params.add(reason)}"""
    with lent(pool) as connection:
        return {row[0] for row in connection.execute(statement, params.values)}


def tombstone(pool: Pool, organisation: int, sops: Sequence[str]) -> None:
    """Instances that were purged, as a rebuild finds them, are awaited no more."""
    with lent(pool) as connection:
        connection.execute(_GONE, {"organisation": organisation, "gone": sorted(sops)})


def recount(connection: Connection, series: Sequence[int]) -> list[tuple[int, int]]:
    """Count locked series anew, and tell whoever waits for them to look again; how many instances each keeps."""
    return connection.execute(_RECOUNT, (sorted(set(series)),)).fetchall()


def _set(
    pool: Pool, organisation: int, study_instance_uid: str, instances: Instances, work: Any, topic: str,
    more: Mapping[str, str] = NOTHING,
) -> int:
    def transaction(connection: Connection) -> int:
        with connection.transaction():
            connection.execute("set local synchronous_commit = on")
            connection.execute("set local statement_timeout = 0")        # a note names as much as it likes
            series = _series(connection, organisation, study_instance_uid, list(instances))
            studies = sorted(set(lock_series(connection, sorted(series.values())).values()))
            pairs = sorted((series[uid], sop) for uid, sops in instances.items() if uid in series for sop in set(sops))
            named = sorted({sop for sops in instances.values() for sop in sops})
            changed: list[int] = work(connection, {
                "named": named, "named_hashes": [sop_hash(sop) for sop in named],
                "organisation": organisation, "every": sorted(series.values()), "series": [pk for pk, _ in pairs],
                "uids": [sop for _, sop in pairs], "hashes": [sop_hash(sop) for _, sop in pairs],
            })  # fmt: skip
            summarise(connection, studies)
            if changed:
                body = {"study_instance_uid": study_instance_uid, "instances": len(changed), **more}
                outbox.append(
                    connection, organisation=organisation, topic=topic, subject=study_instance_uid, body=body
                )
            if changed and topic == INSTANCE_PURGED:
                _bury_studies(connection, studies)
            return len(changed)

    return retried(pool, transaction)


def _series(
    connection: Connection, organisation: int, study_instance_uid: str, uids: Sequence[str]
) -> dict[str, int]:
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "s")
    statement = f"""
        select r.series_instance_uid, r.pk from series r join study s on s.pk = r.study
        where {mine} and s.study_instance_uid = {params.add(study_instance_uid)}
            and r.series_instance_uid = any({params.add(list(uids))}::text[])"""
    return dict(connection.execute(statement, params.values).fetchall())


def _bury(connection: Connection, series: list[int], grace_s: float) -> None:
    connection.execute(THROW, (grace_s, keys_of(connection, "pack.series = any(%s)", series)))
    connection.execute("delete from series where pk = any(%s)", (series,))


# What somebody stated of a patient, ordered for it, or merged, outlives its images.
_BURY_PATIENTS = """
delete from patient p where pk = any(%s) and overlay = '{}' and survivor is null
    and not exists (select from patient_record where patient = p.pk)
    and not exists (select from requested_procedure where patient = p.pk or named_patient = p.pk)
    and not exists (select from study where patient = p.pk or named_patient = p.pk)
    and not exists (select from patient m where m.survivor = p.pk or m.merged_into = p.pk)
"""


def _bury_studies(connection: Connection, studies: list[int]) -> None:
    gone = connection.execute(
        """delete from study s where pk = any(%s) and not exists (select from series where study = s.pk)
        returning patient""", (studies,),
    ).fetchall()  # fmt: skip
    connection.execute(_BURY_PATIENTS, (sorted({row[0] for row in gone}),))


def is_rejected(pool: Pool, organisation: int, sop_instance_uid: str) -> bool:
    """Whether an instance of this organisation was rejected."""
    values = (sop_instance_uid, organisation)

    def work(connection: Connection) -> bool:
        found = connection.execute(
            "select from rejection where sop_instance_uid = %s and organisation = %s", values
        ).fetchone()
        return found is not None

    return retried(pool, work)


