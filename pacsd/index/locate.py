"""Where the instances of visible series are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, retried
from pacsd.index.loose import sop_hash
from pacsd.index.predicate import Params, hidden, series_table, study_table, visible
from pacsd.index.records import Extent, LooseInstance, PackRow, SeriesContent

_ROUNDS = 10

_SERIES = """
select r.pk, s.pk, s.organisation, s.study_instance_uid, r.series_instance_uid, r.revision, r.loose_count,
    p.overlay, s.overlay, greatest(p.overlaid_at, s.overlaid_at),
    coalesce((select json_agg(json_build_array(k.pk, k.key, k.sidecar_key, k.generation, k.instances, k.size_bytes,
            k.examined, coalesce(a.key, ''), coalesce(a.sidecar_key, ''), coalesce(a.instances, 0),
            coalesce(a.size_bytes, 0), a.thin) order by k.generation, k.pk)
        from pack k left join alternate a on a.pack = k.pk where k.series = r.pk), '[]'),
    coalesce((select json_agg(x.sop_instance_uid) from rejection x where x.series = r.pk{hidden}), '[]'),
    coalesce((select json_agg(x.sop_instance_uid) from replaced x where x.series = r.pk), '[]')
from {tables} on s.pk = r.study join patient p on p.pk = s.patient
where {where}
order by s.study_date desc nulls last, s.pk desc, r.pk
"""
_LOOSE = """
select i.series, i.sop_instance_uid, i.sop_class_uid, i.transfer_syntax_uid, i.key, i.offset_bytes, i.length_bytes,
    i.dataset_offset_bytes, i.digest, i.received_at, i.attributes
from instance i where i.series = any(%s) {only} order by i.series, i.sop_instance_uid
"""
_REVISIONS = "select pk, revision from series where pk = any(%s)"


def contents(
    pool: Pool,
    scope: Scope,
    study_instance_uid: str,
    series_instance_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> list[SeriesContent]:
    """A study's visible series, or one of them; with a SOP Instance UID only the series that may hold it.

    `loose` then holds that instance alone. Instances that the asker does not see, being rejected, are named, not
    left out; nothing visible, or nothing there, is an empty list.
    """
    params = Params()
    where = [visible(scope, params), "r.instances > 0", f"s.study_instance_uid = {params.add(study_instance_uid)}"]
    if series_instance_uid is not None:
        where.append(f"r.series_instance_uid = {params.add(series_instance_uid)}")
    if sop_instance_uid is not None:
        where.append(_holding(params, sop_instance_uid))
    return _read(pool, where, params, sop_instance_uid, scope)


def by_uid(
    pool: Pool, scope: Scope, series_instance_uid: str, sop_instance_uid: str | None = None
) -> list[SeriesContent]:
    """Visible series known by their UID alone, as relational retrievals name them."""
    params = Params()
    uid = params.add(series_instance_uid)
    where = [visible(scope, params), "r.instances > 0", f"r.series_instance_uid = {uid}"]
    return _read(pool, where, params, sop_instance_uid, scope)


def by_sop(pool: Pool, scope: Scope, sop_instance_uid: str) -> list[SeriesContent]:
    """The visible series that may hold an instance known by its UID alone: the loose row tells for certain, a
    locator's hash is to be verified in the sidecar. Studies the asker owns come first."""
    params = Params()
    where = [visible(scope, params), "r.instances > 0", _holding(params, sop_instance_uid)]
    found = _read(pool, where, params, sop_instance_uid, scope)
    return sorted(found, key=lambda content: content.organisation != scope.own)


def by_series(pool: Pool, series: Sequence[int]) -> list[SeriesContent]:
    """Series by the index's own keys, for work the archive does for itself: packing, repair, duplicates."""
    params = Params()
    return _read(pool, [f"r.pk = any({params.add(list(series))}::bigint[])"], params, None)


def _holding(params: Params, sop_instance_uid: str) -> str:
    sop, hashed = params.add(sop_instance_uid), params.add(sop_hash(sop_instance_uid))
    return f"""r.pk in (select series from instance where sop_instance_uid = {sop}
        union all select series from locator where hash = {hashed})"""


def _read(
    pool: Pool, where: Sequence[str], params: Params, sop: str | None, scope: Scope | None = None
) -> list[SeriesContent]:
    statement = _statement(where, scope)

    def work(connection: Connection) -> list[SeriesContent]:
        for _ in range(_ROUNDS - 1):
            found = _attempt(connection, statement, params, sop)
            if found is not None:
                return found
        # Changed under our feet again and again: look once more with the world held still.
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            return _attempt(connection, statement, params, sop) or []

    return retried(pool, work, scope)


def _statement(where: Sequence[str], scope: Scope | None) -> str:
    """Without a scope all that is rejected is named, else what the asker does not see."""
    tables, unseen = "series r join study s", ""
    if scope is not None:
        tables, unseen = f"{series_table(scope, 'r')} join {study_table(scope, 's')}", f" and {hidden(scope, 'x')}"
    return _SERIES.format(where=" and ".join(where), tables=tables, hidden=unseen)


def _attempt(connection: Connection, statement: str, params: Params, sop: str | None) -> list[SeriesContent] | None:
    """One look; None if packing moved instances between its statements."""
    rows = connection.execute(statement, params.values, prepare=True).fetchall()
    with_loose = [row[0] for row in rows if row[6] > 0]
    if not with_loose:
        return [_content(row, ()) for row in rows]
    loose = _loose(connection, with_loose, sop)
    revisions: dict[int, int] = dict(
        connection.execute(_REVISIONS, (with_loose,), prepare=True).fetchall()
    )
    if any(revisions.get(row[0]) != row[5] for row in rows if row[6] > 0):
        return None
    return [_content(row, loose.get(row[0], ())) for row in rows]


def _loose(connection: Connection, series: list[int], sop: str | None) -> dict[int, list[LooseInstance]]:
    only = "" if sop is None else "and i.sop_instance_uid = %s"
    values = (series,) if sop is None else (series, sop)
    found: dict[int, list[LooseInstance]] = {}
    for row in connection.execute(_LOOSE.format(only=only), values, prepare=True):
        found.setdefault(row[0], []).append(_instance(*row[1:]))
    return found


def _instance(
    sop: str, sop_class: str, syntax: str, key: str, offset: int, length: int, dataset_offset: int, digest: bytes,
    received_at: datetime, attributes: str,
) -> LooseInstance:  # fmt: skip
    extent = Extent(key, offset, length)
    return LooseInstance(sop, sop_class, syntax, extent, dataset_offset, bytes(digest), received_at, attributes)


def _content(row: Sequence[Any], loose: Sequence[LooseInstance]) -> SeriesContent:
    series, study, organisation, study_uid, series_uid, _, _, *overlays, at, packs, rejected, replaced = row
    return SeriesContent(
        series=series,
        study=study,
        organisation=organisation,
        study_instance_uid=study_uid,
        series_instance_uid=series_uid,
        packs=tuple(PackRow(*pack) for pack in packs),
        loose=tuple(loose),
        rejected=frozenset(rejected),
        overlay={tag: value or None for tag, value in {**overlays[0], **overlays[1]}.items()},
        overlaid_at=at,
        replaced=frozenset(replaced),
    )
