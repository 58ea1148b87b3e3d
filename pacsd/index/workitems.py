"""Rows of workitems: made, locked, changed, searched and deleted (PS3.4 Annex CC).

What decides stands in `pacsd.workflow`; here every statement says for whom. Whoever changes a workitem or subscribes
to new ones does so inside `changing`, so that no subscriber misses a change that was made at the same moment.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.matching import AllOf, AnyOf, Conditions
from pacsd.index.packs import THROW
from pacsd.index.predicate import Params, keyed, visible_workitem, within
from pacsd.index.query import Page, Statement, page_of, streamed, where_of
from pacsd.index.rows import dumps, names_of, values_of
from pacsd.index.workitem_keys import COLUMNS

_LOCK_CLASS = 0x757073                   # "ups": advisory locks of two keys, this and the organisation
Attributes = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Workitem:
    """A workitem as it is kept. `attributes`: DICOM JSON by tag, with its state and UID, never its Transaction UID.

    `record`: the key of the blob that says the same, for a rebuild.
    """

    organisation: int
    sop_instance_uid: str
    state: str
    attributes: Attributes
    record: str
    created_at: datetime
    changed_at: datetime
    transaction_uid: str | None = None
    finished_at: datetime | None = None
    revision: int = 1
    pk: int = 0                          # 0: not kept yet


_KEY_NAMES = names_of(COLUMNS)
_FIELDS = """w.organisation, w.sop_instance_uid, w.state, w.attributes, w.record, w.created_at, w.changed_at,
    w.transaction_uid, w.finished_at, w.revision, w.pk"""
_STATED = ("state", "attributes", "record", "created_at", "changed_at", "transaction_uid", "finished_at", "revision")
_WRITTEN = (*_STATED, *_KEY_NAMES)
_INSERT = f"""
insert into workitem (organisation, sop_instance_uid, {", ".join(_WRITTEN)})
values (%s, %s, {", ".join(["%s"] * len(_WRITTEN))}) on conflict do nothing returning pk
"""


@contextmanager
def changing(pool: Pool, organisations: Sequence[int], *, worklist: bool = False) -> Iterator[Connection]:
    """A transaction that changes workitems of these organisations; with `worklist`, who hears of all of them."""
    lock = "pg_advisory_xact_lock" if worklist else "pg_advisory_xact_lock_shared"
    with lent(pool) as connection, connection.transaction():
        for organisation in sorted(organisations):
            connection.execute(f"select {lock}(%s, %s)", (_LOCK_CLASS, organisation), prepare=True)
        yield connection


def insert(connection: Connection, item: Workitem) -> int | None:
    """Keep a new workitem; its key, or None if its organisation has one of this UID."""
    values = (item.organisation, item.sop_instance_uid, *_values(item))
    row = connection.execute(_INSERT, values, prepare=True).fetchone()
    return None if row is None else int(row[0])


def update(connection: Connection, item: Workitem) -> None:
    """Write a changed workitem that this transaction has locked."""
    params = Params()
    sets = [f"{name} = {params.add(value)}" for name, value in zip(_WRITTEN, _values(item), strict=True)]
    mine = within(Scope((item.organisation,), item.organisation), params, "w")
    statement = f"update workitem w set {', '.join(sets)} where {mine} and w.pk = {params.add(item.pk)}"
    connection.execute(statement, params.values, prepare=True)


def locked(connection: Connection, scope: Scope, sop_instance_uid: str) -> Workitem | None:
    """The workitem the scope sees, which nobody else changes until the transaction ends."""
    params = Params()
    statement = f"""
        select {_FIELDS} from workitem w
        where {visible_workitem(scope, params)} and w.sop_instance_uid = {params.add(sop_instance_uid)}
        for no key update of w"""
    row = connection.execute(statement, params.values, prepare=True).fetchone()
    return None if row is None else _item(row)


def found(connection: Connection, scope: Scope, sop_instance_uid: str) -> Workitem | None:
    """The workitem the scope sees."""
    params = Params()
    statement = f"""
        select {_FIELDS} from workitem w
        where {visible_workitem(scope, params)} and w.sop_instance_uid = {params.add(sop_instance_uid)}"""
    row = connection.execute(statement, params.values, prepare=True).fetchone()
    return None if row is None else _item(row)


def is_gone(connection: Connection, scope: Scope, sop_instance_uid: str) -> bool:
    """Whether there was such a workitem."""
    params = Params()
    mine = within(scope, params, "g")
    statement = f"select from workitem_gone g where {mine} and g.sop_instance_uid = {params.add(sop_instance_uid)}"
    return connection.execute(statement, params.values).fetchone() is not None


def load(pool: Pool, scope: Scope, sop_instance_uid: str) -> tuple[Workitem | None, bool]:
    """The workitem the scope sees, else whether there was one."""

    def work(connection: Connection) -> tuple[Workitem | None, bool]:
        item = found(connection, scope, sop_instance_uid)
        return item, item is None and is_gone(connection, scope, sop_instance_uid)

    return retried(pool, work, scope)


def search(
    pool: Pool, conditions: Conditions, page: Page, scope: Scope
) -> Generator[Attributes, None, None]:
    """Workitems that match, the next to start first; a cursor is held until the generator is exhausted or closed."""
    return streamed(pool, _search(conditions, page, scope), page, scope)


def matching(connection: Connection, conditions: Conditions, scope: Scope) -> list[int]:
    """The keys of all that match."""
    statement = _search(conditions, _ALL, scope)
    rows = connection.execute(statement.text, statement.params, prepare=False).fetchall()
    return [row[0] for row in rows if statement.keeps(row)]


@dataclass(frozen=True, slots=True)
class _Whole:
    limit: int | None = None
    offset: int = 0


_ALL = _Whole()


def _search(conditions: Conditions, page: Page, scope: Scope) -> Statement[Attributes]:
    params = Params()
    found, residual = where_of(conditions.tests, params)
    where = " and ".join([visible_workitem(scope, params), *_look_up(conditions, params), *found])
    text = f"""
        select w.pk, w.attributes from workitem w where {where}
        order by w.start_at, w.pk{page_of(page, params, residual)}"""
    return Statement(
        text, params.values, residual, lambda row: orjson.loads(row[1]), lambda row: [row[1][1:-1]]
    )


_FOUND_BY = {                            # what an index of array elements answers
    "station_names": "workitems_of_stations", "accession_numbers": "workitems_of_accessions",
    "replaced": "workitems_instead_of",
}  # fmt: skip


def _look_up(conditions: Conditions, params: Params) -> list[str]:
    """Conditions that those indexes answer, beside those that say exactly what matches."""
    named = [one.any_of if isinstance(one, AllOf) else one for one in conditions.tests]
    found = [(_FOUND_BY[one.column.name], one.patterns) for one in named
             if isinstance(one, AnyOf) and one.column is not None and one.column.name in _FOUND_BY]  # fmt: skip
    return [keyed("w", function, [one.text for one in patterns], params) for function, patterns in found
            if all(one.literal for one in patterns)]  # fmt: skip


_HELD = "exists (select from subscription where workitem = w.pk and deletion_lock)"
_LAPSED = f"""
select pk from workitem w where finished_at < now() - make_interval(secs => %s) and not {_HELD}
order by finished_at limit %s for update skip locked
"""
# asked again, for a deletion lock may have been granted between the look and the lock of the row
_DELETE = f"""
delete from workitem w where pk = any(%s) and not {_HELD} returning organisation, sop_instance_uid, record
"""
_BURY = """
insert into workitem_gone (organisation, sop_instance_uid) select * from unnest(%s::integer[], %s::text[])
on conflict (sop_instance_uid, organisation) do update set deleted_at = excluded.deleted_at
"""


def delete_finished(pool: Pool, *, keep_s: float, grace_s: float, limit: int = 200) -> int:
    """Delete what was finished so long ago and nobody holds by a deletion lock; how many (PS3.4 CC.2.1.3)."""

    def work(connection: Connection) -> int:
        with connection.transaction():
            keys = [pk for (pk,) in connection.execute(_LAPSED, (keep_s, limit))]
            rows = connection.execute(_DELETE, (keys,)).fetchall()
            organisations, uids, records = [list(column) for column in zip(*rows, strict=True)] or [[]] * 3
            connection.execute(_BURY, (organisations, uids))
            connection.execute(THROW, (grace_s, records))
        return len(rows)

    return retried(pool, work)


def forget_gone(pool: Pool, *, keep_s: float) -> None:
    """Forget what was deleted so long ago."""
    statement = "delete from workitem_gone where deleted_at < now() - make_interval(secs => %s)"
    retried(pool, lambda connection: connection.execute(statement, (keep_s,)))


def throw_away(connection: Connection, records: Sequence[str], *, grace_s: float) -> None:
    """Delete superseded records after a while."""
    connection.execute(THROW, (grace_s, list(records)), prepare=True)


def throw_unknown(pool: Pool, records: Sequence[str], *, grace_s: float) -> None:
    """Delete records that nothing names after a while."""
    with lent(pool) as connection:
        throw_away(connection, records, grace_s=grace_s)


def unknown_records(pool: Pool, records: Sequence[str]) -> list[str]:
    """Those that nothing names, and that are not to be deleted anyway."""
    statement = """
        select k from unnest(%s::text[]) as u(k)
        where not exists (select from garbage where key = k) and not exists (select from workitem where record = k)
            and not exists (select from subscriber where record = k)
            and not exists (select from performed_step where record = k)"""
    return retried(pool, lambda connection: [row[0] for row in connection.execute(statement, (list(records),))])


@dataclass(frozen=True, slots=True)
class Recorded:
    """What has a record, and its key. `revision` is None where a rebuild counts anew."""

    kind: str
    organisation: int
    name: str
    record: str
    revision: int | None


def recorded(pool: Pool) -> Iterator[Recorded]:
    """All that has a record, for upkeep."""
    statement = """
        select 'workitem', organisation, sop_instance_uid, record, revision from workitem
        union all
        select 'subscriber', organisation, ae_title, record, null from subscriber where record is not null
        union all
        select 'performed_step', organisation, sop_instance_uid, record, revision from performed_step"""
    with lent(pool) as connection, connection.transaction():
        with connection.cursor(name="pacsd_recorded") as cursor:
            cursor.execute(statement)
            for row in cursor:
                yield Recorded(*row)


def is_recorded(pool: Pool, record: str) -> bool:
    """Whether anything still names the record."""
    statement = """
        select exists (select from workitem where record = %(k)s)
            or exists (select from subscriber where record = %(k)s)
            or exists (select from performed_step where record = %(k)s)"""
    return retried(pool, lambda connection: bool((connection.execute(statement, {"k": record}).fetchone() or (0,))[0]))


def _item(row: tuple[Any, ...]) -> Workitem:
    organisation, uid, state, attributes, *rest = row
    return Workitem(organisation, uid, state, orjson.loads(attributes), *rest)


def _values(item: Workitem) -> list[Any]:
    text = dumps(dict(sorted(item.attributes.items())))
    return [
        item.state, text, item.record, item.created_at, item.changed_at, item.transaction_uid, item.finished_at,
        item.revision, *values_of(COLUMNS, item.attributes),
    ]  # fmt: skip
