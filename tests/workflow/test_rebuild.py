"""An empty index filled from the records alone says what the former one said."""

from pathlib import Path

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.index import workitems
from pacsd.index.connect import pool
from pacsd.index.workitems import delete_finished
from pacsd.workflow.records import PREFIX
from pacsd.workflow.reports import FILTERED_GLOBAL, GLOBAL
from pacsd.workflow.search import WorklistQuery
from pacsd.workflow.states import State
from tests.conftest import Postgres
from tests.workflow.conftest import Office
from tests.workflow.steps import attribute, first, performed, progress, step
from tests.workflow.test_workitems import LOCK, claim, made, refused

WORKITEMS = """select sop_instance_uid, organisation, state, transaction_uid, revision, created_at, changed_at,
    finished_at, attributes, record from workitem order by 1, 2"""
SUBSCRIPTIONS = """select s.ae_title, w.sop_instance_uid, x.deletion_lock, x.by_worklist from subscription x
    join subscriber s on s.pk = x.subscriber join workitem w on w.pk = x.workitem order by 1, 2"""
SUBSCRIBERS = "select ae_title, organisation, worklist, worklist_lock, filter, reads, record from subscriber order by 1"


def test_rebuild_brings_back_claims_and_subscriptions(office, postgres: Postgres, migrated_template, tmp_path: Path):
    waiting, begun, ended, other = (made(office) for _ in range(4))
    office.workitems.create(office.reader, waiting, step())
    for one in (begun, ended):
        claim(office, one)
        office.workitems.update(office.peer, one, progress(10), transaction_uid=LOCK)
    office.workitems.update(office.peer, ended, performed(), transaction_uid=LOCK)
    office.workitems.change_state(office.peer, ended, State.COMPLETED, transaction_uid=LOCK)
    office.subscriptions.subscribe(office.peer, "ONE", begun, lock=True)
    office.subscriptions.subscribe(office.peer, "NONE", other, lock=True)
    office.subscriptions.unsubscribe(office.peer, "NONE", other)
    office.subscriptions.subscribe_worklist(office.reader, "ALL", GLOBAL, lock=False)
    office.subscriptions.subscribe_worklist(office.peer, "SOME", FILTERED_GLOBAL, lock=True,
                                            keys={"00741000": "COMPLETED"})  # fmt: skip
    office.subscriptions.subscribe_worklist(office.peer, "PAST", GLOBAL, lock=False)
    office.subscriptions.suspend(office.peer, "PAST", GLOBAL)
    office.workitems.request_cancel(office.peer, other, {})
    said = [office.rows(statement) for statement in (WORKITEMS, SUBSCRIPTIONS, SUBSCRIBERS)]
    name, dsn = postgres.create(template=migrated_template)
    with pool(dsn, max_size=4) as empty:
        again = Office(empty, tmp_path)
        assert again.workflow.rebuild.run() == 5
        assert [again.rows(statement) for statement in (WORKITEMS, SUBSCRIPTIONS, SUBSCRIBERS)] == said
        with pytest.raises(PacsdError):
            claim(again, begun, "9.9")
        again.workitems.change_state(again.peer, begun, State.CANCELED, transaction_uid=LOCK)
        assert first(again.workitems.retrieve(again.peer.scope, begun), "00741000") == "CANCELED"
    postgres.drop(name)


def test_rebuild_keeps_the_order_of_creation(office, postgres: Postgres, migrated_template, tmp_path: Path):
    uids = [f"1.2.{number}" for number in (5, 3, 9, 1, 7)]
    for one in uids:
        office.workitems.create(office.peer, one, step())
    name, dsn = postgres.create(template=migrated_template)
    with pool(dsn, max_size=4) as empty:
        again = Office(empty, tmp_path)
        again.workflow.rebuild.run()
        search = again.workflow.search
        found = [first(one, "00080018") for one in search(search.compile(WorklistQuery()), again.peer.scope)]
    postgres.drop(name)
    assert found == uids


def test_what_is_said_after_a_rebuild_counts_in_the_next(office, postgres: Postgres, migrated_template, tmp_path: Path):
    one, other = made(office), made(office)
    for uid in (one, other, one):
        office.subscriptions.subscribe(office.peer, "AE", uid, lock=True)
    said = office.rows("select revision, record from subscriber")
    first_name, first_dsn = postgres.create(template=migrated_template)
    second_name, second_dsn = postgres.create(template=migrated_template)
    with pool(first_dsn, max_size=4) as empty:
        again = Office(empty, tmp_path)
        again.workflow.rebuild.run()
        assert again.rows("select revision, record from subscriber") == said
        again.subscriptions.unsubscribe(again.peer, "AE", one)
        now = [again.rows(statement) for statement in (SUBSCRIPTIONS, SUBSCRIBERS)]
    with pool(second_dsn, max_size=4) as empty:
        later = Office(empty, tmp_path)
        later.workflow.rebuild.run()
        assert [later.rows(statement) for statement in (SUBSCRIPTIONS, SUBSCRIBERS)] == now
    for name in (first_name, second_name):
        postgres.drop(name)


