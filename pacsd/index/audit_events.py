"""Rows of what was recorded of accesses: read from the chains into the index, searched, and handed to repositories."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pacsd.index.connect import Connection, Pool, lent, retried

_LOCK = 0x617564697400                   # "audit": one process at a time reads chains into the index


@dataclass(frozen=True, slots=True)
class Place:
    """How far a writer's chain was read."""

    writer: str
    segment: int = 1
    offset_bytes: int = 0
    number: int = 0
    digest: bytes = bytes(32)
    ended: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as it is searched. `keys`: everything by which it may be looked for; `body`: its JSON."""

    recorded: datetime
    writer: str
    number: int
    event: str
    action: str
    outcome: int
    subtypes: tuple[str, ...]
    keys: frozenset[str]
    body: str
    pk: int = 0


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """Whose study it is."""

    organisation: str
    assigning_authority: str
    patient_id: str
    accession_number: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Conditions of a search: of `keys` each is a list of which one must be there, that which fewest events have first;
    times are half open."""

    since: datetime | None = None
    until: datetime | None = None
    keys: tuple[tuple[str, ...], ...] = ()
    events: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    outcomes: tuple[int, ...] = ()
    subtypes: tuple[tuple[str, ...], ...] = ()
    ids: tuple[tuple[str, int], ...] | None = None
    after: tuple[datetime, int] | None = None        # the last one seen, where a page goes on
    limit: int = 50


_PLACES = "select writer, segment, offset_bytes, number, digest, ended, problem from audit_chain"
_OPEN = f"{_PLACES} where not ended and problem = ''"
_OF = f"{_PLACES} where writer = any(%s)"
_MOVED = "select writer, number, digest from audit_chain where number <> anchored order by writer"
_ANCHORED = """
update audit_chain c set anchored = m.number from unnest(%s::text[], %s::bigint[]) as m (writer, number)
where c.writer = m.writer and c.anchored < m.number
"""
_BEGIN = "select pg_advisory_xact_lock(%s)"
_BEGIN_WITHOUT_WAITING = "select pg_advisory_xact_lock(%s), set_config('synchronous_commit', 'off', true)"
_MOVE = """
insert into audit_chain (writer, segment, offset_bytes, number, digest, ended, problem)
values (%s, %s, %s, %s, %s, %s, %s)
on conflict (writer) do update set segment = excluded.segment, offset_bytes = excluded.offset_bytes,
    number = excluded.number, digest = excluded.digest, ended = excluded.ended, problem = excluded.problem
"""
_INSERT = """
insert into audit_event (recorded, writer, number, event, action, outcome, subtypes, body)
select recorded, %s, number, event, action, outcome, string_to_array(subtypes, ' '), body
from unnest(%b::timestamptz[], %s::bigint[], %b::text[], %b::text[], %s::smallint[], %b::text[], %b::text[])
    as t (recorded, number, event, action, outcome, subtypes, body) order by number
on conflict (writer, number) do nothing returning number, pk
"""
_KEYS = """
insert into audit_key (key, recorded, event)
select * from unnest(%b::text[], %b::timestamptz[], %s::bigint[]) order by 1, 2 on conflict do nothing
"""
_STUDIES = """
select s.study_instance_uid, o.code, s.assigning_authority, s.patient_id, coalesce(s.accession_number, '')
from study s join organisation o on o.pk = s.organisation where s.study_instance_uid = any(%s)
"""
_FIELDS = "e.recorded, e.writer, e.number, e.event, e.action, e.outcome, e.subtypes, e.body, e.pk"
_AFTER = f"select {_FIELDS} from audit_event e where e.pk > %s order by e.pk limit %s"


