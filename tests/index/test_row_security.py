"""The second belt: a connection that reads for somebody is given nothing else, whatever its statement forgot."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from pacsd.access.scope import Names, Opened, Scope
from pacsd.faults import PacsdError
from pacsd.index.connect import Pool, PooledConnection, lent, pool
from pacsd.index.ingest import Ingest
from pacsd.index.migrations.versions.v0026_row_security import GUESTS
from pacsd.index.query import Query, search
from tests.index.arrivals import arrival
from tests.index.conftest import A, B, C

OWNERS = (1, 2, 3)
_MORE = """
insert into non_patient_instance (organisation, received_at, length_bytes, dataset_offset_bytes, digest,
    sop_instance_uid, sop_class_uid, transfer_syntax_uid, key, attributes)
select o, now(), 1, 1, '', '1.2.' || o, '1.2', '1.2', 'key ' || o, '{}' from unnest(array[1, 2, 3]) o;
insert into fhir_resource select o, o, 1, now(), false, 'PUT', 'Patient', 'p' || o, '', ''
    from unnest(array[1, 2, 3]) o;
insert into fhir_version select o, 1, o, now(), false, 'PUT', 'Patient', 'p' || o, '', ''
    from unnest(array[1, 2, 3]) o;
"""


@pytest.fixture
def filled(index: Pool, ingest: Ingest) -> Iterator[Pool]:
    """Each of three organisations has a row of everything; one connection serves all who ask."""
    for owner, authority in zip(OWNERS, "AAC", strict=True):
        ingest.store(arrival(f"1.2.3.{owner}", study=f"1.2.{owner}", organisation=owner, authority=authority))
    with lent(index) as connection:
        connection.execute(_MORE)
    made = pool(index.conninfo, min_size=1, max_size=1)
    yield made
    made.close()


def seen(connections: Pool, scope: Scope | None, table: str) -> list[int]:
    """Whose rows a statement without any predicate is given."""
    with lent(connections, scope) as connection:
        return [row[0] for row in connection.execute(f"select organisation from {table} order by 1")]


def keys(connections: Pool, column: str) -> dict[int, int]:
    """Of the studies, by organisation."""
    with lent(connections) as connection:
        return dict(connection.execute(f"select organisation, {column} from study").fetchall())


@pytest.mark.parametrize("table", GUESTS)
def test_a_statement_without_the_predicate_is_given_no_foreign_row(filled: Pool, table: str) -> None:
    assert seen(filled, None, table) == [1, 2, 3]
    for scope, expected in ((A, [1]), (B, [2]), (Scope((1, 3), 1), [1, 3]), (Scope((), 1), []), (C, [3])):
        assert seen(filled, scope, table) == expected
    assert seen(filled, None, table) == [1, 2, 3], "the server's own work is as free as before"


@pytest.mark.parametrize("table", ["study", "series", "instance"])
def test_who_was_opened_something_is_given_that_and_no_more(filled: Pool, table: str) -> None:
    studies, patients = keys(filled, "pk"), keys(filled, "patient")
    for opened, expected in (
        (Opened(studies=(studies[2],)), [1, 2]), (Opened(patients=((3, (patients[3],)),)), [1, 3]),
        (Opened(patients=((2, (patients[3],)),)), [1]), (Opened(studies=(studies[2],), denied_studies=(1,)), [1, 2]),
        (Opened(denied_studies=(studies[2],)), [1]), (Opened(released_only=True), [1]),
    ):  # fmt: skip
        assert seen(filled, Scope((1,), 1, opened=opened), table) == expected
    assert seen(filled, Scope((), 1, opened=Opened(studies=(studies[3],))), table) == [3]
    assert seen(filled, A, table) == [1], "what was opened to the one before is not open to the next"


@pytest.mark.parametrize("table", ["fhir_resource", "fhir_version"])
def test_of_resources_a_guest_is_given_those_of_who_opened_something(filled: Pool, table: str) -> None:
    opened = Opened(patients=((3, (7,)),), names=Names(patients=((3, "C", "000123"),)))
    assert seen(filled, Scope((1,), 1, opened=opened), table) == [1, 3]
    assert seen(filled, Scope((), 1, opened=Opened(studies=(7,), names=Names(studies=((2, "1.2"),)))), table) == [2]


def test_who_declares_nothing_is_given_nothing(filled: Pool) -> None:
    with lent(filled) as connection, connection.transaction():
        for role in ("pacsd_reader", "pacsd_region", "pacsd_guest"):
            connection.execute(f"set local role {role}")
            for table in GUESTS:
                assert connection.execute(f"select count(*) from {table}").fetchone() == (0,)


@pytest.mark.parametrize("scope", [A, Scope((1,), 1, opened=Opened(studies=(7,)))], ids=("reader", "guest"))
@pytest.mark.parametrize("statement", [
    "delete from study", "update series set instances = 0", "insert into replaced values (1, '1.2')",
    "select * from oauth_user", "select * from access_grant", "select * from audit_event",
])  # fmt: skip
def test_who_reads_for_somebody_neither_writes_nor_reads_what_is_not_for_readers(
    filled: Pool, scope: Scope, statement: str
) -> None:
    with pytest.raises(PacsdError) as refused, lent(filled, scope) as connection:
        connection.execute(statement)
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)
    assert seen(filled, None, "study") == [1, 2, 3]


def test_a_declaration_that_failed_is_made_again(filled: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(filled, A, "study") == [1]
    wrong = b"select set_config('role', $1, false), 1 / ($2::integer - $2::integer), $3, $4, $5, $6, $7"
    monkeypatch.setattr("pacsd.index.connect.DECLARE", wrong)
    with pytest.raises(PacsdError):
        seen(filled, None, "study")
    monkeypatch.undo()
    assert seen(filled, A, "study") == [1] and seen(filled, None, "study") == [1, 2, 3]


def test_the_next_request_of_the_same_reader_declares_nothing(filled: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    run = PooledConnection._run
    said: list[Any] = []
    monkeypatch.setattr("pacsd.index.connect.PooledConnection._run", lambda self, statement, values:
                        (said.append(values), run(self, statement, values))[1])  # fmt: skip
    for scope in (A, A, Scope((1,), 1)):
        assert [match.study_instance_uid for match in search(filled, Query("study", limit=9), scope)] == ["1.2.1"]
    assert [one.role for one in said] == ["pacsd_reader"]


def test_every_table_with_a_policy_has_one_for_each_role(filled: Pool) -> None:
    with lent(filled) as connection:
        found = connection.execute("""select c.relname, array_agg(r.rolname order by r.rolname) from pg_policy p
            join pg_class c on c.oid = p.polrelid and c.relrowsecurity join pg_roles r on r.oid = any(p.polroles)
            group by 1""").fetchall()
        roles = connection.execute("""select count(*) from pg_roles where not (rolbypassrls or rolsuper or rolinherit
            or rolcanlogin) and rolname in ('pacsd_app', 'pacsd_guest', 'pacsd_reader', 'pacsd_region')""").fetchone()
    assert dict(found) == {key: ["pacsd_app", "pacsd_guest", "pacsd_reader", "pacsd_region"] for key in GUESTS}
    assert roles == (4,)
