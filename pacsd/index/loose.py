"""The statement of the receive path: loose instances and the counters above them, in one round trip.

The rows of study and series are locked first, in the order of their UIDs, which every writer of the index
keeps to. What was checked by the statement's snapshot (packed already? rejected?) could have changed while it
waited for the lock; whoever changes that also raises `series.revision`, so a difference between the snapshot
and the locked row means: look again.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from xxhash import xxh3_64_intdigest

from pacsd.index.connect import Connection
from pacsd.index.direct import Direct
from pacsd.index.records import Arrival, Extent, Outcome, Stored

FIELDS: tuple[tuple[str, str], ...] = (
    ("n", "integer"),
    ("series", "bigint"),
    ("organisation", "integer"),
    ("hash", "bigint"),
    ("sop_instance_uid", "text"),
    ("sop_class_uid", "text"),
    ("transfer_syntax_uid", "text"),
    ("key", "text"),
    ("offset_bytes", "bigint"),
    ("length_bytes", "bigint"),
    ("dataset_offset_bytes", "integer"),
    ("digest", "bytea"),
    ("received_at", "timestamptz"),
    ("source_ae", "text"),
    ("attributes", "text"),
)
_INSERTED = ", ".join(name for name, _ in FIELDS if name not in ("n", "hash"))
_ONE = "select " + ", ".join(f"%s::{kind} as {name}" for name, kind in FIELDS)     # as psycopg writes it
_MANY = (
    "select * from unnest(" + ", ".join(f"%s::{kind}[]" for _, kind in FIELDS) + ") as a("
    + ", ".join(name for name, _ in FIELDS) + ")"
)

_STORE = f"""
with arriving as materialized ({{arriving}}),
locked as materialized (
    select r.pk, r.revision from series r join study s on s.pk = r.study
    where r.pk in (select series from arriving)
    order by s.study_instance_uid, s.organisation, r.series_instance_uid
    for no key update of s, r
),
open as materialized (
    select l.pk from locked l join series r on r.pk = l.pk and r.revision = l.revision
),
judged as materialized (
    select a.*, o.pk is not null as known,
        exists (select from rejection x
            where x.sop_instance_uid = a.sop_instance_uid and x.organisation = a.organisation) as rejected,
        (select l.series from locator l where l.hash = a.hash
            and a.organisation = (select organisation from series where pk = l.series) {{unlike}} limit 1
        ) as packed_series
    from arriving a left join open o on o.pk = a.series
),
fresh as (
    insert into instance ({_INSERTED})
    select {_INSERTED} from judged j where known and not rejected and packed_series is null
    on conflict do nothing
    returning series, sop_instance_uid, organisation, key, offset_bytes, received_at
),
grown as (
    update series r set instances = r.instances + f.n, loose_count = r.loose_count + f.n, has_loose = true,
        last_received_at = greatest(r.last_received_at, f.at)
    from (select series, count(*)::integer as n, max(received_at) as at from fresh group by series) f
    where r.pk = f.series
    returning r.study, f.n, f.at, (r.instances = f.n)::integer as appeared, r.modality, r.sop_classes
),
counted as (
    update study s set instances = s.instances + g.n, series = s.series + g.appeared, changed = true,
        last_received_at = greatest(s.last_received_at, g.at),
        modalities = case when g.appeared = 0 then s.modalities else array(
            select distinct m from (select unnest(s.modalities) union all
                select modality from grown x where x.study = s.pk) as u(m) where m is not null order by m) end,
        sop_classes = case when g.appeared = 0 then s.sop_classes else array(
            select distinct c from (select unnest(s.sop_classes) union all
                select unnest(sop_classes) from grown x where x.study = s.pk) as u(c) order by c) end
    from (select study, sum(n)::integer as n, sum(appeared)::integer as appeared, max(at) as at
          from grown group by study) g
    where s.pk = g.study
)
select j.n, j.known, j.rejected, j.packed_series, f.key is not null,
    i.key, i.offset_bytes, i.length_bytes, i.digest, i.transfer_syntax_uid
from judged j
left join fresh f on f.sop_instance_uid = j.sop_instance_uid and f.organisation = j.organisation
    and f.key = j.key and f.offset_bytes = j.offset_bytes
