"""Series that are due for packing or merging, and the transactions that make packs the truth."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, Protocol

from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.locate import by_series
from pacsd.index.loose import sop_hash
from pacsd.index.records import PackRow, SeriesContent
from pacsd.index.summary import lock_series


class Member(Protocol):
    """An instance in a pack."""

    @property
    def sop_instance_uid(self) -> str: ...


class NewPack(Protocol):
    """A pack whose blob and sidecar are durable."""

    @property
    def key(self) -> str: ...
    @property
    def sidecar_key(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def instances(self) -> Sequence[Member]: ...


# Received while a receiver's clock was far ahead: such a series would not become quiet for as long.
_AHEAD = "last_received_at > now() + interval '10 minutes'"
# A replacement waits, loose, until a merge has dropped the packed copy it replaces.
_CLAIM_QUIET = f"""
update series set claimed_until = now() + make_interval(secs => %(lease)s), claimed_by = %(worker)s,
    merging = false
where pk in (
    select pk from series r
    where has_loose and (last_received_at < now() - make_interval(secs => %(quiet)s) or {_AHEAD})
        and (claimed_until is null or claimed_until < now())
        and not exists (select from replaced x where x.series = r.pk)
    order by last_received_at, pk limit %(limit)s for no key update skip locked)
returning pk
"""
_CLAIM_FRAGMENTED = f"""
update series set claimed_until = now() + make_interval(secs => %(lease)s), claimed_by = %(worker)s,
    merging = true
where pk in (
    select pk from series r
    where fragmented and (claimed_until is null or claimed_until < now())
        and (last_received_at < now() - make_interval(secs => %(quiet)s) or {_AHEAD}
            or (select count(*) from pack where series = r.pk) >= %(packs)s
            or exists (select from replaced x where x.series = r.pk))
    order by last_received_at, pk limit %(limit)s for no key update skip locked)
returning pk
"""
# What a merge left as it is, it would leave again: nothing more to do until another pack comes.
_RELEASE = """
update series r set claimed_until = null, claimed_by = null, merging = false,
    fragmented = case when merging then exists (select from replaced x where x.series = r.pk) else fragmented end
where pk = %s
"""
_TAKE_LOOSE = """
delete from instance i using unnest(%s::text[], %s::text[]) as p(sop_instance_uid, key)
where i.series = %s and i.sop_instance_uid = p.sop_instance_uid and i.key = p.key
returning i.sop_instance_uid, i.key
"""
_PACK = """
insert into pack (series, generation, instances, size_bytes, key, sidecar_key) values (%s, %s, %s, %s, %s, %s)
"""
_LOCATE = "insert into locator (hash, series) select h, %s from unnest(%s::bigint[]) as u(h)"
_HIDE = """
insert into replaced (series, sop_instance_uid) select %s, u from unnest(%s::text[]) as s(u) on conflict do nothing
"""
# A loose instance may be read from an old pack that holds others too (after a rebuild): that blob goes with the last.
_THROW_TAKEN = """
insert into garbage (key, delete_after) select k, now() + make_interval(secs => %s) from unnest(%s::text[]) as u(k)
where not exists (select from instance i where i.series = %s and i.key = k)
on conflict do nothing
"""
THROW = """
insert into garbage (key, delete_after) select k, now() + make_interval(secs => %s) from unnest(%s::text[]) as u(k)
on conflict do nothing
"""
_COUNT = """
update series r set
    loose_count = n.loose, has_loose = n.loose > 0, packed_count = n.packed, revision = r.revision + 1,
    generation = greatest(r.generation, %(generation)s),
    fragmented = n.packs > 1 or exists (select from replaced x where x.series = r.pk)
from (select
    (select count(*)::integer from instance where series = %(series)s) as loose,
    (select coalesce(sum(instances), 0)::integer from pack where series = %(series)s) as packed,
    (select count(*) from pack where series = %(series)s) as packs) n
