"""Rows of matching: what patients have in common, pairs that were found, decisions, and who belongs to one person.

The machine compares everybody with everybody, whoever owns them: what it finds is read by people and peers through
pacsd.index.identity_search, which holds the access predicate. Only one transaction at a time changes links (`turn`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.names import GROUPS, name_grams
from pacsd.index.placement import add_grams

_LOCK_KEY = 0x656D7069                   # "empi"

Row = Mapping[str, Any]

_FIELDS = """
r.patient, r.organisation, r.assigning_authority, r.patient_id, r.name, r.birth_date, r.sex, r.phone, r.address,
r.id_card, r.health_card, r.social_security_card, r.mother_name, r.multiple_birth
"""
_NAMES = ", ".join(f"r.name_{group}" for group in GROUPS)
_DUE = "select patient from patient_record where due order by patient limit %s"
_HOW_MANY_DUE = "select count(*) from (select from patient_record where due limit %s) d"
# Whom a feed has in hand is left for the next time: nobody waits for a feed here while it waits for this.
# Whether a patient is merged is read where its row is locked, of which the statement's snapshot may know less.
_TAKE = f"""
with found as (
    select r.patient, r.announced, p.merged_into is null as live
    from patient_record r join patient p on p.pk = r.patient
    where r.due order by r.patient limit %s for update of r skip locked for key share of p skip locked
),
taken as (
    update patient_record r set due = false, announced = true from found f where r.patient = f.patient returning r.*
)
select {_FIELDS}, {_NAMES}, f.live, f.announced from taken r join found f using (patient) order by r.patient
"""
_CANDIDATES = """
select k.patient, k.key, m.patient
from unnest(%s::bigint[], %s::bigint[]) as k(patient, key)
cross join lateral (select patient from match_key where key = k.key limit %s) m
"""
_RECORDS = f"""
select {_FIELDS} from patient_record r join patient p on p.pk = r.patient
where r.patient = any(%s) and p.merged_into is null
"""
_KEYS = """
with asked as (select patient, key from unnest(%(patients)s::bigint[], %(keys)s::bigint[]) as a(patient, key)),
old as (delete from match_key m where m.patient = any(%(all)s) and (m.patient, m.key) not in (select * from asked))
insert into match_key (key, patient) select key, patient from asked order by key, patient on conflict do nothing
"""
_DROP_PAIRS = "delete from identity_pair where one = any(%(all)s) or other = any(%(all)s)"
_ADD_PAIRS = """
insert into identity_pair (one, other, automatic, score, reasons)
select * from unnest(%s::bigint[], %s::bigint[], %s::boolean[], %s::real[], %s::text[])
"""
_CONNECTED = """
select one from identity_pair where automatic and one = any(%(all)s)
union select other from identity_pair where automatic and other = any(%(all)s)
union select one from identity_decision where one = any(%(all)s)
union select other from identity_decision where other = any(%(all)s)
union select p.survivor from patient p join identity_decision d on d.one = p.pk where p.survivor = any(%(all)s)
union select p.survivor from patient p join identity_decision d on d.other = p.pk where p.survivor = any(%(all)s)
union select patient from person_member where patient = any(%(all)s)
"""
_PAIRS = """
select one, other, score from identity_pair where automatic and one = any(%(all)s)
union select one, other, score from identity_pair where automatic and other = any(%(all)s)
"""
# What was decided of a merged patient counts for the one that survives.
_DECISIONS = """
with asked as (
    select pk from patient where pk = any(%(all)s) union select pk from patient where survivor = any(%(all)s)
),
decided as (
    select * from identity_decision where one in (select pk from asked)
    union select * from identity_decision where other in (select pk from asked)
)
select coalesce(a.survivor, a.pk), coalesce(b.survivor, b.pk), d.linked, d.decided_at
from decided d join patient a on a.pk = d.one join patient b on b.pk = d.other
where coalesce(a.survivor, a.pk) <> coalesce(b.survivor, b.pk) order by d.decided_at
"""
_DECIDE = """
insert into identity_decision (one, other, linked, decided_at) values (least(%s, %s), greatest(%s, %s), %s, %s)
on conflict (one, other) do update set linked = excluded.linked, decided_at = excluded.decided_at
    where identity_decision.decided_at < excluded.decided_at
"""
_MEMBERS = """
select patient, person from person_member where person in (select person from person_member where patient = any(%s))
"""
_JOIN = """
insert into person_member (patient, person) select p, %s from unnest(%s::bigint[]) as u(p)
on conflict (patient) do update set person = excluded.person
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two patients that may be one person, in the eyes of the machine."""

    one: int
    other: int
    score: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided of two patients."""

    one: int
    other: int
    linked: bool
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """A pair as it is to be kept; `one` is the lower."""

    one: int
    other: int
    automatic: bool
    score: float
    reasons: str


@contextmanager
def turn(pool: Pool) -> Iterator[Connection]:
    """A transaction that may change links; others wait."""
    with lent(pool) as connection, connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        yield connection


