"""Get and update (RAD-83, RAD-84): N-GET and N-SET (PS3.4 CC.2.7, CC.2.6)."""

from conformance.judging import Failed
from conformance.ups.peer import PULL, PUSH, WATCH, Peer
from conformance.ups.steps import (
    CANCELED,
    COERCED,
    COMPLETED,
    IN_PROGRESS,
    LABEL,
    NOT_ALL_SUPPORTED,
    SCHEDULED,
    START,
    STATE,
    SUCCESS,
    TRANSACTION_UID,
    claimed,
    code,
    created,
    dataset,
    ended,
    expect,
    locked,
    new_uid,
    progress,
    retrieved,
    same,
    state_of,
)
from conformance.ups.suite import Transaction

GET = Transaction("get", "Get UPS Workitem Contents", "RAD-83")
UPDATE = Transaction("update", "Update UPS Workitem", "RAD-84")


@GET.required("named", "CC.2.7.3", "The attributes that are named, and no others")
def gets_what_is_named(peer: Peer) -> None:
    found = retrieved(peer, created(peer), STATE, LABEL)
    same({STATE, LABEL}, {int(element.tag) for element in found} - {0x00080005}, "attributes")
    same((SCHEDULED, f"Label {peer.tag}"), (found.ProcedureStepState, found.ProcedureStepLabel), "values")


@GET.required("all", "PS3.7 10.1.2.1.5", "Without a list, all attributes")
def gets_all(peer: Peer) -> None:
    found = retrieved(peer, created(peer))
    missing = {"PatientID", "ProcedureStepState", "ScheduledWorkitemCodeSequence"} - {one.keyword for one in found}
    same(set(), missing, "missing attributes")


@GET.required("classes", "Tables CC.2-1 to CC.2-3", "By UPS Push, Pull and Watch")
def gets_by_each(peer: Peer) -> None:
    uid = created(peer)
    for by in (PUSH, PULL, WATCH):
        found = expect(peer.get(uid, STATE, by=by), SUCCESS).dataset
        same(SCHEDULED, found and found.get("ProcedureStepState"), "Procedure Step State")


@GET.required("lock", "CC.2.7.3", "The Transaction UID is not returned, asked for or not")
def hides_the_lock(peer: Peer) -> None:
    uid, lock = claimed(peer)
    for tags in ((), (TRANSACTION_UID, STATE)):
        found = retrieved(peer, uid, *tags)
        if str(found.get("TransactionUID") or "") or lock in str(found):
            raise Failed("expected no Transaction UID, got it")


@GET.required("unknown", "Table CC.2.7-1", "A step that does not exist: C307")
def gets_nothing_unknown(peer: Peer) -> None:
    expect(peer.get(new_uid(), STATE), 0xC307)


@UPDATE.required("scheduled", "CC.2.6.2", "A scheduled step is set without a Transaction UID")
def sets_what_is_scheduled(peer: Peer) -> None:
    uid = created(peer)
    expect(peer.set(uid, dataset(ScheduledProcedureStepStartDateTime="20270101120000")), SUCCESS, COERCED)
    same("20270101120000", retrieved(peer, uid, START).get("ScheduledProcedureStepStartDateTime"), "start")


@UPDATE.required("claimed", "CC.2.6.3", "A claimed step is set with its Transaction UID")
def sets_what_is_claimed(peer: Peer) -> None:
    uid, lock = claimed(peer)
    expect(peer.set(uid, locked(progress(30), lock)), SUCCESS, COERCED)
    items = retrieved(peer, uid).get("ProcedureStepProgressInformationSequence") or []
    same([30.0], [float(one.get("ProcedureStepProgress", -1)) for one in items], "progress")


@UPDATE.required("lock", "CC.2.6.3, Table CC.2.6-1", "In progress without its Transaction UID: C301, no change")
def needs_the_lock(peer: Peer) -> None:
    uid, _ = claimed(peer)
    expect(peer.set(uid, dataset(ProcedureStepLabel="changed")), 0xC301)
    expect(peer.set(uid, locked(dataset(ProcedureStepLabel="changed"), new_uid())), 0xC301)
    same(f"Label {peer.tag}", retrieved(peer, uid, LABEL).get("ProcedureStepLabel"), "Procedure Step Label")


@UPDATE.required("unclaimed", "CC.2.6.2, Table CC.2.6-1", "Scheduled with a Transaction UID: C310")
def needs_a_claim(peer: Peer) -> None:
    uid = created(peer)
    expect(peer.set(uid, locked(dataset(ProcedureStepLabel="changed"), new_uid())), 0xC310)


@UPDATE.required("ended", "CC.2.6.3, Table CC.2.6-1", "A step that has ended: C300")
def leaves_what_ended(peer: Peer) -> None:
    for state in (COMPLETED, CANCELED):
        uid, lock = ended(peer, state)
        expect(peer.set(uid, locked(progress(99), lock)), 0xC300)


@UPDATE.required("unknown", "Table CC.2.6-1", "A step that does not exist: C307")
def sets_nothing_unknown(peer: Peer) -> None:
    expect(peer.set(new_uid(), dataset(ProcedureStepLabel="changed")), 0xC307)


@UPDATE.required("sequence", "CC.2.6.2", "A sequence is replaced as a whole")
def replaces_sequences(peer: Peer) -> None:
    uid = created(peer, ScheduledStationNameCodeSequence=[code("A"), code("B")])
    expect(peer.set(uid, dataset(ScheduledStationNameCodeSequence=[code("C")])), SUCCESS, COERCED)
    found = retrieved(peer, uid).get("ScheduledStationNameCodeSequence") or []
    same(["C"], [one.get("CodeValue") for one in found], "stations")


@UPDATE.required("repeat", "CC.2.6.2", "N-SET is idempotent")
def repeats(peer: Peer) -> None:
    uid, lock = claimed(peer)
    for _ in range(2):
        expect(peer.set(uid, locked(progress(30), lock)), SUCCESS, COERCED)
    items = retrieved(peer, uid).get("ProcedureStepProgressInformationSequence") or []
    same(1, len(items), "items of progress")


@UPDATE.required("state", "CC.2.6.2, Table CC.2.5-3", "The state is not changed by N-SET")
def leaves_the_state(peer: Peer) -> None:
    uid, lock = claimed(peer)
    answer = peer.set(uid, locked(dataset(ProcedureStepState=COMPLETED), lock))
    if answer.status in (SUCCESS, COERCED, NOT_ALL_SUPPORTED):
        raise Failed(f"expected a failure, got {answer.status:04X}")
    same(IN_PROGRESS, state_of(peer, uid), "Procedure Step State")


@UPDATE.required("patient", "Table CC.2.5-3", "The patient is not changed by N-SET")
def leaves_the_patient(peer: Peer) -> None:
    uid = created(peer)
    peer.set(uid, dataset(PatientID="ANOTHER"))
    same(f"{peer.tag}-A", retrieved(peer, uid, 0x00100020).get("PatientID"), "Patient ID")
