"""Workitems on real PostgreSQL: the lock, races, organisations, and what is on record."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import orjson
import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.index.workitems import delete_finished
from pacsd.workflow.refusals import Reason, Refusal, Reservation
from pacsd.workflow.states import State
from tests.workflow.conftest import Office
from tests.workflow.steps import attribute, code, first, performed, progress, step

LOCK = "1.2.3.4"


def uid() -> str:
    return f"2.25.{uuid4().int}"


def made(office: Office, **changes) -> str:
    one = uid()
    office.workitems.create(office.peer, one, step(**changes))
    return one


def claim(office: Office, one: str, lock: str = LOCK) -> None:
    office.workitems.change_state(office.peer, one, State.IN_PROGRESS, transaction_uid=lock)


def refused(call) -> Reason:
    with pytest.raises(Refusal) as refusal:
        call()
    return refusal.value.reason


def topics(office: Office, one: str) -> list[object]:
    return [row[0] for row in office.rows("select topic from event where subject = %s order by pk", one)]


def test_from_scheduled_to_completed(office):
    one = made(office)
    claim(office, one)
    office.workitems.update(office.peer, one, progress(50), transaction_uid=LOCK)
    end = {"state": State.COMPLETED, "transaction_uid": LOCK}
    assert refused(lambda: office.workitems.change_state(office.peer, one, **end)) is Reason.FINAL_STATE_NOT_MET
    office.workitems.update(office.peer, one, performed(), transaction_uid=LOCK)
    assert office.workitems.change_state(office.peer, one, **end) is None
    assert office.workitems.change_state(office.peer, one, **end) is Reservation.ALREADY_COMPLETED
    kept = office.workitems.retrieve(office.peer.scope, one)
    assert first(kept, "00741000") == "COMPLETED" and first(kept, "00080016") == "1.2.840.10008.5.1.4.34.6.1"
    assert topics(office, one) == ["workitem.scheduled", "workitem.in_progress", "workitem.completed"]


def test_the_lock_is_never_given_out(office):
    one = made(office)
    claim(office, one)
    office.workitems.update(office.peer, one, {"00081195": attribute("UI", LOCK), **progress(1)}, transaction_uid=LOCK)
    assert LOCK not in orjson.dumps(office.workitems.retrieve(office.peer.scope, one)).decode()


def test_a_wrong_transaction_uid_changes_nothing(office):
    one = made(office)
    claim(office, one)
    before = office.rows("select revision, attributes, transaction_uid from workitem")
    for given, reason in (("9.9", Reason.TRANSACTION_UID_INCORRECT), (None, Reason.TRANSACTION_UID_MISSING)):
        for call in (
            lambda given=given: office.workitems.update(office.peer, one, progress(1), transaction_uid=given),
            lambda given=given: office.workitems.change_state(office.peer, one, State.CANCELED, transaction_uid=given),
        ):
            assert refused(call) is reason
    assert office.rows("select revision, attributes, transaction_uid from workitem") == before


def test_a_uid_is_taken_once(office):
    one = made(office)
    assert refused(lambda: office.workitems.create(office.peer, one, step())) is Reason.DUPLICATE
    office.workitems.create(office.reader, one, step(t00741204=attribute("LO", "of the group")))
    assert first(office.workitems.retrieve(office.peer.scope, one), "00741204") == "Lung nodule CAD"
    assert first(office.workitems.retrieve(office.reader.scope, one), "00741204") == "of the group"


def test_a_performer_cancels_without_saying_why(office):
    one = made(office)
    claim(office, one)
    office.workitems.change_state(office.peer, one, State.CANCELED, transaction_uid=LOCK)
    said = first(office.workitems.retrieve(office.peer.scope, one), "00741002")
    assert said["00404052"]["Value"] and first(said["0074100E"]["Value"][0], "00080100") == "110513"


def test_what_nobody_began_is_canceled_on_request(office):
    one = made(office)
    details = {"00741238": attribute("LT", "not needed"), "0074100E": attribute("SQ", code("110514", "DCM")),
               "0074100A": attribute("UR", "tel:1"), "0074100C": attribute("LO", "Ward")}  # fmt: skip
    assert office.workitems.request_cancel(office.peer, one, details) is None
    kept = office.workitems.retrieve(office.peer.scope, one)
    said = first(kept, "00741002")
    assert first(kept, "00741000") == "CANCELED" and first(said, "00741238") == "not needed"
    assert first(said["0074100E"]["Value"][0], "00080100") == "110514"
    assert said["00741008"]["Value"] == [{"0074100A": details["0074100A"], "0074100C": details["0074100C"]}]
    assert office.workitems.request_cancel(office.peer, one, {}) is Reservation.ALREADY_CANCELED


def test_a_request_to_cancel_what_is_in_progress_needs_somebody_to_tell(office):
    one = made(office)
    claim(office, one)
    assert refused(lambda: office.workitems.request_cancel(office.peer, one, {})) is Reason.PERFORMER_UNREACHABLE
    office.subscriptions.subscribe(office.peer, "WATCH", one, lock=False)
    office.heard("WATCH")
    assert office.workitems.request_cancel(office.named("RIS"), one, {"00741238": attribute("LT", "please")}) is None
    [report] = map(orjson.loads, office.heard("WATCH"))
    assert first(report, "00001002") == 2 and first(report, "00741236") == "RIS"
    assert first(report, "00741238") == "please"
    assert first(office.workitems.retrieve(office.peer.scope, one), "00741000") == "IN PROGRESS"


def test_a_reader_may_look_and_not_touch(office):
    one = made(office)
    assert office.workitems.retrieve(office.reader.scope, one)
    call = {"state": State.IN_PROGRESS, "transaction_uid": LOCK}
    assert refused(lambda: office.workitems.change_state(office.reader, one, **call)) is Reason.OF_ANOTHER_ORGANISATION
    hidden = uid()
    office.workitems.create(office.reader, hidden, step())
    assert refused(lambda: office.workitems.retrieve(office.peer.scope, hidden)) is Reason.UNKNOWN
    assert refused(lambda: office.workitems.change_state(office.peer, hidden, **call)) is Reason.UNKNOWN


def test_fifty_workers_claim_five_hundred_items_each_once(office):
    items = [made(office) for _ in range(500)]
    won: Counter[str] = Counter()
    lost: Counter[Reason] = Counter()
    start = threading.Barrier(50)

    def work(number: int) -> None:
        start.wait(30)
        for one in (items + items)[number * 10 :][:200]:         # twenty are after each item
            try:
                claim(office, one, f"1.2.{number + 1}.{one[5:20]}")
                won[one] += 1
            except Refusal as refusal:
                lost[refusal.reason] += 1

    with ThreadPoolExecutor(50) as workers:
        list(workers.map(work, range(50)))
    assert len(won) == 500 and set(won.values()) == {1}
    assert lost == {Reason.TRANSACTION_UID_INCORRECT: 19 * 500}
    states = office.rows("select state, count(*), count(distinct transaction_uid) from workitem group by 1")
    assert states == [("IN PROGRESS", 500, 500)]
    assert office.rows("select count(*) from event where topic = 'workitem.in_progress'") == [(500,)]


def test_an_update_and_an_end_at_the_same_moment_do_not_mix(office):
    for _ in range(20):
        one = made(office)
        claim(office, one)
        office.workitems.update(office.peer, one, performed(), transaction_uid=LOCK)
        outcomes: list[object] = []
        start = threading.Barrier(2)

        def update(one=one, start=start, outcomes=outcomes) -> None:
            start.wait(10)
            try:
                office.workitems.update(office.peer, one, progress(99), transaction_uid=LOCK)
                outcomes.append("updated")
            except Refusal as refusal:
                outcomes.append(refusal.reason)

        def end(one=one, start=start) -> None:
            start.wait(10)
            office.workitems.change_state(office.peer, one, State.COMPLETED, transaction_uid=LOCK)

        threads = [threading.Thread(target=target) for target in (update, end)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        kept = office.workitems.retrieve(office.peer.scope, one)
        assert first(kept, "00741000") == "COMPLETED"
        said = (first(kept, "00741002") or {}).get("00741004")
        assert (outcomes, bool(said)) in ((["updated"], True), ([Reason.NO_LONGER_UPDATABLE], False))


def test_what_was_finished_long_ago_is_deleted_unless_somebody_holds_it(office):
    free, held, young = made(office), made(office), made(office)
    office.subscriptions.subscribe(office.peer, "KEEP", held, lock=True)
    office.subscriptions.subscribe(office.peer, "LOOK", free, lock=False)
    for one in (free, held):
        office.workitems.request_cancel(office.peer, one, {})
    assert delete_finished(office.index, keep_s=3600, grace_s=0) == 0
    assert delete_finished(office.index, keep_s=0, grace_s=0) == 1
    assert refused(lambda: office.workitems.retrieve(office.peer.scope, free)) is Reason.GONE
    assert refused(lambda: office.workitems.retrieve(office.peer.scope, uid())) is Reason.UNKNOWN
    assert office.workitems.retrieve(office.peer.scope, held) and office.workitems.retrieve(office.peer.scope, young)
    office.subscriptions.unsubscribe(office.peer, "KEEP", held)
    assert delete_finished(office.index, keep_s=0, grace_s=0) == 1
    office.workitems.create(office.peer, free, step())
    assert office.workitems.retrieve(office.peer.scope, free)


def test_nothing_is_changed_when_its_record_cannot_be_kept(office, monkeypatch):
    one = made(office)
    before = office.rows("select * from workitem")

    def full(key: str, data: bytes) -> None:
        raise PacsdError(Fault.FULL, "no room left")

    monkeypatch.setattr(office.blobs, "put", full)
    with pytest.raises(PacsdError) as error:
        claim(office, one)
    assert error.value.fault is Fault.FULL
    assert office.rows("select * from workitem") == before
    assert topics(office, one) == ["workitem.scheduled"]


def test_an_update_that_empties_the_worklist_label_is_told_of_its_modification(office):
    one = made(office)
    reservation = office.workitems.update(office.peer, one, {"00741202": attribute("LO")}, transaction_uid=None)
    assert reservation is Reservation.UPDATED_WITH_MODIFICATIONS
    assert office.workitems.retrieve(office.peer.scope, one)["00741202"] == attribute("LO", "WORKLIST")
    assert office.workitems.update(office.peer, one, progress(1), transaction_uid=None) is None
