"""The second belt: a connection that reads for somebody is given nothing else, whatever its statement forgot."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest

from pacsd.access.scope import Names, Opened, Scope
from pacsd.faults import PacsdError
from pacsd.index import (
    identity_search,
    identity_steps,
    orders,
    performed_steps,
    reports,
    scheduled_steps,
    subscribers,
    workitems,
)
from pacsd.index.connect import Pool, PooledConnection, lent, pool
from pacsd.index.identity_search import Demographics
from pacsd.index.ingest import Ingest
from pacsd.index.matching import Criterion, Options, compile_criteria
from pacsd.index.migrations.versions.v0026_row_security import GUESTS
from pacsd.index.migrations.versions.v0028_row_security_of_work import BELOW, TABLES
from pacsd.index.query import Query, search
from pacsd.workflow.modality_worklist import ModalityWorklist, StepQuery
from pacsd.workflow.search import MODEL
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
insert into patient (pk, assigning_authority, patient_id) overriding system value
    select 1000 * o + n, 'R', n || ' of ' || o from unnest(array[1, 2, 3]) o, unnest(array[1, 2, 3]) n;
insert into patient_record (patient, organisation, assigning_authority, patient_id, name, name_alphabetic, id_card)
    select pk, pk / 1000, assigning_authority, patient_id, 'Doe', 'doe', '1' from patient where pk >= 1000;
insert into person_member select pk, pk % 1000 from patient where pk >= 1000;
insert into identity_pair select 1000 * o + 1, 1000 * o + 2, false, 1, '' from unnest(array[1, 2, 3]) o;
insert into identity_pair select 1001, 2001, false, 1, '';
insert into identity_decision select 1000 * o + 1, 1000 * o + 3, false, now() from unnest(array[1, 2, 3]) o;
insert into identity_decision select 1001, 2001, false, now();
insert into identity_step (organisation, at, step, assigning_authority, patient_id, other_authority, other_id, said_by)
    select o, now() + o * interval '1 s', 'merged', 'R', '1', 'R', '2', o::text from unnest(array[1, 2, 3]) o;
insert into requested_procedure (organisation, patient, stated_at, order_key, requested_procedure_id, placer_number,
    filler_number, accession_number, study_instance_uid, said_by, said)
    select o, 1000 * o + 1, now(), 'order', 'R1', '', '', '', '1.9', '', '' from unnest(array[1, 2, 3]) o;
insert into scheduled_step (procedure, patient, organisation, status_at, step_id, status, start_date, stations, places,
    attributes, original)
    select pk, patient, organisation, now(), 'S1', 'SCHEDULED', '2026-11-05', array['CT1'],
        array['CT1', 'CT1 20261105'], '"00400009":{"vr":"SH","Value":["' || organisation || '"]}', '{}'
    from requested_procedure;
insert into workitem (organisation, revision, created_at, changed_at, sop_instance_uid, state, record, station_names,
    accession_numbers, replaced, attributes)
    select o, 1, now(), now(), '1.2.7', 'SCHEDULED', o::text, array['CT1'], array['A1'], array['1.9'],
        '{"00741204":{"vr":"LO","Value":["' || o || '"]}}' from unnest(array[1, 2, 3]) o;
insert into workitem_gone (organisation, sop_instance_uid) select o, '1.2.8' from unnest(array[1, 2, 3]) o;
insert into subscriber (organisation, ae_title) select o, 'WATCHER' from unnest(array[1, 2, 3]) o;
insert into report (subscriber, organisation, body) select pk, organisation, organisation::text from subscriber;
insert into performed_step (organisation, revision, created_at, changed_at, sop_instance_uid, state, record,
    study_instance_uids, attributes)
    select o, 1, now(), now(), '1.2.9', 'COMPLETED', o::text, '{}', '{}' from unnest(array[1, 2, 3]) o;
insert into diagnostic_report (organisation, changed_at, names, studies, patient_ids, authorities)
    select organisation, now(), array['report'], array[study_instance_uid], array[patient_id],
        array[assigning_authority] from study;
insert into diagnostic_report_version (report, organisation, number, said_at, addendum, critical, uid, status, sender,
    content)
    select pk, organisation, 1, now(), false, false, pk::text, 'F', '', '{}' from diagnostic_report;
"""
EVERY = (*GUESTS, *TABLES)


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
        return [row[0] for row in connection.execute(f"select distinct organisation from {table} order by 1")]


def keys(connections: Pool, column: str) -> dict[int, int]:
    """Of the studies, by organisation."""
    with lent(connections) as connection:
        return dict(connection.execute(f"select organisation, {column} from study").fetchall())


@pytest.mark.parametrize("table", EVERY)
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
            for table in (*EVERY, *BELOW):
                assert connection.execute(f"select count(*) from {table}").fetchone() == (0,)


