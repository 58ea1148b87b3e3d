"""Packs to be coded otherwise, and the transactions that show or forget what came of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.locate import by_series
from pacsd.index.packs import THROW, NewPack
from pacsd.index.records import PackRow, SeriesContent
from pacsd.index.summary import lock_series

# What is to be merged soon is left alone: the merge would take its alternates away again.
_CLAIM = """
update series set claimed_until = now() + make_interval(secs => %(lease)s), claimed_by = %(worker)s, merging = false
where pk in (
    select pk from series r
    where pk in (select series from pack where not examined) and not fragmented
        and (claimed_until is null or claimed_until < now())
        and exists (select from unnest(%(organisations)s::integer[], %(modalities)s::text[]) as u(o, m)
            where (o is null or o = r.organisation) and (m = '' or m = r.modality))
    order by pk limit %(limit)s for no key update skip locked)
returning pk
"""
# What of a series a worker may claim whose packs stand as no rule wants them. Of several rules that name a series one
# that keeps what was received counts.
_NAMED = """exists (select from unnest(%(RULES_o)s::integer[], %(RULES_m)s::text[]) as u(o, m)
            where (o is null or o = r.organisation) and (m = '' or m = r.modality))"""
_CLAIM_PACKS = """
update series set claimed_until = now() + make_interval(secs => %(lease)s), claimed_by = %(worker)s, merging = false
where pk in (
    select pk from series r
    where pk in (select k.series from alternate a join pack k on k.pk = a.pack where {state}) and not fragmented
        and (claimed_until is null or claimed_until < now()) and {named}
    order by pk limit %(limit)s for no key update skip locked)
returning pk
"""
_THIN, _WHOLE = _NAMED.replace("RULES", "thin"), _NAMED.replace("RULES", "whole")
_CLAIM_UNDECIDED = _CLAIM_PACKS.format(state="a.thin is null", named=f"{_THIN} and not {_WHOLE}")
_CLAIM_THIN = _CLAIM_PACKS.format(state="a.thin", named=_WHOLE)
_ADD = """
insert into alternate (pack, instances, size_bytes, key, sidecar_key, thin) values (%s, %s, %s, %s, %s, %s)
on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """Of whose series, and of which modality, alternates are made; None and "" are all."""

    organisation: int | None
    modality: str


class Alternates:
    """Alternates as the index sees them. Series are claimed as they are for packing, by one worker for either."""

    def __init__(self, pool: Pool, *, worker: str = "") -> None:
        self._pool = pool
        self._worker = worker

    def claim_unexamined(self, rules: Sequence[Rule], *, lease_s: float, limit: int) -> list[SeriesContent]:
        """Series that a rule names, with packs of which no alternate was made."""
        named: dict[str, Sequence[object]] = {
            "organisations": [rule.organisation for rule in rules], "modalities": [rule.modality for rule in rules]
        }
        return self._claim(_CLAIM, named, lease_s=lease_s, limit=limit)

    def claim_undecided(
        self, thin: Sequence[Rule], whole: Sequence[Rule], *, lease_s: float, limit: int
    ) -> list[SeriesContent]:
        """Series that a rule of `thin` names and none of `whole`, with packs of which nobody said whether they can be.
        """
        return self._claim(_CLAIM_UNDECIDED, _columns(thin=thin, whole=whole), lease_s=lease_s, limit=limit)

    def claim_thin(self, whole: Sequence[Rule], *, lease_s: float, limit: int) -> list[SeriesContent]:
        """Series that a rule of `whole` names, with packs that are thin."""
        return self._claim(_CLAIM_THIN, _columns(whole=whole), lease_s=lease_s, limit=limit)

    def _claim(
        self, statement: str, rules: Mapping[str, Sequence[object]], *, lease_s: float, limit: int
    ) -> list[SeriesContent]:
        values = {"lease": lease_s, "worker": self._worker, "limit": limit, **rules}

        def work(connection: Connection) -> list[int]:
            return [row[0] for row in connection.execute(statement, values).fetchall()]

        claimed = retried(self._pool, work)
        return by_series(self._pool, claimed) if claimed else []

    @contextmanager
    def deciding(self, series: int, pack: PackRow, *, thin: bool | None) -> Iterator[None]:
        """Note what becomes of a pack, on disk after the block; within it nobody else decides on one of the series.

        Raises PacsdError CONFLICT if its alternate is not the one that it was, before the block is entered.
        """
        with lent(self._pool) as connection, connection.transaction():
            connection.execute("set local synchronous_commit = on")
            lock_series(connection, [series])
            noted = connection.execute(
                "update alternate set thin = %s where pack = %s and key = %s returning pack",
                (thin, pack.pack, pack.alternate_key),
            ).fetchone()
            if noted is None:
                raise PacsdError(Fault.CONFLICT, "a pack or its alternate is no longer there")
            yield

    def release(self, series: int) -> None:
        """End a claim."""
        with lent(self._pool) as connection:
            connection.execute("update series set claimed_until = null, claimed_by = null where pk = %s", (series,))

    def commit_alternate(
        self, series: int, pack: PackRow, alternate: NewPack | None, *, thin: bool | None = None
    ) -> None:
        """In one transaction, on disk on return: the pack was examined, and this came of it; whether it is thin by it.

        Repeating it changes nothing. Raises PacsdError CONFLICT if the pack is gone: then the alternate's blobs
        belong to nobody.
        """
        with lent(self._pool) as connection, connection.transaction():
            connection.execute("set local synchronous_commit = on")
            lock_series(connection, [series])
            found = connection.execute(
                "update pack set examined = true where key = %s and series = %s returning pk", (pack.key, series)
            ).fetchone()
            if found is None:
                raise PacsdError(Fault.CONFLICT, "the pack of an alternate is no longer there")
            if alternate is not None:
                values = (len(alternate.instances), alternate.size_bytes, alternate.key, alternate.sidecar_key)
                connection.execute(_ADD, (found[0], *values, thin))

    def adopt(self, pack_key: str, alternate: NewPack, *, thin: bool | None = None) -> bool:
        """Show an alternate that was found again, and whether its pack is thin by it; False if that is not there."""
        with lent(self._pool) as connection:
            row = connection.execute("select series, pk from pack where key = %s", (pack_key,)).fetchone()
        if row is None:
            return False
        self.commit_alternate(row[0], PackRow(row[1], pack_key, "", 0, 0, 0), alternate, thin=thin)
        return True

    def forget(self, alternate: PackRow, *, grace_s: float) -> None:
        """Its blobs become garbage, and another one is made where a rule still says so. Not that of a thin pack."""
        with lent(self._pool) as connection, connection.transaction():
            connection.execute("set local synchronous_commit = on")
            gone = connection.execute(
                "delete from alternate where key = %s and thin is not true returning pack", (alternate.key,)
            ).fetchone()
            if gone is None:
                return
            connection.execute("update pack set examined = false where pk = %s", (alternate.pack,))
            connection.execute(THROW, (grace_s, [alternate.key, alternate.sidecar_key]))


def _columns(**rules: Sequence[Rule]) -> dict[str, Sequence[object]]:
    columns: dict[str, Sequence[object]] = {}
    for name, those in rules.items():
        columns[f"{name}_o"] = [rule.organisation for rule in those]
        columns[f"{name}_m"] = [rule.modality for rule in those]
    return columns
