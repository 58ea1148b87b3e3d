"""One migrated database for test after test: emptied between them, which takes a fiftieth of a copy.

It is given up, and another one is copied, where a test leaves more behind than rows: a session that may still write, a
changed schema, other rows where the migrations put some.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString, cast

import psycopg

if TYPE_CHECKING:
    from tests.conftest import Postgres

_TRIES = 200                             # of 5 ms: what was closed takes a moment to be gone
_OTHERS = """select count(*), pg_sleep(case when count(*) > 0 then 0.005 else 0 end) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"""
_TABLES = """select format('%I.%I', schemaname, tablename) from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') order by 1"""
_SCHEMA = """select
    (select (count(*), max(xmin::text::bigint))::text from pg_attribute where attrelid >= 16384 and attnum > 0),
    (select (count(*), max(xmin::text::bigint))::text from pg_constraint where oid >= 16384),
    (select (count(*), max(xmin::text::bigint))::text from pg_trigger where oid >= 16384),
    (select (count(*), max(xmin::text::bigint))::text from pg_proc where oid >= 16384),
    (select (count(*), max(xmin::text::bigint))::text from pg_policy),
    (select (count(*), max(xmin::text::bigint))::text from pg_db_role_setting),
    (select md5(string_agg(concat(oid, relname, relkind, relacl, reloptions, relrowsecurity), ',' order by oid))
        from pg_class where oid >= 16384 and relnamespace <> pg_my_temp_schema())"""
_SEQUENCES = """select setval(format('%I.%I', schemaname, sequencename), start_value, false)
    from pg_sequences where last_value is not null"""


@dataclass
class Reused:
    """Databases copied from `template`, one at a time."""

    postgres: Postgres
    template: str
    _spare: _Database | None = field(default=None)

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The DSN of a database that is as the template is, for one test."""
        one = self._spare or _Database(*self.postgres.create(template=self.template))
        self._spare = None
        try:
            yield one.dsn
        finally:
            if one.emptied():
                self._spare = one
            else:
                self.drop(one)

    def close(self) -> None:
        """Leave nothing."""
        if self._spare is not None:
            self.drop(self._spare)

    def drop(self, one: _Database) -> None:
        """Drop a database that is not to be used again."""
        one.close()
        self.postgres.drop(one.name)


class _Database:
    """A database as it was copied, and what that was like."""

    def __init__(self, name: str, dsn: str) -> None:
        self.name = name
        self.dsn = dsn
        self._connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=0)
        self._schema = self._one(_SCHEMA)
        self._tables = [str(row[0]) for row in self._connection.execute(_TABLES)]
        self._seeded = {table: self._rows(table) for table in self._filled()}

    def emptied(self) -> bool:
        """Make it as it was; False where that cannot be done by taking rows away."""
        try:
            if not self._alone() or self._one(_SCHEMA) != self._schema:
                return False
            self._empty()
            return all(self._rows(table) == rows for table, rows in self._seeded.items())
        except psycopg.Error:            # a test may have ended all sessions, or the server
            return False

    def close(self) -> None:
        self._connection.close()

    def _alone(self) -> bool:
        return any(self._one(_OTHERS)[0] == 0 for _ in range(_TRIES))

    def _empty(self) -> None:
        with self._connection.transaction():
            self._execute("set local session_replication_role = replica")    # rows refer to one another
            for table in self._filled():
                if table not in self._seeded:
                    self._execute(f"delete from {table}")
            self._execute(_SEQUENCES)

    def _filled(self) -> list[str]:
        known = ", ".join(f"('{table}', exists(select from {table}))" for table in self._tables)
        return [str(row[0]) for row in self._execute(f"select t from (values {known}) x (t, filled) where filled")]

    def _rows(self, table: str) -> list[Any]:
        return self._execute(f"select * from {table} order by 1").fetchall()

    def _one(self, statement: str) -> Any:
        return self._execute(statement).fetchone()

    def _execute(self, statement: str) -> psycopg.Cursor[Any]:
        return self._connection.execute(cast(LiteralString, statement))
