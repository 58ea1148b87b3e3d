"""Subscriptions, notifications, requests to cancel (RAD-86, RAD-87, RAD-88; PS3.4 CC.2.3, CC.2.4, CC.2.2)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.sequence import Sequence

from conformance.judging import Failed, NotSupported
from conformance.ups.peer import (
    ASSIGNED,
    CANCEL_REQUESTED,
    EVENT,
    FILTERED,
    GLOBAL,
    PROGRESS_REPORT,
    PUSH,
    REQUEST_CANCEL,
    STATE_REPORT,
    SUBSCRIBE,
    SUSPEND,
    UNSUBSCRIBE,
    WATCH,
    Answer,
    Event,
    Peer,
)
from conformance.ups.steps import (
    CANCELED,
    COERCED,
    COMPLETED,
    IN_PROGRESS,
    SCHEDULED,
    SUCCESS,
    change,
    claimed,
    code,
    created,
    dataset,
    ended,
    expect,
    locked,
    new_uid,
    performed,
    progress,
    retrieved,
    same,
    state_of,
)
from conformance.ups.suite import Transaction

SUBSCRIPTION = Transaction("subscribe", "Manage UPS Subscription", "RAD-86")
NOTIFICATION = Transaction("notify", "Send UPS Notification", "RAD-87")
CANCELLATION = Transaction("cancel", "Request UPS Workitem Cancellation", "RAD-88")

LOCK_NOT_GRANTED = 0xB301
SETTLED_S = 2.0                          # silence after which no event is coming


def subscribe(peer: Peer, uid: str, *, lock: str = "FALSE", title: str | None = None, **keys: Any) -> Answer:
    """Action type 3."""
    title = peer.receiver.title if title is None else title
    return peer.act(uid, SUBSCRIBE, by=WATCH, ReceivingAE=title, DeletionLock=lock, **keys)


def unsubscribe(peer: Peer, uid: str) -> Answer:
    """Action type 4."""
    return peer.act(uid, UNSUBSCRIBE, by=WATCH, ReceivingAE=peer.receiver.title)


@contextmanager
def subscribed(peer: Peer, uid: str, **how: Any) -> Iterator[None]:
    """Subscribed to a worklist until the end of the block, and to nothing behind it."""
    expect(subscribe(peer, uid, **how), SUCCESS, LOCK_NOT_GRANTED)
    try:
        yield
    finally:
        expect(unsubscribe(peer, GLOBAL), SUCCESS)


def heard(peer: Peer, uid: str, count: int) -> list[Event]:
    """The first events of a step. Raises Failed where fewer come."""
    found = peer.receiver.of(uid, count)
    if len(found) < count:
        raise Failed(f"expected {count} events, got {len(found)}")
    return found


def kinds(events: list[Event]) -> list[tuple[int, str | None]]:
    """Event types and states."""
    return [(one.kind, one.information.get("ProcedureStepState")) for one in events]


def quiet(peer: Peer, uid: str, count: int) -> None:
    """No more events than these come. Raises Failed."""
    found = peer.receiver.of(uid, count + 1, timeout_s=SETTLED_S)
    if len(found) > count:
        raise Failed(f"expected no event, got type {found[-1].kind}")


@SUBSCRIPTION.required("one", "CC.2.3.3", "An AE is subscribed to one step")
def subscribes(peer: Peer) -> None:
    expect(subscribe(peer, created(peer)), SUCCESS)


@SUBSCRIPTION.required("unknown", "Table CC.2.3-3", "A step that does not exist: C307")
def subscribes_to_what_is(peer: Peer) -> None:
    expect(subscribe(peer, new_uid()), 0xC307)


@SUBSCRIPTION.required("ae", "Table CC.2.3-3", "An AE that the server does not know: C308")
def subscribes_whom_it_knows(peer: Peer) -> None:
    uid = created(peer)
    if peer.receiver:
        expect(subscribe(peer, uid, title="NOBODYATALL"), 0xC308)


@SUBSCRIPTION.required("lock", "CC.2.3.3", "With a deletion lock: granted, or B301")
def locks(peer: Peer) -> None:
    uid = created(peer)
    expect(subscribe(peer, uid, lock="TRUE"), SUCCESS, LOCK_NOT_GRANTED)
    expect(unsubscribe(peer, uid), SUCCESS)


@SUBSCRIPTION.required("end", "Table CC.2.3-2", "After unsubscribing nothing is told; unsubscribing again is a success")
def unsubscribes(peer: Peer) -> None:
    uid = created(peer)
    expect(subscribe(peer, uid), SUCCESS)
    heard(peer, uid, 1)
    expect(unsubscribe(peer, uid), SUCCESS)
    expect(unsubscribe(peer, uid), SUCCESS)
    expect(change(peer, uid, IN_PROGRESS, new_uid()), SUCCESS)
    quiet(peer, uid, 1)


@SUBSCRIPTION.required("global", "CC.2.3.2", "An AE is subscribed to all steps there will be")
def subscribes_to_all(peer: Peer) -> None:
    with subscribed(peer, GLOBAL):
        uid = created(peer)
        same((STATE_REPORT, SCHEDULED), kinds(heard(peer, uid, 1))[0], "the first event")


@SUBSCRIPTION.required("global.end", "Table CC.2.3-2", "Unsubscribing globally ends what was subscribed to one by one")
def unsubscribes_from_all(peer: Peer) -> None:
    uid = created(peer)
    expect(subscribe(peer, uid), SUCCESS)
    heard(peer, uid, 1)
    expect(unsubscribe(peer, GLOBAL), SUCCESS)
    expect(change(peer, uid, IN_PROGRESS, new_uid()), SUCCESS)
    quiet(peer, uid, 1)


@SUBSCRIPTION.required("suspend", "Table CC.2.3-2", "Suspending ends new subscriptions, and leaves the others")
def suspends(peer: Peer) -> None:
    with subscribed(peer, GLOBAL):
        old = created(peer)
        before = len(heard(peer, old, 1))
        expect(peer.act(GLOBAL, SUSPEND, by=WATCH, ReceivingAE=peer.receiver.title), SUCCESS)
        new = created(peer)
        expect(change(peer, old, IN_PROGRESS, new_uid()), SUCCESS)
        heard(peer, old, before + 1)
        quiet(peer, new, 0)


@SUBSCRIPTION.required("suspend.one", "Table CC.2.3-3", "One step cannot be suspended: C314")
def suspends_all_only(peer: Peer) -> None:
    uid = created(peer)
    expect(peer.act(uid, SUSPEND, by=WATCH, ReceivingAE=peer.receiver.title), 0xC314)


@SUBSCRIPTION.optional("filtered", "CC.2.3.3.1", "An AE is subscribed to the steps that pass a filter")
def filters(peer: Peer) -> None:
    station = f"S{peer.tag[:10]}"
    answer = subscribe(peer, FILTERED, ScheduledStationNameCodeSequence=Sequence([dataset(CodeValue=station)]))
    if answer.status == 0xC307:
        raise NotSupported("filtered global subscriptions: C307")
    expect(answer, SUCCESS)
    try:
        fits = created(peer, ScheduledStationNameCodeSequence=[code(station)])
        other = created(peer)
        heard(peer, fits, 1)
        quiet(peer, other, 0)
    finally:
        expect(unsubscribe(peer, GLOBAL), SUCCESS)


@NOTIFICATION.required("initial", "CC.2.4.3", "Who subscribes is told the present state and readiness at once")
def tells_the_present_state(peer: Peer) -> None:
    uid, _ = claimed(peer)
    expect(subscribe(peer, uid), SUCCESS)
    (event,) = heard(peer, uid, 1)
    same((STATE_REPORT, IN_PROGRESS), kinds([event])[0], "event")
    same("READY", event.information.get("InputReadinessState"), "Input Readiness State")


@NOTIFICATION.required("class", "CC.2.4.3, CC.3.1", "By UPS Event, of an instance of UPS Push")
def tells_by_event(peer: Peer) -> None:
    uid = created(peer)
    expect(subscribe(peer, uid), SUCCESS)
    (event,) = heard(peer, uid, 1)
    same((EVENT, PUSH), (event.abstract_syntax, event.sop_class), "context and class")


@NOTIFICATION.required("states", "CC.2.4.3", "Each change of state is told, in order")
def tells_states(peer: Peer) -> None:
    uid, lock = created(peer), new_uid()
    expect(subscribe(peer, uid), SUCCESS)
    expect(change(peer, uid, IN_PROGRESS, lock), SUCCESS)
    expect(peer.set(uid, locked(performed(), lock)), SUCCESS, COERCED)
    expect(change(peer, uid, COMPLETED, lock), SUCCESS)
    states = [state for kind, state in kinds(heard(peer, uid, 3)) if kind == STATE_REPORT]
    same([SCHEDULED, IN_PROGRESS, COMPLETED], states, "states")


@NOTIFICATION.required("readiness", "CC.2.4.3", "A change of Input Readiness State is told")
def tells_readiness(peer: Peer) -> None:
    uid = created(peer)
    expect(subscribe(peer, uid), SUCCESS)
    expect(peer.set(uid, dataset(InputReadinessState="INCOMPLETE")), SUCCESS, COERCED)
    events = heard(peer, uid, 2)
    same("INCOMPLETE", events[1].information.get("InputReadinessState"), "Input Readiness State")


@NOTIFICATION.required("progress", "CC.2.4.3, Table CC.2.4-1", "Progress is told with its contents")
def tells_progress(peer: Peer) -> None:
    uid, lock = claimed(peer)
    expect(subscribe(peer, uid), SUCCESS)
    expect(peer.set(uid, locked(progress(40), lock)), SUCCESS, COERCED)
    event = heard(peer, uid, 2)[1]
    same(PROGRESS_REPORT, event.kind, "Event Type ID")
    items = event.information.get("ProcedureStepProgressInformationSequence") or []
    same([40.0], [float(one.get("ProcedureStepProgress", -1)) for one in items], "progress")


@NOTIFICATION.required("assigned", "CC.2.4.3, Table CC.2.4-1", "An assignment is told with its stations")
def tells_assignments(peer: Peer) -> None:
    uid = created(peer)
    expect(subscribe(peer, uid), SUCCESS)
    expect(peer.set(uid, dataset(ScheduledStationNameCodeSequence=[code("ELSEWHERE")])), SUCCESS, COERCED)
    event = heard(peer, uid, 2)[1]
    same(ASSIGNED, event.kind, "Event Type ID")
    stations = event.information.get("ScheduledStationNameCodeSequence") or []
    same(["ELSEWHERE"], [one.get("CodeValue") for one in stations], "stations")


@NOTIFICATION.required("order", "CC.2.4.3", "Many changes are told in the order in which they were made")
def tells_in_order(peer: Peer) -> None:
    uid, lock = claimed(peer)
    expect(subscribe(peer, uid), SUCCESS)
    for percent in range(1, 16):
        expect(peer.set(uid, locked(progress(percent), lock)), SUCCESS, COERCED)
    told = [
        float(one.information.ProcedureStepProgressInformationSequence[0].ProcedureStepProgress)
        for one in heard(peer, uid, 16)
        if one.kind == PROGRESS_REPORT
    ]
    same([float(percent) for percent in range(1, 16)], told, "progress")


@NOTIFICATION.required("global.lock", "CC.2.4.3", "A global subscription with a deletion lock tells present states")
def tells_all_present_states(peer: Peer) -> None:
    uid = created(peer)
    with subscribed(peer, GLOBAL, lock="TRUE"):
        same((STATE_REPORT, SCHEDULED), kinds(heard(peer, uid, 1))[0], "event")


def ask_to_cancel(peer: Peer, uid: str, *, by: str = PUSH, **details: Any) -> Answer:
    """Action type 2."""
    return peer.act(uid, REQUEST_CANCEL, by=by, **details)


@CANCELLATION.required("scheduled", "CC.2.2.3", "A step nobody has begun is cancelled")
def cancels_what_is_scheduled(peer: Peer) -> None:
    uid = created(peer)
    expect(ask_to_cancel(peer, uid, ReasonForCancellation="no need"), SUCCESS)
    same(CANCELED, state_of(peer, uid), "Procedure Step State")


@CANCELLATION.required("final-state", "CC.2.2.3, CC.2.5.1.1", "So cancelled it says when, and why")
def says_when_and_why(peer: Peer) -> None:
    uid = created(peer)
    expect(ask_to_cancel(peer, uid), SUCCESS)
    items = retrieved(peer, uid).get("ProcedureStepProgressInformationSequence") or []
    told = [one for one in items if one.get("ProcedureStepCancellationDateTime")
            and one.get("ProcedureStepDiscontinuationReasonCodeSequence")]  # fmt: skip
    same(1, len(told), "items with a cancellation's time and reason")


@CANCELLATION.required("watch", "Table CC.2-3", "By UPS Watch as well")
def cancels_by_watch(peer: Peer) -> None:
    uid = created(peer)
    expect(ask_to_cancel(peer, uid, by=WATCH), SUCCESS)
    same(CANCELED, state_of(peer, uid), "Procedure Step State")


@CANCELLATION.required("in-progress", "CC.2.2.3", "A step in progress goes on; its performer is told, or C312, C313")
def leaves_it_to_the_performer(peer: Peer) -> None:
    uid, _ = claimed(peer)
    expect(ask_to_cancel(peer, uid), SUCCESS, 0xC312, 0xC313)
    same(IN_PROGRESS, state_of(peer, uid), "Procedure Step State")


@CANCELLATION.required("told", "CC.2.4.3, Table CC.2.4-1", "The request is told with who asks, and why")
def tells_requests(peer: Peer) -> None:
    uid, _ = claimed(peer)
    expect(subscribe(peer, uid), SUCCESS)
    heard(peer, uid, 1)
    expect(ask_to_cancel(peer, uid, ReasonForCancellation="patient left", ContactDisplayName="Dr Li"), SUCCESS)
    event = heard(peer, uid, 2)[1]
    information = event.information
    same(CANCEL_REQUESTED, event.kind, "Event Type ID")
    told = [information.get(one) for one in ("RequestingAE", "ReasonForCancellation", "ContactDisplayName")]
    same([peer.calling, "patient left", "Dr Li"], told, "who, why and whom to call")


@CANCELLATION.required("ended", "Table CC.2.2-2", "Completed: C311; cancelled: B304")
def cancels_nothing_that_ended(peer: Peer) -> None:
    expect(ask_to_cancel(peer, ended(peer, COMPLETED)[0]), 0xC311)
    expect(ask_to_cancel(peer, ended(peer, CANCELED)[0]), 0xB304)


@CANCELLATION.required("unknown", "Table CC.2.2-2", "A step that does not exist: C307")
def cancels_nothing_unknown(peer: Peer) -> None:
    expect(ask_to_cancel(peer, new_uid()), 0xC307)
