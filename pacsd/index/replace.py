"""The duplicates rule `replace`: other bytes under a known SOP Instance UID take the place of the first."""

from pacsd.index.connect import Connection
from pacsd.index.loose import Again, Ready, insert, sop_hash
from pacsd.index.records import Extent, Outcome, Stored
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
    delete from instance where sop_instance_uid = %s and organisation = %s returning series, key
), thrown as (
    insert into garbage (key, delete_after) select key, now() + make_interval(secs => %s) from gone
    on conflict do nothing
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
_REJECTED = "select from rejection where sop_instance_uid = %s and organisation = %s"


def replace(connection: Connection, ready: Ready, *, grace_s: float) -> Stored | Again:
    """Insert the arrival in place of what its SOP Instance UID held; in a transaction, its series placed.

    The old spool file becomes garbage after `grace_s`; an old packed copy is hidden from readers (`replaced`).
    """
    arrival = ready.arrival
    key = (arrival.sop_instance_uid, arrival.organisation)
    if connection.execute(_REJECTED, key).fetchone() is not None:
        return Stored(Outcome.REJECTED)
    old = connection.execute(_LOOSE, key).fetchone()
    hashed = sop_hash(arrival.sop_instance_uid)
    packed = connection.execute(_PACKED, (hashed, arrival.organisation)).fetchone()
    existing = None
    if old is not None:
        existing = Extent(*old[1:4])
        if existing == arrival.extent:
            return Stored(Outcome.STORED)
        if bytes(old[4]) == arrival.digest and old[5] == arrival.transfer_syntax_uid:
            return Stored(Outcome.DUPLICATE, existing)
    elsewhere = [row[0] for row in (old, packed) if row is not None]
    locked = lock_series(connection, [*elsewhere, ready.series])
    if old is not None:
        connection.execute(_REMOVE, (*key, grace_s))
    if packed is not None:
        connection.execute(_HIDE_PACKED, (packed[0], arrival.sop_instance_uid, hashed, packed[0]))
    answer = insert(connection, [ready])[0]
    summarise(connection, sorted(set(locked.values())))
    if isinstance(answer, Stored):
        return Stored(answer.outcome, answer.existing or existing, packed_series=packed[0] if packed else None)
    return answer