def test_what_got_a_deletion_lock_in_the_last_moment_is_not_deleted(office, monkeypatch):
    """The look at what lapsed saw no lock yet; it was granted before the row was locked for deletion."""
    held, lapsed = made(office), made(office)
    for one in (held, lapsed):
        office.workitems.request_cancel(office.peer, one, {})
    office.subscriptions.subscribe(office.peer, "AE", held, lock=True)
    blind = workitems._LAPSED.replace(f"and not {workitems._HELD}", "")
    assert blind != workitems._LAPSED
    monkeypatch.setattr(workitems, "_LAPSED", blind)
    assert delete_finished(office.index, keep_s=0, grace_s=0) == 1
    assert office.rows("select sop_instance_uid from workitem") == [(held,)]
    assert office.rows("select sop_instance_uid from workitem_gone") == [(lapsed,)]


def collected(office: Office) -> None:
    due = [row[0] for row in office.rows("delete from garbage where delete_after <= now() returning key")]
    office.blobs.delete(due)


def test_one_record_is_kept_of_each(office):
    one = made(office)
    claim(office, one)
    office.workitems.update(office.peer, one, progress(10), transaction_uid=LOCK)
    office.subscriptions.subscribe(office.peer, "ONE", one, lock=False)
    office.subscriptions.subscribe(office.peer, "ONE", one, lock=True)
    collected(office)
    keys = [info.key for info in office.blobs.list(PREFIX)]
    assert sorted(keys) == sorted(
        row[0] for row in office.rows("select record from workitem union all select record from subscriber")
    )


def test_deletion_takes_the_record_too(office):
    one = made(office)
    office.workitems.request_cancel(office.peer, one, {})
    assert delete_finished(office.index, keep_s=0, grace_s=0) == 1
    collected(office)
    assert list(office.blobs.list(PREFIX)) == []


def test_a_record_that_never_took_effect_is_swept_up(office, monkeypatch):
    one = made(office)
    put = office.blobs.put

    def dies(key: str, data: bytes) -> None:
        put(key, data)
        raise PacsdError(Fault.UNAVAILABLE, "the process ends here")

    monkeypatch.setattr(office.blobs, "put", dies)
    with pytest.raises(PacsdError):
        claim(office, one)
    monkeypatch.undo()
    assert len(list(office.blobs.list(PREFIX))) == 2
    monkeypatch.setattr("pacsd.workflow.services._YOUNG_S", -1.0)
    office.open()
    sweep = next(run for name, _, run in office.workflow.chores if name.startswith("sweep"))
    assert sweep() is False
    collected(office)
    assert [info.key for info in office.blobs.list(PREFIX)] == [office.rows("select record from workitem")[0][0]]


def test_a_record_that_cannot_be_read_stops_the_rebuild(office):
    made(office)
    office.blobs.put(f"{PREFIX}2026/01/01/01ARZ3NDEKTSV4RRFFQ69G5FAV.json", b"{")
    with pytest.raises(PacsdError) as error:
        office.workflow.rebuild.run()
    assert error.value.fault is Fault.UNAVAILABLE
    assert refused(lambda: office.workitems.create(office.peer, "1.2", step(t00741000=attribute("CS", "COMPLETED"))))


def test_check_tells_records_that_are_missing_or_say_something_else(office):
    fine, lost, other = (made(office) for _ in range(3))
    office.subscriptions.subscribe(office.peer, "ONE", fine, lock=True)
    assert list(office.workflow.check.run()) == []
    keys = dict(office.rows("select sop_instance_uid, record from workitem"))
    office.blobs.delete([keys[lost]])
    office.rows("update workitem set record = 'worklist/none.json' where sop_instance_uid = %s returning 1", lost)
    office.rows("update workitem set revision = 7 where sop_instance_uid = %s returning 1", other)
    assert dict(office.workflow.check.run()) == {
        "worklist/none.json": "missing",
        keys[other]: f"corrupt: it is revision 1 of {other}, not 7",
    }
