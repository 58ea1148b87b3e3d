"""Rejection notes as the index knows them (IHE RAD-66): themselves hidden from most readers, never rejected."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pacsd.access.scope import LEVELS, Rejected, Scope
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.locate import by_series
from pacsd.index.loose import Again, Ready, insert, sop_hash
from pacsd.index.predicate import Params, within
from pacsd.index.records import Arrival, Extent, Outcome, SeriesContent, Stored
from pacsd.index.rejections import AWAITED, HIDDEN, NOBODY, recount
from pacsd.index.summary import lock_series, summarise

RETENTION = "113039"                             # PS3.16 CID 7011, Data Retention Policy Expired

_AWAIT = """
insert into rejection (organisation, series, sop_instance_uid, hash, state, code, shown_from, note)
values (%s, 0, %s, %s, 'awaited', %s, %s, true)
on conflict (sop_instance_uid, organisation) do update set
    note = true, code = excluded.code, shown_from = excluded.shown_from, said_by = '', reason = ''
where rejection.state = 'awaited'
"""
_MARK = """
insert into rejection (organisation, series, sop_instance_uid, hash, code, shown_from, note)
values (%s, %s, %s, %s, %s, %s, true)
on conflict (sop_instance_uid, organisation) do update set
    note = true, state = 'hidden', series = excluded.series, code = excluded.code, shown_from = excluded.shown_from
where not rejection.note or rejection.state = 'awaited'
"""
_KEPT_IN = """
select i.series from instance i where i.sop_instance_uid = %(sop)s and i.organisation = %(organisation)s
union all
select l.series from locator l join series r on r.pk = l.series
where l.hash = %(hash)s and r.organisation = %(organisation)s
"""
_STANDING = "select state, shown_from, note from rejection where sop_instance_uid = %s and organisation = %s"
_LOOSE = """
select key, offset_bytes, length_bytes, digest, transfer_syntax_uid from instance
where sop_instance_uid = %s and organisation = %s
"""
_PACKED = """
select r.pk from locator l join series r on r.pk = l.series where l.hash = %s and r.organisation = %s limit 1
"""
_KEEP = """
update rejection set state = 'hidden', series = %s where sop_instance_uid = %s and organisation = %s
"""
_INSERT = """
insert into instance (series, organisation, sop_instance_uid, sop_class_uid, transfer_syntax_uid, key, offset_bytes,
    length_bytes, dataset_offset_bytes, digest, received_at, source_ae, attributes)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_ARRIVED = "update series set last_received_at = greatest(last_received_at, %s) where pk = %s"
# Whoever was storing an instance when its note came has ended since.
_OVERTAKEN = """
select x.organisation, x.sop_instance_uid, x.code, x.said_by, x.reason from rejection x
where x.state = 'awaited' and not x.note and x.rejected_at > now() - interval '1 hour' and (
    exists (select from instance i where i.sop_instance_uid = x.sop_instance_uid and i.organisation = x.organisation)
    or exists (select from locator l join series r on r.pk = l.series
        where l.hash = x.hash and r.organisation = x.organisation))
limit %s
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a UID: what was said of it, and where an instance of it may be kept (a hash may deceive)."""

    state: str | None                    # None: nothing was said
    note: bool
    kept_in: tuple[int, ...]


def standing(pool: Pool, organisation: int, sop_instance_uid: str) -> Standing:
    """What an organisation's index says of a UID."""
    values = {"sop": sop_instance_uid, "organisation": organisation, "hash": sop_hash(sop_instance_uid)}
    with lent(pool) as connection:
        said = connection.execute(_STANDING, (sop_instance_uid, organisation)).fetchone()
        kept = connection.execute(_KEPT_IN, values).fetchall()
    state, _, note = said or (None, 0, False)
    return Standing(state, note, tuple(row[0] for row in kept))


def notes_among(pool: Pool, organisation: int, sops: Sequence[str]) -> set[str]:
    """Those of some instances that are rejection notes."""
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "x")
    statement = f"""select x.sop_instance_uid from rejection x
        where {mine} and x.note and x.sop_instance_uid = any({params.add(list(sops))}::text[])"""
    with lent(pool) as connection:
        return {row[0] for row in connection.execute(statement, params.values)}