@pytest.mark.parametrize("scope", [A, Scope((1,), 1, opened=Opened(studies=(7,)))], ids=("reader", "guest"))
@pytest.mark.parametrize("statement", [
    "delete from study", "update series set instances = 0", "insert into replaced values (1, '1.2')",
    "update workitem set state = 'CANCELED'", "delete from report", "select pk from workitem for no key update",
    "select * from subscription", "select * from oauth_user", "select * from access_grant", "select * from audit_event",
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
    everybody = ["pacsd_app", "pacsd_guest", "pacsd_reader", "pacsd_region"]
    assert dict(found) == dict.fromkeys((*EVERY, *BELOW), everybody)
    assert roles == (4,)


def test_of_pairs_only_those_of_records_that_are_seen_are_given(filled: Pool) -> None:
    across = (1001, 2001)
    for scope, seen_by in ((A, (1,)), (C, (3,)), (Scope((1, 2), 1), (1, 2)), (Scope((), 1), ())):
        more = {across} if len(seen_by) == 2 else set()
        with lent(filled, scope) as connection:
            pairs = set(connection.execute("select one, other from identity_pair"))
            decided = set(connection.execute("select one, other from identity_decision"))
        assert pairs == {(1000 * owner + 1, 1000 * owner + 2) for owner in seen_by} | more
        assert decided == {(1000 * owner + 1, 1000 * owner + 3) for owner in seen_by} | more


_STATION, _DAY = Criterion("00400100.00400001", "CT1"), Criterion("00400100.00400002", "20261105")
_OF_WORKITEMS = (Criterion("00404025.00080100", "CT1"), Criterion("0040A370.00080050", "A1"),
                 Criterion("00741224.00081155", "1.9"))  # fmt: skip


def _owner(item: Mapping[str, Any], tag: str) -> int:
    return int(item[tag]["Value"][0])


def _worklist(connections: Pool, scope: Scope) -> list[int]:
    query = StepQuery((_STATION, _DAY))
    return [_owner(item, "00400009") for item in ModalityWorklist(connections)(query, scope)]


def _item(connections: Pool, scope: Scope) -> list[int]:
    named = {"order_key": "order", "requested_procedure_id": "R1", "step_id": "S1"}
    item = scheduled_steps.item(connections, scope, **named)
    return [] if item is None else [_owner(item, "00400009")]


def _workitems(connections: Pool, scope: Scope) -> list[int]:
    found = compile_criteria(_OF_WORKITEMS, Options(), MODEL)
    return [_owner(item, "00741204") for item in workitems.search(connections, found, StepQuery(), scope)]


def _waiting(connections: Pool, scope: Scope) -> list[int]:
    with lent(connections) as connection:
        subscribed = [row[0] for row in connection.execute("select pk from subscriber")]
    told = (subscribers.waiting(connections, scope, one, limit=9, size_bytes=99) for one in subscribed)
    return [int(body) for one in told if one is not None for _, body in one.reports]


def _persons(connections: Pool, scope: Scope) -> list[int]:
    found = identity_search.persons(connections, scope, (1001, 2001, 3001))
    return [one.organisation for those in found.values() for one in those]


def _reports(connections: Pool, scope: Scope) -> list[int]:
    return [row.organisation for uid in ("1.2.1", "1.2.2", "1.2.3")
            for row, _ in reports.of_study(connections, scope, uid)]  # fmt: skip


READERS: dict[str, Callable[[Pool, Scope], list[int]]] = {
    "worklist": _worklist, "worklist item": _item, "workitems": _workitems, "waiting reports": _waiting,
    "workitem": lambda one, scope: [item.organisation for item in workitems.load(one, scope, "1.2.7")[:1] if item],
    "performed step": lambda one, scope: [step.organisation for step in (performed_steps.load(one, scope, "1.2.9"),)
                                          if step],
    "card": lambda one, scope: [found.organisation for found in identity_search.by_card(one, scope, "id_card", "1")],
    "demographics": lambda one, scope: [found.organisation for found in identity_search.search(
        one, scope, Demographics(name="doe"), after=0, limit=99)],
    "persons": _persons,
    "pairs": lambda one, scope: [end.organisation for pair in identity_search.review(one, scope, limit=9)
                                 for end in (pair.one, pair.other)],
    "history": lambda one, scope: [int(step.said_by) for step in identity_steps.history(one, scope, ("R", "1"))],
    "reports": lambda one, scope: [row.organisation for row in reports.listed(one, scope, limit=9)],
    "reports of a study": _reports,
    "orders of a study": lambda one, scope: [found.organisation for found in orders.of_study(one, scope, "1.9")],
}  # fmt: skip


@pytest.mark.parametrize("forgot", [False, True], ids=("with", "without"))
@pytest.mark.parametrize("name", READERS)
def test_a_search_tells_its_own_organisations_rows_with_its_predicate_and_without(
    filled: Pool, monkeypatch: pytest.MonkeyPatch, name: str, forgot: bool
) -> None:
    modules = scheduled_steps, workitems, performed_steps, subscribers, identity_search, identity_steps, reports, orders
    for module in modules if forgot else ():
        for predicate in ("within", "visible", "visible_workitem", "visible_performed_step"):
            monkeypatch.setattr(module, predicate, lambda *_: "true", raising=False)
    for owner in OWNERS:
        assert set(READERS[name](filled, Scope((owner,), owner))) == {owner}
        assert READERS[name](filled, Scope((), owner)) == []


def test_functions_that_look_into_indexes_of_arrays_are_for_roles_of_ours_alone(filled: Pool) -> None:
    with lent(filled) as connection:
        found = connection.execute("""select p.proname, exists (select from aclexplode(p.proacl) a where a.grantee = 0)
            from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where n.nspname = 'public' and p.prosecdef and p.provolatile = 's' order by 1""").fetchall()
    assert found == [(one, False) for one in (
        "reports_naming", "scheduled_steps_at", "workitems_instead_of", "workitems_of_accessions",
        "workitems_of_stations")]  # fmt: skip
