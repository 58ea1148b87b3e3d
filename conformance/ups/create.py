"""Create UPS Workitem (RAD-80): N-CREATE by UPS Push (PS3.4 CC.2.5)."""

from conformance.ups.peer import PUSH, Peer
from conformance.ups.steps import (
    CREATED_MODIFIED,
    IN_PROGRESS,
    SCHEDULED,
    SUCCESS,
    code,
    created,
    dataset,
    expect,
    new_uid,
    retrieved,
    same,
    scheduled,
    state_of,
)
from conformance.ups.suite import Transaction

CREATE = Transaction("create", "Create UPS Workitem", "RAD-80")


@CREATE.required("scheduled", "CC.2.5.3", "A step is created, and is SCHEDULED")
def creates(peer: Peer) -> None:
    same(SCHEDULED, state_of(peer, created(peer)), "Procedure Step State")


@CREATE.required("class", "CC.3.1", "Its SOP Class UID is that of UPS Push, its SOP Instance UID what was asked for")
def creates_of_push(peer: Peer) -> None:
    uid = created(peer)
    found = retrieved(peer, uid, 0x00080016, 0x00080018)
    same((PUSH, uid), (found.get("SOPClassUID"), found.get("SOPInstanceUID")), "class and instance")


@CREATE.required("kept", "CC.2.5.3", "What was given is kept, text of other alphabets too")
def keeps(peer: Peer) -> None:
    uid = created(peer)
    found = retrieved(peer, uid)
    same("Schritt^Jörg", str(found.get("PatientName")), "Patient's Name")
    same(f"{peer.tag}-A", found.get("PatientID"), "Patient ID")
    same(["WORK"], [one.get("CodeValue") for one in found.get("ScheduledWorkitemCodeSequence", [])], "workitem codes")


@CREATE.required("twice", "Table CC.1.1-2", "A UID that is taken: 0111, and the first step stays as it was")
def creates_once(peer: Peer) -> None:
    uid = created(peer)
    expect(peer.create(uid, scheduled(peer, ProcedureStepLabel="another")), 0x0111)
    same(f"Label {peer.tag}", retrieved(peer, uid, 0x00741204).get("ProcedureStepLabel"), "Procedure Step Label")


@CREATE.required("state", "Table CC.2.5-4", "Created in another state than SCHEDULED: C309")
def creates_scheduled_only(peer: Peer) -> None:
    uid = new_uid()
    expect(peer.create(uid, scheduled(peer, ProcedureStepState=IN_PROGRESS)), 0xC309)
    expect(peer.get(uid), 0xC307)


@CREATE.required("missing", "Table CC.2.5-3, PS3.7 10.1.5.1.6", "Without an attribute of type 1: 0120, no step")
def needs_type_1(peer: Peer) -> None:
    for keyword in ("ScheduledProcedureStepPriority", "ProcedureStepLabel", "ScheduledProcedureStepStartDateTime",
                    "InputReadinessState"):  # fmt: skip
        uid, step = new_uid(), scheduled(peer)
        del step[keyword]
        expect(peer.create(uid, step), 0x0120)
        expect(peer.get(uid), 0xC307)


@CREATE.required("empty", "Table CC.2.5-3, PS3.7 10.1.5.1.6", "An attribute of type 1 without a value: 0121")
def needs_values(peer: Peer) -> None:
    for keyword in ("ScheduledProcedureStepPriority", "ProcedureStepLabel"):
        expect(peer.create(new_uid(), scheduled(peer, **{keyword: None})), 0x0121)


@CREATE.required("enumerated", "PS3.3 C.30.1, PS3.7 10.1.5.1.6", "A value that is not enumerated: 0106, or B300")
def checks_values(peer: Peer) -> None:
    expect(peer.create(new_uid(), scheduled(peer, ScheduledProcedureStepPriority="SOON")), 0x0106, 0xB300)


@CREATE.required("performed", "Table CC.2.5-3", "What only a performer says has to be empty")
def creates_unperformed(peer: Peer) -> None:
    done = [dataset(PerformedStationNameCodeSequence=[code("STATION")])]
    answer = peer.create(new_uid(), scheduled(peer, UnifiedProcedureStepPerformedProcedureSequence=done))
    expect(answer, 0x0106, 0x0105, 0x0110, CREATED_MODIFIED)


@CREATE.required("uid", "PS3.7 10.1.5.1.6", "A SOP Instance UID that is none: 0117")
def checks_the_uid(peer: Peer) -> None:
    expect(peer.create("1.2.840.00.1", scheduled(peer)), 0x0117)


@CREATE.required("success", "Table CC.2.5-4", "Success or B300 are the only statuses of what was created")
def answers_success(peer: Peer) -> None:
    expect(peer.create(new_uid(), scheduled(peer)), SUCCESS, CREATED_MODIFIED)
