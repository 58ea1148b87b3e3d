"""Rows of instances that belong to no patient: kept, found, searched and deleted (PS3.4 GG)."""

from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from pacsd.access.scope import Scope
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.keys import Column, Kind
from pacsd.index.matching import Conditions
from pacsd.index.predicate import Params, visible_non_patient, within
from pacsd.index.query import Page, Statement, page_of, streamed, where_of

Attributes = dict[str, dict[str, Any]]
_LOCK_CLASS = 0x6E7069                   # "npi": advisory locks of two keys, this and one made of the instance's

COLUMNS: tuple[Column, ...] = (
    Column("00080016", "non_patient_instance", "sop_class_uid", Kind.UID),
    Column("00080018", "non_patient_instance", "sop_instance_uid", Kind.UID),
)
COLUMN_BY_PATH: dict[str, Column] = {column.path: column for column in COLUMNS}

_FIELDS = (
    "organisation", "sop_instance_uid", "sop_class_uid", "transfer_syntax_uid", "key", "length_bytes",
    "dataset_offset_bytes", "digest", "received_at", "attributes",
)  # fmt: skip
_SELECTED = ", ".join(f"o.{name}" for name in _FIELDS)
_INSERT = f"""
insert into non_patient_instance ({", ".join(_FIELDS)}) values ({", ".join(["%s"] * len(_FIELDS))})
on conflict do nothing returning pk
"""


@dataclass(frozen=True, slots=True)
class NonPatientRow:
    """One instance as the index knows it. `attributes`: the text of a DICOM JSON object of what is searched by."""

    organisation: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    key: str
    length_bytes: int
    dataset_offset_bytes: int
    digest: bytes
    received_at: datetime
    attributes: str


@contextmanager
def holding(pool: Pool, organisation: int, sop_instance_uid: str) -> Iterator[Connection]:
    """A transaction in which nobody else stores or deletes the instance; blobs are written and deleted inside it."""
    with lent(pool) as connection, connection.transaction():
        statement = "select pg_advisory_xact_lock(%s, hashtext(%s))"
        connection.execute(statement, (_LOCK_CLASS, f"{organisation} {sop_instance_uid}"))
        yield connection


def kept(connection: Connection, organisation: int, sop_instance_uid: str) -> NonPatientRow | None:
    """The instance of this organisation."""
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "o")
    statement = f"""
        select {_SELECTED} from non_patient_instance o
        where {mine} and o.sop_instance_uid = {params.add(sop_instance_uid)}"""
    row = connection.execute(statement, params.values).fetchone()
    return None if row is None else NonPatientRow(*row)


def is_kept(pool: Pool, row: NonPatientRow) -> bool:
    """Whether the index still says so."""
    with lent(pool) as connection:
        return kept(connection, row.organisation, row.sop_instance_uid) == row


def insert(connection: Connection, row: NonPatientRow) -> bool:
    """Make it visible; False where its organisation has one of this UID."""
    values = tuple(getattr(row, name) for name in _FIELDS)
    return connection.execute(_INSERT, values).fetchone() is not None


def delete(connection: Connection, organisation: int, sop_instance_uid: str) -> None:
    """Make it invisible for good."""
    params = Params()
    mine = within(Scope((organisation,), organisation), params, "o")
    statement = f"delete from non_patient_instance o where {mine} and o.sop_instance_uid = "
    connection.execute(statement + params.add(sop_instance_uid), params.values)


def found(pool: Pool, scope: Scope, classes: Collection[str], uids: Collection[str]) -> list[NonPatientRow]:
    """Those of these classes and UIDs that the scope sees."""
    params = Params()
    statement = f"""
        select {_SELECTED} from non_patient_instance o where {visible_non_patient(scope, params)}
        and o.sop_class_uid = any({params.add(list(classes))}) and o.sop_instance_uid = any({params.add(list(uids))})
        order by o.received_at, o.pk"""
    return retried(
        pool, lambda connection: [NonPatientRow(*row) for row in connection.execute(statement, params.values)], scope
    )


def search(
    pool: Pool, classes: Collection[str], conditions: Conditions, page: Page, scope: Scope
) -> Generator[Attributes, None, None]:
    """Attributes of those that match, in the order they came; close the generator."""
    params = Params()
    conditions_found, residual = where_of(conditions.tests, params)
    where = " and ".join([visible_non_patient(scope, params), *conditions_found])
    text = f"""
        select o.attributes from non_patient_instance o
        where {where} and o.sop_class_uid = any({params.add(list(classes))})
        order by o.received_at, o.pk{page_of(page, params, residual)}"""
    statement = Statement(
        text, params.values, residual, lambda row: orjson.loads(row[0]), lambda row: [row[0][1:-1]]
    )
    return streamed(pool, statement, page, scope)


def every(pool: Pool) -> Iterator[NonPatientRow]:
    """All of them, in the order of their keys, for upkeep."""
    with lent(pool) as connection, connection.transaction():
        with connection.cursor(name="pacsd_non_patient") as cursor:
            cursor.execute(f"select {_SELECTED} from non_patient_instance o order by o.key")
            for row in cursor:
                yield NonPatientRow(*row)