def due(pool: Pool, limit: int) -> list[int]:
    """Patients that are to be matched."""
    with lent(pool) as connection:
        return [row[0] for row in connection.execute(_DUE, (limit,))]


def how_many_due(pool: Pool, most: int) -> int:
    """How many are, counted up to so many."""
    with lent(pool) as connection:
        row = connection.execute(_HOW_MANY_DUE, (most,)).fetchone()
    return 0 if row is None else int(row[0])


def take(connection: Connection, limit: int) -> list[Row]:
    """What is stated of patients that were due, which they no longer are; `live`: merged into nobody."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(_TAKE, (limit,), prepare=True))


def set_keys(connection: Connection, taken: Sequence[Row], keys: Mapping[int, Sequence[int]]) -> None:
    """By what patients are found from now on: by those they are compared with, and by parts of their names."""
    both = [(patient, key) for patient, those in keys.items() for key in those]
    connection.execute(_KEYS, {
        "patients": [one[0] for one in both], "keys": [one[1] for one in both],
        "all": [row["patient"] for row in taken],
    }, prepare=True)  # fmt: skip
    names = ((row["patient"], [row[f"name_{group}"] for group in GROUPS]) for row in taken)
    add_grams(connection, ((gram, patient) for patient, groups in names for gram in name_grams(groups)))


def candidates(
    connection: Connection, keys: Mapping[int, Sequence[int]], *, most_sharing: int
) -> dict[int, set[int]]:
    """By patient everybody else who shares one of its keys, but for keys that too many share."""
    both = [(patient, key) for patient, those in keys.items() for key in those]
    values = ([one[0] for one in both], [one[1] for one in both], most_sharing + 1)
    sharing: dict[tuple[int, int], list[int]] = {}
    for patient, key, other in connection.execute(_CANDIDATES, values, prepare=True):
        sharing.setdefault((patient, key), []).append(other)
    found: dict[int, set[int]] = {patient: set() for patient in keys}
    for (patient, _), those in sharing.items():
        if len(those) <= most_sharing:
            found[patient].update(those)
    return {patient: those - {patient} for patient, those in found.items()}


def records(connection: Connection, patients: Collection[int]) -> list[Row]:
    """What is stated of patients that are merged into nobody."""
    if not patients:
        return []
    with connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(_RECORDS, (sorted(patients),), prepare=True))


def set_pairs(connection: Connection, patients: Collection[int], found: Collection[Found]) -> None:
    """All pairs that patients are in."""
    connection.execute(_DROP_PAIRS, {"all": sorted(patients)}, prepare=True)
    if found:
        pairs = sorted(found, key=lambda pair: (pair.one, pair.other))
        connection.execute(_ADD_PAIRS, (
            [one.one for one in pairs], [one.other for one in pairs], [one.automatic for one in pairs],
            [one.score for one in pairs], [one.reasons for one in pairs],
        ))  # fmt: skip


def connected(connection: Connection, patients: Collection[int]) -> set[int]:
    """Those of the patients that a sure pair, a decision or a person leads to somebody else from."""
    return {row[0] for row in connection.execute(_CONNECTED, {"all": sorted(patients)}, prepare=True)}


def pairs_of(connection: Connection, patients: Collection[int]) -> list[Pair]:
    """The pairs that the machine is sure of, with any of these in it."""
    return [Pair(*row) for row in connection.execute(_PAIRS, {"all": sorted(patients)}, prepare=True)]


def decisions_of(connection: Connection, patients: Collection[int]) -> list[Decision]:
    """The decisions on any of these, of each pair the last."""
    found = [Decision(*row) for row in connection.execute(_DECISIONS, {"all": sorted(patients)}, prepare=True)]
    return list({frozenset((one.one, one.other)): one for one in found}.values())


def decide(connection: Connection, one: int, other: int, *, linked: bool, at: datetime) -> bool:
    """Keep a decision, unless a later one is kept; whether that changed anything."""
    return connection.execute(_DECIDE, (one, other, one, other, linked, at)).rowcount == 1


def is_decided(connection: Connection, one: int, other: int) -> bool:
    """Whether anybody decided on two patients."""
    return connection.execute(
        "select from identity_decision where one = least(%s, %s) and other = greatest(%s, %s)", (one, other, one, other)
    ).fetchone() is not None  # fmt: skip


def members(connection: Connection, patients: Collection[int]) -> dict[int, int]:
    """The person of each of these that is not alone, and of all others of those persons."""
    return dict(connection.execute(_MEMBERS, (sorted(patients),), prepare=True).fetchall())


def leave(connection: Connection, patients: Collection[int]) -> None:
    """Patients that are persons alone from now on."""
    connection.execute("delete from person_member where patient = any(%s)", (sorted(patients),))


def join(connection: Connection, person: int | None, patients: Collection[int]) -> None:
    """Patients that are one person from now on, a new one where None is given."""
    number = person
    if number is None:
        row = connection.execute("select nextval('person_number')").fetchone()
        number = row[0] if row else 0
    connection.execute(_JOIN, (number, sorted(patients)))

