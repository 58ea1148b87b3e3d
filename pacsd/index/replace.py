"""The duplicates rule `replace`: other bytes under a known SOP Instance UID take the place of the first."""

from dataclasses import dataclass
from typing import Any

from pacsd.index.connect import Connection
from pacsd.index.loose import Again, Ready, insert, sop_hash
from pacsd.index.packs import throw_taken
from pacsd.index.records import Arrival, Extent, Outcome, Stored
from pacsd.index.rejections import recount
from pacsd.index.summary import lock_series, summarise

_LOOSE = """
select series, key, offset_bytes, length_bytes, digest, transfer_syntax_uid from instance
where sop_instance_uid = %s and organisation = %s
"""
_PACKED = """
select r.pk from locator l join series r on r.pk = l.series
where l.hash = %s and r.organisation = %s limit 1
"""
_REMOVE = """
with gone as (
    delete from instance where sop_instance_uid = %s and organisation = %s returning series
)
update series r set instances = r.instances - 1, loose_count = r.loose_count - 1, revision = r.revision + 1
from gone where r.pk = gone.series
"""
_HIDE_PACKED = """
with hidden as (
    insert into replaced (series, sop_instance_uid) values (%s, %s) on conflict do nothing
    returning series
), moved as (
    delete from locator where hash = %s and series = %s
)
update series r set instances = r.instances - 1, revision = r.revision + 1, fragmented = true
from hidden where r.pk = hidden.series
"""
# What was rejected for its quality and is sent anew is rejected no more.
_REJECTED = "select shown_from = 2 and not note from rejection where sop_instance_uid = %s and organisation = %s"
_LIFT = "delete from rejection where sop_instance_uid = %s and organisation = %s"


def replace(connection: Connection, ready: Ready, *, grace_s: float) -> Stored | Again:
    """Insert the arrival in place of what its SOP Instance UID held; in a transaction, its series placed.

    The old spool file becomes garbage after `grace_s`; an old packed copy is hidden from readers (`replaced`).
    """
    arrival = ready.arrival
    before = _held(connection, arrival)
    locked = lock_series(connection, sorted({*before.series, ready.series}))
    held = _held(connection, arrival)
    if held.series != before.series or ready.series not in locked:
        return Again.VANISHED                            # packed, purged or replaced while we waited for the lock
    rejected = connection.execute(_REJECTED, (arrival.sop_instance_uid, arrival.organisation)).fetchone()
    if rejected == (False,):
        return Stored(Outcome.REJECTED)
    existing, packed = None, held.packed_series
    if held.loose is not None:
        series, key, offset, length, digest, syntax = held.loose
        existing = Extent(key, offset, length)
        if existing == arrival.extent:
            return Stored(Outcome.STORED)
        if bytes(digest) == arrival.digest and syntax == arrival.transfer_syntax_uid:
            return Stored(Outcome.DUPLICATE, existing)
    if rejected is not None:
        connection.execute(_LIFT, (arrival.sop_instance_uid, arrival.organisation))
    if held.loose is not None:
        connection.execute(_REMOVE, (arrival.sop_instance_uid, arrival.organisation))
        throw_taken(connection, series, [key], grace_s=grace_s)
    if packed is not None:
        hashed = sop_hash(arrival.sop_instance_uid)
        connection.execute(_HIDE_PACKED, (packed, arrival.sop_instance_uid, hashed, packed))
    answer = insert(connection, [ready])[0]
    if rejected is not None:
        recount(connection, sorted(locked))
    summarise(connection, sorted(set(locked.values())))
    if isinstance(answer, Stored):
        return Stored(answer.outcome, answer.existing or existing, packed_series=packed)
    return answer


@dataclass(frozen=True, slots=True)
class _Held:
    """What is kept under a SOP Instance UID now: a loose row, or a series whose packs may hold it."""

    loose: tuple[Any, ...] | None
    packed_series: int | None

    @property
    def series(self) -> frozenset[int]:
        loose = set() if self.loose is None else {self.loose[0]}
        return frozenset(loose if self.packed_series is None else loose | {self.packed_series})


def _held(connection: Connection, arrival: Arrival) -> _Held:
    loose = connection.execute(_LOOSE, (arrival.sop_instance_uid, arrival.organisation)).fetchone()
    packed = connection.execute(_PACKED, (sop_hash(arrival.sop_instance_uid), arrival.organisation)).fetchone()
    return _Held(loose, None if packed is None else packed[0])
