"""Who hears what (PS3.4 Table CC.2.3-2, CC.2.4.3), in which order, and what waits for whom is away."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import orjson
import pytest

from pacsd.faults import PacsdError
from pacsd.index import subscribers
from pacsd.workflow import reports
from pacsd.workflow.refusals import Reason, Reservation
from pacsd.workflow.reports import FILTERED_GLOBAL, GLOBAL
from pacsd.workflow.services import announce_restart
from pacsd.workflow.states import State
from tests.workflow.conftest import Office
from tests.workflow.steps import attribute, code, first, performed, progress, step
from tests.workflow.test_workitems import LOCK, claim, made, refused, uid

AE = "WATCH"
STATE, PROGRESS, ASSIGNED = 1, 3, 5


def heard(office: Office, title: str = AE, peer=None) -> list[tuple[str, int, object]]:
    """Workitem, event type and state of what waits for an AE."""
    found = map(orjson.loads, office.heard(title, peer))
    return [(first(one, "00001000"), first(one, "00001002"), first(one, "00741000")) for one in found]


def test_a_subscriber_of_one_workitem_hears_its_changes(office):
    one, other = made(office), made(office)
    office.subscriptions.subscribe(office.peer, AE, one, lock=False)
    assert heard(office) == [(one, STATE, "SCHEDULED")]
    claim(office, one)
    claim(office, other)
    office.workitems.update(office.peer, one, progress(10), transaction_uid=LOCK)
    office.workitems.update(office.peer, one, {"00404041": attribute("CS", "INCOMPLETE")}, transaction_uid=LOCK)
    office.workitems.update(office.peer, one, {"00404025": attribute("SQ", code("B"))}, transaction_uid=LOCK)
    office.workitems.update(office.peer, one, {"00404025": attribute("SQ", code("B"))}, transaction_uid=LOCK)
    office.workitems.update(office.peer, one, performed(), transaction_uid=LOCK)
    office.workitems.change_state(office.peer, one, State.COMPLETED, transaction_uid=LOCK)
    kinds = [(event, state) for _, event, state in heard(office)]
    assert kinds == [(STATE, "IN PROGRESS"), (PROGRESS, None), (STATE, "IN PROGRESS"), (ASSIGNED, None),
                     (STATE, "COMPLETED")]  # fmt: skip


def test_a_report_is_a_data_set_as_the_standard_has_it(office):
    one = made(office)
    office.subscriptions.subscribe(office.peer, AE, one, lock=False)
    [text] = office.heard(AE)
    report = orjson.loads(text)
    assert list(report) == sorted(report)
    assert {tag: report[tag] for tag in report if tag != "00000110"} == {
        "00000002": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.34.6.1"]},
        "00000100": {"vr": "US", "Value": [0x0100]},
        "00000800": {"vr": "US", "Value": [0]},
        "00001000": {"vr": "UI", "Value": [one]},
        "00001002": {"vr": "US", "Value": [1]},
        "00404041": {"vr": "CS", "Value": ["READY"]},
        "00741000": {"vr": "CS", "Value": ["SCHEDULED"]},
    }
    assert 1 <= first(report, "00000110") <= 0xFFFF


def test_a_request_to_cancel_what_is_scheduled_is_reported_as_two_changes(office):
    one = made(office)
    office.subscriptions.subscribe(office.peer, AE, one, lock=False)
    heard(office)
    office.workitems.request_cancel(office.peer, one, {"00741238": attribute("LT", "no need")})
    reports_ = [orjson.loads(text) for text in office.heard(AE)]
    assert [first(report, "00741000") for report in reports_] == ["IN PROGRESS", "CANCELED"]
    assert first(reports_[1], "00741238") == "no need" and "0074100E" in reports_[1]


@pytest.mark.parametrize("lock", [False, True])
def test_a_subscriber_of_the_worklist_hears_of_everything_new(office, lock):
    old = made(office)
    office.subscriptions.subscribe_worklist(office.peer, AE, GLOBAL, lock=lock)
    assert heard(office) == ([(old, STATE, "SCHEDULED")] if lock else [])
    people = {"00404009": attribute("SQ", code("DR1")), "00404037": attribute("PN", {"Alphabetic": "Li^Si"}),
              "00404036": attribute("LO", "East")}  # fmt: skip
    new = made(office, t00404034=attribute("SQ", people, people))
    assert heard(office) == [(new, STATE, "SCHEDULED"), (new, ASSIGNED, None), (new, ASSIGNED, None)]
    claim(office, old)
    assert heard(office) == [(old, STATE, "IN PROGRESS")]
    assert office.rows("select distinct deletion_lock from subscription") == [(lock,)]


def test_what_was_subscribed_to_one_by_one_keeps_its_lock(office):
    one = made(office)
    office.subscriptions.subscribe(office.peer, AE, one, lock=True)
    office.subscriptions.subscribe_worklist(office.peer, AE, GLOBAL, lock=False)
    assert office.rows("select deletion_lock from subscription") == [(True,)]
    office.subscriptions.subscribe(office.peer, AE, one, lock=False)
    assert office.rows("select deletion_lock from subscription") == [(False,)]


def test_suspending_ends_new_subscriptions_only(office):
    office.subscriptions.subscribe_worklist(office.peer, AE, GLOBAL, lock=False)
    old = made(office)
    office.subscriptions.suspend(office.peer, AE, GLOBAL)
    assert refused(lambda: office.subscriptions.suspend(office.peer, AE, GLOBAL)) is Reason.NOT_SUBSCRIBED
    made(office)
    claim(office, old)
    assert [one for one in heard(office) if one[1] == STATE] == [(old, STATE, "SCHEDULED"), (old, STATE, "IN PROGRESS")]


def test_unsubscribing_from_the_worklist_ends_everything(office):
    one, other = made(office), made(office)
    office.subscriptions.subscribe(office.peer, AE, one, lock=True)
    office.subscriptions.subscribe_worklist(office.peer, AE, GLOBAL, lock=False)
    heard(office)
    office.subscriptions.unsubscribe_worklist(office.peer, AE, GLOBAL)
    for item in (one, other):
        claim(office, item)
    made(office)
    assert heard(office) == []
    call = lambda: office.subscriptions.unsubscribe_worklist(office.peer, AE, GLOBAL)  # noqa: E731
    assert refused(call) is Reason.NOT_SUBSCRIBED


def test_unsubscribing_from_one_workitem(office):
    one = made(office)
    office.subscriptions.subscribe(office.peer, AE, one, lock=False)
    office.subscriptions.unsubscribe(office.peer, AE, one)
    assert refused(lambda: office.subscriptions.unsubscribe(office.peer, AE, one)) is Reason.NOT_SUBSCRIBED
    assert refused(lambda: office.subscriptions.subscribe(office.peer, AE, uid(), lock=False)) is Reason.UNKNOWN
    claim(office, one)
    assert heard(office) == [(one, STATE, "SCHEDULED")]


def test_a_filter_covers_what_passes_now_and_later(office):
    station = {"00404025.00080100": "GPU2", "00741200": "HIGH"}
    high = attribute("CS", "HIGH")
    fits = made(office, t00404025=attribute("SQ", code("GPU2")), t00741200=high)
    office.subscriptions.subscribe_worklist(office.peer, AE, FILTERED_GLOBAL, lock=True, keys=station)
    assert heard(office) == [(fits, STATE, "SCHEDULED")]
    becomes, never = made(office, t00404025=attribute("SQ", code("GPU2"))), made(office)
    assert heard(office) == []
    office.workitems.update(office.peer, becomes, {"00741200": high}, transaction_uid=None)
    claim(office, becomes)
    claim(office, never)
    assert heard(office) == [(becomes, STATE, "IN PROGRESS")]


@pytest.mark.parametrize("keys", [{}, {"00081195": "1.2"}, {"00404005": "tomorrow"}, {"00741204": "*"}])
def test_a_filter_that_says_nothing_is_refused(office, keys):
    if keys == {"00741204": "*"}:
        keys = {"00741204": ""}
    with pytest.raises(PacsdError):
        office.subscriptions.subscribe_worklist(office.peer, AE, FILTERED_GLOBAL, lock=False, keys=keys)
    assert office.rows("select * from subscriber") == []


def test_readers_of_an_organisation_hear_and_do_not_hold(office):
    one = made(office)
    given = office.subscriptions.subscribe(office.reader, AE, one, lock=True)
    assert given is Reservation.LOCK_NOT_GRANTED
    office.subscriptions.subscribe_worklist(office.reader, "ALL", GLOBAL, lock=True)
    new = made(office)
    assert [item for item, _, _ in heard(office, "ALL", office.reader)] == [one, new, new]
    assert office.rows("select distinct deletion_lock from subscription") == [(False,)]
    hidden = uid()
    office.workitems.create(office.reader, hidden, step())
    office.subscriptions.subscribe_worklist(office.peer, "EAST", GLOBAL, lock=True)
    assert hidden not in [item for item, _, _ in heard(office, "EAST")]


def test_who_was_away_misses_nothing_and_hears_it_in_order(office):
    items = [made(office) for _ in range(20)]
    office.subscriptions.subscribe_worklist(office.peer, AE, GLOBAL, lock=False)

    def work(one: str) -> None:
        claim(office, one)
        for percent in range(1, 11):
            office.workitems.update(office.peer, one, progress(percent), transaction_uid=LOCK)
        office.workitems.change_state(office.peer, one, State.CANCELED, transaction_uid=LOCK)

    with ThreadPoolExecutor(8) as workers:
        list(workers.map(work, items))
    office.open()
    told: dict[str, list[object]] = {one: [] for one in items}
    for text in office.heard(AE):
        report = orjson.loads(text)
        done = (first(report, "00741002") or {}).get("00741004")
        told[first(report, "00001000")].append(done["Value"][0] if done else first(report, "00741000"))
    assert set(map(str, told.values())) == {str(["IN PROGRESS", *range(1, 11), "CANCELED"])}


def test_subscribing_to_all_while_all_changes_misses_no_change(office):
    items = [made(office) for _ in range(40)]
    start = threading.Barrier(2)

    def change() -> None:
        start.wait(10)
        for one in items:
            claim(office, one)

    worker = threading.Thread(target=change)
    worker.start()
    start.wait(10)
    office.subscriptions.subscribe_worklist(office.peer, AE, GLOBAL, lock=True)
    worker.join(30)
    last = {item: state for item, _, state in heard(office)}
    assert last == dict.fromkeys(items, "IN PROGRESS")


def test_another_channel_of_the_same_ae_ends_the_former(office):
    one = made(office)
    channels = office.workflow.channels
    former = channels.open(office.peer, AE)
    office.subscriptions.subscribe(office.peer, AE, one, lock=False)
    taken = channels.take(former)
    assert taken is not None and len(taken.texts) == 1
    later = channels.open(office.peer, AE)
    assert channels.take(former) is None and channels.stirred([former, later]) == {later.subscriber}
    again = channels.take(later)
    assert again is not None and again.texts == taken.texts
    channels.close(former)
    assert channels.take(later) == again
    channels.taken(later, again)
    assert channels.stirred([later]) == set()


def test_what_nobody_comes_for_is_forgotten(office):
    one = made(office)
    office.subscriptions.subscribe(office.peer, AE, one, lock=False)
    office.subscriptions.unsubscribe(office.peer, AE, one)
    assert subscribers.forget(office.index, keep_reports_s=60, grace_s=0) == 0
    assert office.rows("select count(*) from report") == [(1,)]
    office.rows("update report set created_at = created_at - interval '1 hour' returning 1")
    assert subscribers.forget(office.index, keep_reports_s=60, grace_s=0) == 1
    assert office.rows("select count(*) from subscriber") == [(0,)]


def test_a_restart_is_told_to_every_subscriber(office):
    one = made(office)
    office.subscriptions.subscribe(office.peer, AE, one, lock=False)
    office.workflow.channels.open(office.peer, "NOBODY")
    heard(office)
    announce_restart(office.dsn)
    [report] = map(orjson.loads, office.heard(AE))
    assert (first(report, "00001000"), first(report, "00001002")) == (reports.GLOBAL, 4)
    assert [first(report, tag) for tag in ("00741242", "00741244", "00741246")] == ["RESTARTED", *["WARM START"] * 2]
    assert office.heard("NOBODY") == []


def test_a_subscription_made_while_idle_subscribers_are_forgotten_stays(office):
    one = made(office)
    office.subscriptions.subscribe(office.peer, AE, one, lock=False)
    office.subscriptions.unsubscribe(office.peer, AE, one)
    office.heard(AE)
    with ThreadPoolExecutor(1) as pool, office.index.connection() as connection:
        with connection.transaction():
            subscriber = subscribers.known(connection, office.peer.organisation, AE)
            [(item,)] = connection.execute("select pk from workitem").fetchall()
            subscribers.subscribe(connection, subscriber.pk, item, lock=False)
            forgetting = pool.submit(subscribers.forget, office.index, keep_reports_s=3600.0, grace_s=0.0)
            wait([forgetting], timeout=0.3)
        forgetting.result(10)
    assert office.rows("select count(*) from subscription") == [(1,)]