where r.pk = %(series)s
"""


class Packs:
    """Packing and merging as the index sees them. Series are claimed by one worker, for a limited time.

    `worker` is a name that one worker at a time bears, and its successor after it: what a worker that was killed had
    claimed, the next one of that name frees at once (`release_all`).
    """

    def __init__(self, pool: Pool, *, worker: str = "") -> None:
        self._pool = pool
        self._worker = worker

    def claim_quiet(self, *, quiet_s: float, lease_s: float, limit: int) -> list[SeriesContent]:
        """Series with loose instances and no arrival for `quiet_s`."""
        return self._claim(_CLAIM_QUIET, {"quiet": quiet_s, "lease": lease_s, "limit": limit, "worker": self._worker})

    def claim_fragmented(
        self, *, quiet_s: float, packs: int, lease_s: float, limit: int
    ) -> list[SeriesContent]:
        """Series with two packs or more that are quiet or have `packs`, or with replaced copies in packs."""
        values = {"quiet": quiet_s, "packs": packs, "lease": lease_s, "limit": limit, "worker": self._worker}
        return self._claim(_CLAIM_FRAGMENTED, values)

    def release_all(self) -> None:
        """End every claim of this worker's name."""
        with lent(self._pool) as connection:
            connection.execute(
                "update series set claimed_until = null, claimed_by = null where claimed_by = %s", (self._worker,)
            )

    def release(self, series: int) -> None:
        """End a claim, once what was claimed is done."""
        with lent(self._pool) as connection:
            connection.execute(_RELEASE, (series,))

    def commit_pack(self, content: SeriesContent, pack: NewPack, *, generation: int, grace_s: float) -> None:
        """In one transaction, on disk on return: the pack, its locators, its loose rows gone, their spool files
        garbage in `grace_s`. Repeating it changes nothing.

        What was replaced or purged since it was read stays as it is, and its packed copy is hidden. Raises
        PacsdError NOT_FOUND if the series is gone: then the pack's blobs belong to nobody.
        """
        keys = {one.sop_instance_uid: one.extent.key for one in content.loose}
        uids = [one.sop_instance_uid for one in pack.instances]
        with self._changing(content) as connection:
            if _is_known(connection, pack):
                return
            taken = dict(
                connection.execute(_TAKE_LOOSE, (uids, [keys.get(u, "") for u in uids], content.series)).fetchall()
            )
            _add(connection, content.series, pack, generation)
            hashes = [sop_hash(uid) for uid in taken]
            connection.execute(_LOCATE, (content.series, hashes))
            connection.execute(_HIDE, (content.series, [uid for uid in uids if uid not in taken]))
            throw_taken(connection, content.series, taken.values(), grace_s=grace_s)
            connection.execute(_COUNT, {"series": content.series, "generation": generation})

    def adopt_pack(self, content: SeriesContent, pack: NewPack, *, generation: int) -> None:
        """As `commit_pack` for loose rows that point into the pack already (a rebuild): nothing becomes garbage."""
        uids = [one.sop_instance_uid for one in pack.instances]
        with self._changing(content) as connection:
            if _is_known(connection, pack):
                return
            taken = connection.execute(_TAKE_LOOSE, (uids, [pack.key] * len(uids), content.series)).fetchall()
            _add(connection, content.series, pack, generation)
            connection.execute(_LOCATE, (content.series, [sop_hash(row[0]) for row in taken]))
            connection.execute(_HIDE, (content.series, sorted(set(uids) - {row[0] for row in taken})))
            connection.execute(_COUNT, {"series": content.series, "generation": generation})

    def commit_merge(
        self,
        content: SeriesContent,
        packs: Sequence[NewPack],
        old: Sequence[PackRow],
        *,
        generation: int,
        grace_s: float,
    ) -> None:
        """In one transaction: new packs for old ones, whose blobs become garbage in `grace_s`.

        The copies that were replaced when `content` was read are in no pack any more. Raises PacsdError CONFLICT
        if one of the old packs is gone, NOT_FOUND if the series is.
        """
        with self._changing(content) as connection:
            if packs and _is_known(connection, packs[0]):
                return
            thrown = keys_of(connection, "pack.pk = any(%s)", [p.pack for p in old])
            gone = connection.execute("delete from pack where pk = any(%s) returning pk", ([p.pack for p in old],))
            if len(gone.fetchall()) != len(old):
                raise PacsdError(Fault.CONFLICT, "a pack to be merged is no longer there")
            for pack in packs:
                _add(connection, content.series, pack, generation)
            connection.execute(
                "delete from replaced where series = %s and sop_instance_uid = any(%s::text[])",
                (content.series, sorted(content.replaced)),
            )
            connection.execute(THROW, (grace_s, thrown))
            connection.execute(_COUNT, {"series": content.series, "generation": generation})

    def _claim(self, statement: str, values: dict[str, Any]) -> list[SeriesContent]:
        def work(connection: Connection) -> list[int]:
            return [row[0] for row in connection.execute(statement, values).fetchall()]

        claimed = retried(self._pool, work)
        return by_series(self._pool, claimed) if claimed else []

    @contextmanager
    def _changing(self, content: SeriesContent) -> Iterator[Connection]:
        with lent(self._pool) as connection, connection.transaction():
            connection.execute("set local synchronous_commit = on")
            if not lock_series(connection, [content.series]):
                raise PacsdError(Fault.NOT_FOUND, "the series is gone")
            yield connection


def throw_taken(connection: Connection, series: int, keys: Iterable[str], *, grace_s: float) -> None:
    """Blobs from which loose instances of a locked series were read become garbage, unless others still are."""
    connection.execute(_THROW_TAKEN, (grace_s, sorted(set(keys)), series))


def keys_of(connection: Connection, where: LiteralString, value: Sequence[int]) -> list[str]:
    """The keys of all blobs of some packs: theirs, and those of their alternates."""
    rows = connection.execute(
        f"""select u.key from pack left join alternate a on a.pack = pack.pk
            cross join lateral unnest(array[pack.key, pack.sidecar_key, a.key, a.sidecar_key]) as u(key)
        where {where} and u.key is not null order by 1""", (list(value),),
    ).fetchall()
    return [row[0] for row in rows]


def _is_known(connection: Connection, pack: NewPack) -> bool:
    return connection.execute("select from pack where key = %s", (pack.key,)).fetchone() is not None


def _add(connection: Connection, series: int, pack: NewPack, generation: int) -> None:
    values = (series, generation, len(pack.instances), pack.size_bytes, pack.key, pack.sidecar_key)
    connection.execute(_PACK, values)
