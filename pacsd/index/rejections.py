"""Rejecting, restoring and purging instances: sets, idempotent, counts right, and nothing left over."""

from collections.abc import Mapping, Sequence
from typing import Any

from pacsd.access.scope import Scope
from pacsd.index import outbox
from pacsd.index.connect import Connection, Pool, retried
from pacsd.index.loose import sop_hash
from pacsd.index.packs import THROW, keys_of, throw_taken
from pacsd.index.predicate import Params, within
from pacsd.index.summary import lock_series, summarise

INSTANCE_REJECTED = "instance.rejected"
INSTANCE_RESTORED = "instance.restored"

Instances = Mapping[str, Sequence[str]]          # Series Instance UID -> SOP Instance UIDs

_KEPT = """
(exists (select from instance i where i.series = g.series and i.sop_instance_uid = g.sop_instance_uid)
    or exists (select from locator l where l.series = g.series and l.hash = g.hash))
"""
_GIVEN = "unnest(%(series)s::bigint[], %(uids)s::text[], %(hashes)s::bigint[]) as g(series, sop_instance_uid, hash)"
_REJECT = f"""
insert into rejection (organisation, series, sop_instance_uid, hash, code)
select %(organisation)s, g.series, g.sop_instance_uid, g.hash, %(code)s from {_GIVEN} where {_KEPT}
order by g.sop_instance_uid on conflict do nothing returning series
"""
# Purged since: only the tombstone is left to be made, in no series that anybody reads (a rebuild).
_REJECT_GONE = """
insert into rejection (organisation, series, sop_instance_uid, hash, code)
select %(organisation)s, 0, u.sop, u.hash, %(code)s
from unnest(%(named)s::text[], %(named_hashes)s::bigint[]) as u(sop, hash)
where not exists (select from instance i where i.sop_instance_uid = u.sop and i.organisation = %(organisation)s)
    and not exists (select from locator l join series r on r.pk = l.series
        where l.hash = u.hash and r.organisation = %(organisation)s)
order by u.sop on conflict do nothing
"""
_RESTORE_GONE = """
delete from rejection where organisation = %(organisation)s and sop_instance_uid = any(%(named)s::text[]) and series = 0
"""
_RESTORE = f"""
delete from rejection x using {_GIVEN}
where x.sop_instance_uid = g.sop_instance_uid and x.organisation = %(organisation)s and x.series = g.series
returning x.series
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
_CHANGE = """
update series r set instances = r.instances + c.n, revision = r.revision + 1
from unnest(%s::bigint[], %s::integer[]) as c(series, n) where r.pk = c.series
"""
_RECOUNT = """
update series r set
    loose_count = n.loose, has_loose = n.loose > 0, revision = r.revision + 1,
    fragmented = fragmented or exists (select from replaced x where x.series = r.pk),
    instances = n.loose + n.located - n.rejected
from (select u.pk,
    (select count(*)::integer from instance where series = u.pk) as loose,
    (select count(*)::integer from locator where series = u.pk) as located,
    (select count(*)::integer from rejection x where x.series = u.pk and (
        exists (select from instance i where i.series = u.pk and i.sop_instance_uid = x.sop_instance_uid)
        or exists (select from locator l where l.series = u.pk and l.hash = x.hash))
    ) as rejected
    from unnest(%s::bigint[]) as u(pk)) n
where r.pk = n.pk
returning r.pk, n.loose + n.located
"""


def reject(
    pool: Pool, organisation: int, study_instance_uid: str, instances: Instances, *, code: str
) -> int:
    """Hide instances from readers, and keep them from coming back; how many were not hidden before.

    `code` says why (a code of IOCM, IHE RAD-66). What the organisation does not keep at all (any more) is not counted,
    and may not come back either; what it keeps elsewhere is passed over.
    """

    def work(connection: Connection, given: dict[str, Any]) -> list[int]:
        rows = connection.execute(_REJECT, {**given, "code": code}).fetchall()
        connection.execute(_REJECT_GONE, {**given, "code": code})
        return _change(connection, [row[0] for row in rows], -1)

    return _set(pool, organisation, study_instance_uid, instances, work, INSTANCE_REJECTED)


def restore(pool: Pool, organisation: int, study_instance_uid: str, instances: Instances) -> int:
    """Undo `reject`; how many became visible again."""

    def work(connection: Connection, given: dict[str, Any]) -> list[int]:
        rows = connection.execute(_RESTORE, given).fetchall()
        connection.execute(_RESTORE_GONE, given)
        return _change(connection, [row[0] for row in rows], 1)

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
        left = connection.execute(_RECOUNT, (sorted(set(given["series"])),)).fetchall()
        _bury(connection, [pk for pk, kept in left if kept == 0], grace_s)
        return [row[0] for row in (*loose, *packed)]

    return _set(pool, organisation, study_instance_uid, instances, work, None)


def _set(
    pool: Pool, organisation: int, study_instance_uid: str, instances: Instances, work: Any, topic: str | None
) -> int:
    def transaction(connection: Connection) -> int:
        with connection.transaction():
            connection.execute("set local synchronous_commit = on")
            series = _series(connection, organisation, study_instance_uid, list(instances))
            studies = sorted(set(lock_series(connection, sorted(series.values())).values()))
            pairs = sorted((series[uid], sop) for uid, sops in instances.items() if uid in series for sop in set(sops))
            named = sorted({sop for sops in instances.values() for sop in sops})
            changed: list[int] = work(connection, {
                "named": named, "named_hashes": [sop_hash(sop) for sop in named],
                "organisation": organisation, "series": [pk for pk, _ in pairs],
                "uids": [sop for _, sop in pairs], "hashes": [sop_hash(sop) for _, sop in pairs],
            })  # fmt: skip
            summarise(connection, studies)
            if changed and topic:
                body = {"study_instance_uid": study_instance_uid, "instances": len(changed)}
                outbox.append(
                    connection, organisation=organisation, topic=topic, subject=study_instance_uid, body=body
                )
            if changed and topic is None:
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


def _change(connection: Connection, series: Sequence[int], sign: int) -> list[int]:
    touched = sorted(set(series))
    connection.execute(_CHANGE, (touched, [sign * series.count(pk) for pk in touched]))
    return list(series)


def _bury(connection: Connection, series: list[int], grace_s: float) -> None:
    connection.execute(THROW, (grace_s, keys_of(connection, "pack.series = any(%s)", series)))
    connection.execute("delete from series where pk = any(%s)", (series,))


# What somebody stated of a patient, or merged, outlives its images.
_BURY_PATIENTS = """
delete from patient p where pk = any(%s) and overlay = '{}' and survivor is null
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