left join instance i on i.sop_instance_uid = j.sop_instance_uid and i.organisation = j.organisation
"""
_TYPES = tuple(kind for _, kind in FIELDS)

# The same for one arrival, as far as nothing is in its way and it is not the first of its series, which may bring the
# study something new: two thirds of the work for PostgreSQL.
_GIVEN = {name: f"${n}::{kind}" for n, (name, kind) in enumerate(FIELDS, 1)}
_STORE_ONE = """
with locked as materialized (
    select r.pk, r.revision from series r join study s on s.pk = r.study
    where r.pk = {series} and r.instances > 0 for no key update of s, r
),
fresh as (
    insert into instance ({inserted})
    select {values} from locked l join series r on r.pk = l.pk and r.revision = l.revision
    where not exists (select from rejection x
            where x.sop_instance_uid = {sop_instance_uid} and x.organisation = {organisation})
        and not exists (select from locator l
            where l.hash = {hash} and {organisation} = (select organisation from series where pk = l.series))
    on conflict do nothing returning series, received_at
),
grown as (
    update series r set instances = r.instances + 1, loose_count = r.loose_count + 1, has_loose = true,
        last_received_at = greatest(r.last_received_at, f.received_at)
    from fresh f where r.pk = f.series
    returning r.study, f.received_at
),
counted as (
    update study s set instances = s.instances + 1, changed = true,
        last_received_at = greatest(s.last_received_at, g.received_at)
    from grown g where s.pk = g.study
)
select {n} from fresh
""".format(inserted=_INSERTED, values=", ".join(_GIVEN[name] for name in _INSERTED.split(", ")), **_GIVEN)
_STORE_MANY = _STORE.format(arriving=_MANY, unlike="")
_STORE_UNLIKE = _STORE.format(arriving=_ONE, unlike="and l.series <> all(%s::bigint[])")


_STORED = Stored(Outcome.STORED)


class Again(Enum):
    """Why an arrival has no answer yet."""

    VANISHED = "vanished"        # its series is gone, or changed under our feet: place it anew
    RACED = "raced"              # somebody else inserted the same UID at this moment: ask once more


class Ready(NamedTuple):
    """An arrival and the key of its series."""

    arrival: Arrival
    series: int


def sop_hash(sop_instance_uid: str) -> int:
    """The locator's key of a SOP Instance UID: xxh3_64 as a signed 64-bit number."""
    unsigned = xxh3_64_intdigest(sop_instance_uid.encode())
    return unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned


class StoreOne:
    """The statement for one arrival, ready on a connection."""

    NAME = "pacsd_store_one"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._direct = Direct(connection, self.NAME, _STORE_ONE, _TYPES)

    def __call__(self, one: Ready, meanwhile: Callable[[], None] | None = None) -> Stored | Again:
        """As `insert` of one, which also says why where it was not stored; `meanwhile` as in Direct.run."""
        if self._direct.run(row_of(0, one), meanwhile):
            return _STORED
        return insert(self._connection, [one])[0]

    def forget(self) -> None:
        """Leave the connection as it was. Raises psycopg.Error."""
        self._direct.forget()


def insert(
    connection: Connection, batch: Sequence[Ready], meanwhile: Callable[[], None] | None = None
) -> list[Stored | Again]:
    """Insert what is new, count it, and say for each what became of it; one statement.

    `meanwhile` runs beside the statement and before its commit: what it raises undoes the statement, and costs the
    connection. Not for use inside a transaction.
    """
    values = tuple(map(list, zip(*[row_of(n, one) for n, one in enumerate(batch)], strict=True)))
    if meanwhile is None:
        found = connection.execute(_STORE_MANY, values, prepare=True).fetchall()
    else:
        found = _beside(connection, _STORE_MANY, values, meanwhile)
    answers: list[Stored | Again] = [Again.VANISHED] * len(batch)
    for n, *judgement in found:
        answers[n] = _answer(batch[n].arrival, judgement)
    return answers


def insert_unlike(connection: Connection, one: Ready, series: Sequence[int]) -> list[Stored | Again]:
    """The same for one arrival of whose UID it is known that no pack of these series holds it, only one of its hash."""
    found = connection.execute(_STORE_UNLIKE, (*row_of(0, one), list(series))).fetchone()
    return [Again.VANISHED if found is None else _answer(one.arrival, found[1:])]


def _beside(
    connection: Connection, statement: str, values: tuple[Any, ...], meanwhile: Callable[[], None]
) -> list[tuple[Any, ...]]:
    """In pipeline mode PostgreSQL executes what it has been sent, and commits at the Sync that ends the pipeline
    (protocol 54.2.4). So the index works while the disk does, and nothing shows before `meanwhile` has returned."""
    with connection.pipeline():
        cursor = connection.execute(statement, values, prepare=True)
        connection.pgconn.flush()
        try:
            meanwhile()
        except BaseException:
            connection.close()               # without a Sync: PostgreSQL rolls back
            raise
    return cursor.fetchall()


def row_of(n: int, one: Ready) -> tuple[Any, ...]:
    """The values of an arrival, in the order of FIELDS."""
    a = one.arrival
    return (
        n,
        one.series,
        a.organisation,
        sop_hash(a.sop_instance_uid),
        a.sop_instance_uid,
        a.sop_class_uid,
        a.transfer_syntax_uid,
        a.extent.key,
        a.extent.offset_bytes,
        a.extent.length_bytes,
        a.dataset_offset_bytes,
        a.digest,
        a.received_at,
        a.source_ae,
        a.attributes,
    )


def _answer(arrival: Arrival, judgement: Sequence[Any]) -> Stored | Again:
    known, rejected, packed_series, fresh, key, offset, length, digest, syntax = judgement
    if fresh:
        return Stored(Outcome.STORED)
    if rejected:
        return Stored(Outcome.REJECTED)
    if key is not None:
        existing = Extent(key, offset, length)
        if existing == arrival.extent:                 # our own row: an answer was lost on the way, or a repair
            return Stored(Outcome.STORED)
        same = bytes(digest) == arrival.digest and syntax == arrival.transfer_syntax_uid
        return Stored(Outcome.DUPLICATE if same else Outcome.CONFLICT, existing)
    if packed_series is not None:
        return Stored(Outcome.CONFLICT, packed_series=packed_series)
    return Again.RACED if known else Again.VANISHED