class AuditEvents:
    """The audit events of the index."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def places(self) -> dict[str, Place]:
        """How far each chain was read, of all that there ever were."""
        with lent(self._pool) as connection:
            return {row[0]: _place(row) for row in connection.execute(_PLACES)}

    def open_places(self) -> dict[str, Place]:
        """How far each chain was read that goes on."""
        with lent(self._pool) as connection:
            return {row[0]: _place(row) for row in connection.execute(_OPEN)}

    def places_of(self, writers: Sequence[str]) -> dict[str, Place]:
        """How far these chains were read."""
        with lent(self._pool) as connection:
            return {row[0]: _place(row) for row in connection.execute(_OF, (list(writers),))}

    def moved(self) -> dict[str, tuple[int, str]]:
        """Of each chain that was read on since its last anchor how many records were, and the last one's hash."""
        with lent(self._pool) as connection:
            return {writer: (number, bytes(digest).hex()) for writer, number, digest in connection.execute(_MOVED)}

    def load(self, place: Place, rows: Sequence[EventRow], before: int, *, lasting: bool = True) -> bool:
        """Rows of one chain, and how far it is read now, in one transaction; False where another did so meanwhile.

        Not `lasting`, it waits for no disk: what a crash takes away is read from the chain again, but may get another
        pk. `before`: the number of the record after which they come.
        """

        def work(connection: Connection) -> bool:
            with connection.transaction():
                connection.execute(_BEGIN if lasting else _BEGIN_WITHOUT_WAITING, (_LOCK,))
                found = connection.execute(
                    "select number from audit_chain where writer = %s", (place.writer,)
                ).fetchone()
                if (0 if found is None else found[0]) != before:
                    return False
                _insert(connection, place.writer, rows)
                values = (place.writer, place.segment, place.offset_bytes, place.number, place.digest, place.ended,
                          place.problem)  # fmt: skip
                connection.execute(_MOVE, values)
            return True

        return retried(self._pool, work)

    def studies(self, uids: Iterable[str]) -> dict[str, list[StudyFacts]]:
        """Whose the studies are, by UID; each organisation's copy for itself."""
        found: dict[str, list[StudyFacts]] = {}
        with lent(self._pool) as connection:
            for uid, *facts in connection.execute(_STUDIES, (list(uids),)):
                found.setdefault(uid, []).append(StudyFacts(*facts))
        return found

    def anchor(self) -> tuple[int, bytes] | None:
        """The last anchor's number and hash."""
        with lent(self._pool) as connection:
            row = connection.execute("select number, digest from audit_anchor order by number desc limit 1").fetchone()
        return None if row is None else (row[0], bytes(row[1]))

    def anchored(self, number: int, digest: bytes, heads: Mapping[str, int]) -> None:
        """Remember an anchor, and up to which record it names each chain."""
        statement = "insert into audit_anchor (number, digest) values (%s, %s) on conflict do nothing"
        with lent(self._pool) as connection, connection.transaction():
            connection.execute(statement, (number, digest))
            connection.execute(_ANCHORED, (list(heads), list(heads.values())))

    def following(self, pk: int, limit: int) -> list[EventRow]:
        """Events in the order they came into the index, after one."""
        with lent(self._pool) as connection:
            return [_row(row) for row in connection.execute(_AFTER, (pk, limit))]

    def delivered(self, repository: str) -> int:
        """Up to which event a repository has them; a new one gets what is recorded from now on."""
        statement = """insert into audit_delivery (repository, event)
            select %s, coalesce(max(pk), 0) from audit_event on conflict do nothing"""
        with lent(self._pool) as connection:
            connection.execute(statement, (repository,))
            row = connection.execute("select event from audit_delivery where repository = %s", (repository,)).fetchone()
        return 0 if row is None else int(row[0])

    def deliver(self, repository: str, pk: int) -> None:
        """It has them up to this one."""
        statement = "update audit_delivery set event = %s where repository = %s and event < %s"
        with lent(self._pool) as connection:
            connection.execute(statement, (pk, repository, pk))

    def search(self, wanted: Wanted) -> list[EventRow]:
        """Matching events, the newest first."""
        statement, params = _search(wanted)
        with lent(self._pool) as connection:
            return [_row(row) for row in connection.execute(statement, params)]

    def counts(self) -> dict[str, int]:
        """How many records of each chain are in the index, by its last number."""
        with lent(self._pool) as connection:
            return dict(connection.execute("select writer, number from audit_chain").fetchall())


def _insert(connection: Connection, writer: str, rows: Sequence[EventRow]) -> None:
    """Events of one chain with their keys, in two statements."""
    if not rows:
        return
    told = ((one.recorded, one.number, one.event, one.action, one.outcome, " ".join(one.subtypes), one.body)
            for one in rows)  # fmt: skip
    columns = [list(column) for column in zip(*told, strict=True)]
    made: dict[int, int] = dict(connection.execute(_INSERT, (writer, *columns), prepare=True).fetchall())
    keys = [(key, one.recorded, made[one.number]) for one in rows if one.number in made for key in one.keys]
    if keys:
        names, times, events = zip(*keys, strict=True)
        connection.execute(_KEYS, (list(names), list(times), list(events)), prepare=True)