def candidates(pool: Pool, organisation: int, sops: Sequence[str]) -> list[SeriesContent]:
    """Every series of the organisation that may keep one of these instances: packs are to be asked."""
    hashes = [sop_hash(sop) for sop in sops]
    with lent(pool) as connection:
        rows = connection.execute(
            """select distinct i.series from instance i
            where i.sop_instance_uid = any(%(sops)s::text[]) and i.organisation = %(organisation)s
            union select l.series from locator l join series r on r.pk = l.series
            where l.hash = any(%(hashes)s::bigint[]) and r.organisation = %(organisation)s""",
            {"sops": list(sops), "hashes": hashes, "organisation": organisation},
        ).fetchall()
    return by_series(pool, [row[0] for row in rows]) if rows else []


def await_note(pool: Pool, organisation: int, sop_instance_uid: str, *, code: str) -> None:
    """A note is about to be stored, and will be hidden as soon as it is."""
    values = (organisation, sop_instance_uid, sop_hash(sop_instance_uid), code, _shown_from(code))
    with lent(pool) as connection, connection.transaction():
        connection.execute("set local synchronous_commit = on")
        connection.execute(_AWAIT, values)


def mark_note(pool: Pool, organisation: int, series: int, sop_instance_uid: str, *, code: str) -> None:
    """An instance that is kept is a note: hide it, whatever was said of it before."""

    def work(connection: Connection) -> None:
        with connection.transaction():
            connection.execute("set local synchronous_commit = on")
            studies = lock_series(connection, [series])
            values = (organisation, series, sop_instance_uid, sop_hash(sop_instance_uid), code, _shown_from(code))
            connection.execute(_MARK, values)
            recount(connection, [series])
            summarise(connection, list(studies.values()))

    retried(pool, work)


def overtaken(pool: Pool, *, limit: int) -> list[tuple[Any, ...]]:
    """Instances that may be shown though they are awaited to be hidden: they came while their note did.

    Organisation and SOP Instance UID, and what was said of each: code, note, reason. Packs are to be asked.
    """
    with lent(pool) as connection:
        return connection.execute(_OVERTAKEN, (limit,)).fetchall()


def keep_hidden(connection: Connection, ready: Ready) -> Stored | Again:
    """Insert an arrival that was rejected before it came, hidden; in a transaction, its series placed.

    Of what is kept already, what was rejected for its quality may come again as every instance may; what was for
    other reasons, or was purged, is REJECTED (IHE RAD-66 4.66.4.2.3, 4.66.4.3.3).
    """
    arrival = ready.arrival
    name = (arrival.sop_instance_uid, arrival.organisation)
    studies = lock_series(connection, [ready.series])
    said = connection.execute(f"{_STANDING} for update", name).fetchone()
    if not studies:
        return Again.VANISHED
    if said is None:                     # taken back since
        return insert(connection, [ready])[0]
    state, shown_from, note = said
    repeats = note or shown_from < NOBODY
    held = connection.execute(_LOOSE, name).fetchone()
    if held is not None:
        return _compared(arrival, held, again=repeats and state == HIDDEN)
    packed = connection.execute(_PACKED, (sop_hash(arrival.sop_instance_uid), arrival.organisation)).fetchone()
    if state not in (HIDDEN, AWAITED) or (state == HIDDEN and (packed is None or not repeats)):
        return Stored(Outcome.REJECTED)
    if packed is not None:               # whose hash it is at least
        return Stored(Outcome.CONFLICT, packed_series=packed[0])
    _insert(connection, ready, sorted(studies.values()))
    return Stored(Outcome.STORED)


def _insert(connection: Connection, ready: Ready, studies: Iterable[int]) -> None:
    a = ready.arrival
    connection.execute(_INSERT, (
        ready.series, a.organisation, a.sop_instance_uid, a.sop_class_uid, a.transfer_syntax_uid, a.extent.key,
        a.extent.offset_bytes, a.extent.length_bytes, a.dataset_offset_bytes, a.digest, a.received_at, a.source_ae,
        a.attributes,
    ))  # fmt: skip
    connection.execute(_KEEP, (ready.series, a.sop_instance_uid, a.organisation))
    connection.execute(_ARRIVED, (a.received_at, ready.series))
    recount(connection, [ready.series])
    summarise(connection, list(studies))


def _compared(arrival: Arrival, held: Sequence[Any], *, again: bool) -> Stored:
    key, offset, length, digest, syntax = held
    existing = Extent(key, offset, length)
    if existing == arrival.extent:
        return Stored(Outcome.STORED)
    if not again:
        return Stored(Outcome.REJECTED)
    same = bytes(digest) == arrival.digest and syntax == arrival.transfer_syntax_uid
    return Stored(Outcome.DUPLICATE if same else Outcome.CONFLICT, existing)


def _shown_from(code: str) -> int:
    return NOBODY if code == RETENTION else LEVELS[Rejected.NOTES]


