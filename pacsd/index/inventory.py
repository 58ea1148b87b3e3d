"""What the index says of blobs, for repair, check and collection: keys, rows, and what is to be deleted."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Pool, lent
from pacsd.index.locate import by_series
from pacsd.index.packs import THROW
from pacsd.index.patterns import after
from pacsd.index.predicate import Params, within
from pacsd.index.records import Extent, LooseInstance, PackRow, SeriesContent

_KEYS = """
select key from instance where key >= %(first)s and key < %(end)s
union select key from pack where key >= %(first)s and key < %(end)s
union select sidecar_key from pack where sidecar_key >= %(first)s and sidecar_key < %(end)s
union select key from alternate where key >= %(first)s and key < %(end)s
union select sidecar_key from alternate where sidecar_key >= %(first)s and sidecar_key < %(end)s
union select key from garbage where key >= %(first)s and key < %(end)s
order by 1
"""
_LOOSE = """
select sop_instance_uid, sop_class_uid, transfer_syntax_uid, key, offset_bytes, length_bytes, dataset_offset_bytes,
    digest, received_at, attributes from instance
"""
_PACKS = """
select k.pk, k.key, k.sidecar_key, k.generation, k.instances, k.size_bytes, k.examined, coalesce(a.key, ''),
    coalesce(a.sidecar_key, ''), coalesce(a.instances, 0), coalesce(a.size_bytes, 0), a.thin
from pack k left join alternate a on a.pack = k.pk
"""
_MISSING = """
select k from unnest(%s::text[]) as u(k)
where not exists (select from instance where key = k) and not exists (select from garbage where key = k)
"""


class Inventory:
    """Everything the index says of blobs, whoever they belong to; for the archive's own upkeep only."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def known_keys(self, prefix: str) -> Iterator[str]:
        """Keys of loose instances, packs, sidecars and garbage that start so, ascending by code point; streamed."""
        end = after(prefix) or "\U0010ffff"
        return (row[0] for row in self._stream(_KEYS, {"first": prefix, "end": end}))

    def missing(self, keys: Iterable[str]) -> set[str]:
        """Of spool keys, those that no row knows: neither an instance nor the list of what is to be deleted."""
        with lent(self._pool) as connection:
            return {row[0] for row in connection.execute(_MISSING, (list(keys),))}

    def loose(self) -> Iterator[LooseInstance]:
        """All loose instances; streamed."""
        for sop, sop_class, syntax, key, offset, length, start, digest, at, text in self._stream(_LOOSE, {}):
            extent = Extent(key, offset, length)
            yield LooseInstance(sop, sop_class, syntax, extent, start, bytes(digest), at, text)

    def packs(self) -> Iterator[PackRow]:
        """All packs; streamed."""
        return (PackRow(*row) for row in self._stream(_PACKS, {}))

    def packs_of(self, series: int) -> tuple[PackRow, ...]:
        """The packs of one series, oldest first."""
        with lent(self._pool) as connection:
            rows = connection.execute(f"{_PACKS} where k.series = %s order by k.generation, k.pk", (series,)).fetchall()
        return tuple(PackRow(*row) for row in rows)

    def content(
        self, organisation: str, study_instance_uid: str, series_instance_uid: str
    ) -> SeriesContent | None:
        """What the index says of one series of an organisation (by code), hidden instances included."""
        with lent(self._pool) as connection:
            owner = connection.execute("select pk from organisation where code = %s", (organisation,)).fetchone()
            if owner is None:
                return None
            params = Params()
            mine = within(Scope((owner[0],), owner[0]), params, "s")
            uids = params.add(study_instance_uid), params.add(series_instance_uid)
            found = connection.execute(
                f"""select r.pk from series r join study s on s.pk = r.study
                where {mine} and s.study_instance_uid = {uids[0]} and r.series_instance_uid = {uids[1]}""",
                params.values,
            ).fetchone()
        return None if found is None else next(iter(by_series(self._pool, [found[0]])), None)

    def series_of(self, scope: Scope, study_instance_uid: str) -> list[SeriesContent]:
        """Every series of the scope's studies of this UID, hidden instances included."""
        params = Params()
        where = f"{within(scope, params, 's')} and s.study_instance_uid = {params.add(study_instance_uid)}"
        with lent(self._pool) as connection:
            rows = connection.execute(
                f"select r.pk from series r join study s on s.pk = r.study where {where}", params.values
            ).fetchall()
        return by_series(self._pool, [row[0] for row in rows]) if rows else []

    def holds_studies(self) -> bool:
        """Whether anything was ever indexed here."""
        with lent(self._pool) as connection:
            return connection.execute("select from study limit 1").fetchone() is not None

    def started_at(self) -> datetime:
        """When PostgreSQL was started; another answer means that it may have lost its last moments."""
        with lent(self._pool) as connection:
            row = connection.execute("select pg_postmaster_start_time()").fetchone()
        if row is None:
            raise PacsdError(Fault.INTERNAL, "PostgreSQL does not say when it was started")
        started: datetime = row[0]
        return started

    def due_garbage(self, limit: int) -> list[str]:
        """Keys of blobs whose time has come; never that of a pack in use, however it came to be on the list."""
        with lent(self._pool) as connection:
            rows = connection.execute(
                """select key from garbage g where delete_after <= now()
                    and not exists (select from pack where key = g.key or sidecar_key = g.key)
                    and not exists (select from alternate where key = g.key or sidecar_key = g.key)
                order by delete_after, key desc limit %s""", (limit,),     # packs before what thin ones are filled from
            ).fetchall()
        return [row[0] for row in rows]

    def is_garbage(self, key: str) -> bool:
        """Whether a blob is to be deleted."""
        with lent(self._pool) as connection:
            return connection.execute("select from garbage where key = %s", (key,)).fetchone() is not None

    def forget_garbage(self, keys: Sequence[str]) -> None:
        """These blobs are gone for good."""
        with lent(self._pool) as connection:
            connection.execute("delete from garbage where key = any(%s::text[])", (list(keys),))

    def add_garbage(self, keys: Sequence[str], *, grace_s: float) -> None:
        """Delete these blobs after a while."""
        with lent(self._pool) as connection:
            connection.execute(THROW, (grace_s, sorted(keys)))

    def make_partitions(self, *, years: int = 2) -> None:
        """Room for locators of this year and the `years` to come; cheap when it is there."""
        with lent(self._pool) as connection:
            connection.execute("select pacsd_make_partitions(%s)", (years,))

    def _stream(self, statement: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        with lent(self._pool) as connection, connection.transaction():
            with connection.cursor(name="pacsd_inventory") as cursor:
                cursor.itersize = 5000
                cursor.execute(statement, values)
                yield from cursor
