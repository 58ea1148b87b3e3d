"""A database that is used again is as a copy would be, or is not used again."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.conftest import Postgres
from tests.reused import Reused

ROW = "insert into organisation (code, name, assigning_authority) values ('east', 'East', 'EAST') returning pk"
RESOURCE = """insert into fhir_resource (pk, organisation, version, updated, deleted, method, type, id, owner, body)
    values (1, {0}, 1, now(), false, 'PUT', 'Patient', 'p', '', '')"""


@pytest.fixture
def apart(postgres: Postgres, migrated_template: str) -> Iterator[Reused]:
    made = Reused(postgres, migrated_template)
    yield made
    made.close()


def run(dsn: str, *statements: str) -> list[object]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return [connection.execute(one).fetchall() if "returning" in one or one.startswith("select")
                else connection.execute(one).statusmessage for one in statements]  # type: ignore[call-overload]


def test_rows_are_gone_and_numbers_begin_again(apart: Reused) -> None:
    keys = []
    for _ in range(2):
        with apart.lent() as dsn:
            (key,), *_ = run(dsn, ROW)  # type: ignore[misc]
            keys.append((dsn, key))
            run(dsn, RESOURCE.format(key[0]), "insert into caught_up (reached) values (now())")
    assert keys[0] == keys[1]            # the same database, and the same key in it
    with apart.lent() as dsn:
        assert run(dsn, "select count(*) from fhir_resource", "select count(*) from caught_up") == [[(0,)], [(0,)]]


@pytest.mark.parametrize("statement", [
    "create table more (a integer)", "alter table fhir_token add column more integer", "drop index fhir_date_newest",
    "create function more() returns integer language sql return 1", "delete from fhir_search_secret",
    "revoke select on fhir_token from pacsd_app", "alter table fhir_token enable row level security",
])  # fmt: skip
def test_what_is_more_than_rows_is_not_used_again(apart: Reused, statement: str) -> None:
    with apart.lent() as first:
        run(first, statement)
    with apart.lent() as second:
        assert second != first


def test_a_session_that_is_left_open_keeps_the_database_to_itself(
    apart: Reused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.reused._TRIES", 2)
    with apart.lent() as first:
        left = psycopg.connect(first)
    with apart.lent() as second:
        assert second != first
    with pytest.raises(psycopg.OperationalError):
        left.execute("select 1")
    left.close()


def test_a_server_that_ended_all_sessions_is_no_failure(apart: Reused) -> None:
    end: Callable[[str], object] = lambda dsn: run(dsn, """select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()""")  # noqa: E731
    with apart.lent() as first:
        end(first)
    with apart.lent() as second:
        assert second != first and run(second, "select 1") == [[(1,)]]