def _search(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """The statement. The first list of keys leads: the newest of each of them are a short range of one index, and the
    others are looked up one by one (`offset 0`: they are never read as a whole)."""
    params: dict[str, Any] = {"limit": wanted.limit}
    keys = list(wanted.keys)
    if wanted.ids is not None or not keys:
        where = _all((*_others(keys, "e.recorded", "e.pk", params), *_ids(wanted, params),
                      *_within(wanted, "e.recorded", "e.pk", params), *_of_event(wanted, params)))  # fmt: skip
        source = f"audit_event e {where}"
    else:
        params["lead"] = list(keys.pop(0))
        of_event = _of_event(wanted, params)
        where = _all(("a.key = l.key", *_others(keys, "a.recorded", "a.event", params),
                      *_within(wanted, "a.recorded", "a.event", params), *of_event))  # fmt: skip
        joined = "join audit_event e on e.pk = a.event " if of_event else ""
        newest = (f"select a.recorded, a.event from audit_key a {joined}{where} "
                  "order by a.recorded desc, a.event desc limit %(limit)s")  # fmt: skip
        source = (f"(select distinct n.recorded, n.event from unnest(%(lead)s::text[]) as l (key) "
                  f"cross join lateral ({newest}) n order by n.recorded desc, n.event desc limit %(limit)s) f "
                  "join audit_event e on e.pk = f.event")  # fmt: skip
    return f"select {_FIELDS} from {source} order by e.recorded desc, e.pk desc limit %(limit)s", params


def _all(conditions: Sequence[str]) -> str:
    return f"where {' and '.join(conditions)}" if conditions else ""


def _others(keys: Sequence[tuple[str, ...]], recorded: str, pk: str, params: dict[str, Any]) -> Iterator[str]:
    """That an event has one of each list."""
    for number, alternatives in enumerate(keys):
        params[f"keys{number}"] = list(alternatives)
        yield (f"exists (select from audit_key b where b.key = any(%(keys{number})s) "
               f"and b.recorded = {recorded} and b.event = {pk} offset 0)")  # fmt: skip


def _within(wanted: Wanted, recorded: str, pk: str, params: dict[str, Any]) -> Iterator[str]:
    """When it was, and behind what was seen already."""
    for name, operator, value in (("since", ">=", wanted.since), ("until", "<", wanted.until)):
        if value is not None:
            params[name] = value
            yield f"{recorded} {operator} %({name})s"
    if wanted.after is not None:
        params["after"], params["after_pk"] = wanted.after
        yield f"({recorded}, {pk}) < (%(after)s, %(after_pk)s)"


def _of_event(wanted: Wanted, params: dict[str, Any]) -> list[str]:
    """What it was."""
    found = []
    for name, values in (("event", wanted.events), ("action", wanted.actions), ("outcome", wanted.outcomes)):
        if values:
            params[name] = list(values)
            found.append(f"e.{name} = any(%({name})s)")
    for number, subtypes in enumerate(wanted.subtypes):
        params[f"subtypes{number}"] = list(subtypes)
        found.append(f"e.subtypes && %(subtypes{number})s")
    return found


def _ids(wanted: Wanted, params: dict[str, Any]) -> Iterator[str]:
    if wanted.ids is not None:
        params["writers"] = [writer for writer, _ in wanted.ids]
        params["numbers"] = [number for _, number in wanted.ids]
        yield "(e.writer, e.number) in (select * from unnest(%(writers)s::text[], %(numbers)s::bigint[]))"


def _place(row: Sequence[Any]) -> Place:
    writer, segment, offset_bytes, number, digest, ended, problem = row
    return Place(writer, segment, offset_bytes, number, bytes(digest), ended, problem)


def _row(row: Sequence[Any]) -> EventRow:
    recorded, writer, number, event, action, outcome, subtypes, body, pk = row
    return EventRow(recorded, writer, number, event, action, outcome, tuple(subtypes), frozenset(), body, pk)
