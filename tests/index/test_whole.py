"""Statements whose answer is waited for in one call of libpq."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import psycopg
import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.index import whole as module
from pacsd.index.connect import Pool, lent, pool, retried
from pacsd.index.whole import whole

VALUES = {"n": 7, "t": "a%(n)sb", "l": [1, 2], "at": datetime(2026, 1, 2, tzinfo=UTC)}
TEXT = """select %(n)s + %(n)s, %(t)s::text || '%%', %(n)s = any(%(l)s), %(at)s, null::text, '\\xff00'::bytea
    from generate_series(1, %(n)s)"""


@pytest.fixture
def one(database: str) -> Iterator[Pool]:
    with closing(pool(database, max_size=1, statement_timeout_s=5.0)) as made:
        yield made


@pytest.mark.parametrize("planned_once", [False, True])
def test_rows_are_what_the_driver_reads(one: Pool, planned_once: bool) -> None:
    with lent(one) as connection:
        expected = connection.execute(TEXT, VALUES, binary=True).fetchall()
        for _ in range(3):
            assert whole(connection, TEXT, VALUES, planned_once=planned_once) == expected


def test_a_statement_is_prepared_once_and_again_when_its_name_was_let_go_of(one: Pool) -> None:
    with lent(one) as connection:
        for _ in range(3):
            assert whole(connection, "select %(n)s + 1", {"n": 1}, planned_once=True) == [(2,)]
        assert connection.execute("select count(*) from pg_prepared_statements").fetchone() == (1,)
        connection.execute("deallocate all")
        assert whole(connection, "select %(n)s + 1", {"n": 1}, planned_once=True) == [(2,)]


def test_a_statement_whose_columns_changed_is_prepared_anew(one: Pool) -> None:
    with lent(one) as connection:
        connection.execute("create temporary table changing (n integer)")
        connection.execute("insert into changing values (1)")
        assert whole(connection, "select * from changing", {}, planned_once=True) == [(1,)]
        connection.execute("alter table changing alter n type text")
        for _ in range(2):
            assert whole(connection, "select * from changing", {}, planned_once=True) == [("1",)]
        assert connection.execute("select count(*) from pg_prepared_statements").fetchone() == (1,)


def test_a_connection_keeps_the_statements_that_were_asked_last(one: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_PREPARED", 3)
    with lent(one) as connection:
        for number in (1, 2, 3, 1, 4, 5):
            assert whole(connection, f"select {number}", {}, planned_once=True) == [(number,)]
        kept = connection.execute("select statement from pg_prepared_statements order by 1").fetchall()
    assert kept == [("select 1",), ("select 4",), ("select 5",)]


def test_within_a_transaction_it_is_the_driver_that_runs_it(one: Pool) -> None:
    with lent(one) as connection:
        assert whole(connection, "select %(n)s", {"n": 1}, planned_once=True) == [(1,)]
        connection.execute("deallocate all")
        with connection.transaction():
            assert whole(connection, "select %(n)s", {"n": 1}, planned_once=True) == [(1,)]
            assert whole(connection, "select 2", {}) == [(2,)]


def test_what_postgresql_refuses_is_raised_and_costs_no_connection(one: Pool) -> None:
    with lent(one) as connection:
        for planned_once in (False, True):
            with pytest.raises(psycopg.errors.DivisionByZero):
                whole(connection, "select 1 / %(n)s", {"n": 0}, planned_once=planned_once)
            with pytest.raises(psycopg.errors.UndefinedTable):
                whole(connection, "select * from nothing", {}, planned_once=planned_once)
        assert whole(connection, "select 1", {}) == [(1,)]


def test_a_statement_takes_no_longer_than_the_pool_allows(database: str) -> None:
    with closing(pool(database, max_size=1, statement_timeout_s=0.2)) as made:
        with pytest.raises(PacsdError) as caught:
            retried(made, lambda connection: whole(connection, "select pg_sleep(20)", {}))
        assert caught.value.fault is Fault.UNAVAILABLE and "too long" in caught.value.message


@pytest.mark.parametrize("planned_once", [False, True])
def test_a_lost_connection_is_told_as_such_and_another_one_answers(database: str, planned_once: bool) -> None:
    asked: list[int] = []

    def after_the_end(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[int]]:
        asked.append(connection.info.backend_pid)
        if len(asked) == 1:
            with psycopg.connect(database, autocommit=True) as other:
                other.execute("select pg_terminate_backend(%s, 5000)", (asked[0],))
        return whole(connection, "select %(n)s", {"n": 1}, planned_once=planned_once)

    with closing(pool(database, max_size=2)) as made:
        assert retried(made, after_the_end) == [(1,)]
    assert len(asked) == 2 and asked[0] != asked[1]
