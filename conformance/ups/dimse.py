"""What PS3.7 asks of every DIMSE-N service, shown on these (PS3.7 10.1, PS3.4 CC.2)."""

from conformance.ups.peer import CHANGE_STATE, PULL, PUSH, SUBSCRIBE, WATCH, Peer
from conformance.ups.steps import SCHEDULED, STATE, created, expect, new_uid, same, scheduled, state_of
from conformance.ups.suite import Transaction

DIMSE = Transaction("dimse", "Operations of DIMSE-N", "")


@DIMSE.required("action-type", "PS3.7 10.1.4.1.10", "An action type nobody knows: 0123")
def knows_its_actions(peer: Peer) -> None:
    expect(peer.act(created(peer), 99, by=PULL, ProcedureStepState="X"), 0x0123)


@DIMSE.required("action-type.class", "Tables CC.2-1 to CC.2-3", "An action type of another class is not performed")
def keeps_actions_apart(peer: Peer) -> None:
    uid = created(peer)
    for by, action in ((PUSH, CHANGE_STATE), (WATCH, CHANGE_STATE), (PULL, SUBSCRIBE), (PUSH, SUBSCRIBE)):
        answer = peer.act(uid, action, by=by, ProcedureStepState="IN PROGRESS", TransactionUID=new_uid())
        expect(answer, 0x0123, 0x0211, 0x0112, 0x0110)
    same(SCHEDULED, state_of(peer, uid), "Procedure Step State")


@DIMSE.required("operation", "PS3.7 10.1.6.1.7", "An operation that no class has: 0211")
def deletes_nothing(peer: Peer) -> None:
    uid = created(peer)
    expect(peer.delete(uid, by=PULL), 0x0211)
    same(SCHEDULED, state_of(peer, uid), "Procedure Step State")


@DIMSE.required("operation.class", "Tables CC.2-1 to CC.2-3", "An operation of another class is not performed")
def keeps_operations_apart(peer: Peer) -> None:
    uid = new_uid()
    expect(peer.create(uid, scheduled(peer), by=PULL), 0x0211, 0x0110, 0x0122)
    expect(peer.get(uid), 0xC307)


@DIMSE.required("uid", "PS3.7 10.1.2.1.9", "A SOP Instance UID that is none: 0117, or C307")
def checks_uids(peer: Peer) -> None:
    expect(peer.get("1.2.03", STATE), 0x0117, 0xC307)


@DIMSE.required("sop-class", "CC.3.1, PS3.7 10.1.2.1.9", "Another SOP class than UPS Push: 0118, 0119 or C307")
def checks_the_class(peer: Peer) -> None:
    uid = created(peer)
    expect(peer.get(uid, STATE, sop_class="1.2.840.10008.3.1.2.3.3"), 0x0118, 0x0119, 0xC307)


@DIMSE.required("goes-on", "PS3.7 10.1", "After refusals the association goes on")
def goes_on(peer: Peer) -> None:
    association = peer.association()
    for _ in range(3):
        expect(peer.get(new_uid(), STATE), 0xC307)
    uid = created(peer)
    same(SCHEDULED, state_of(peer, uid), "Procedure Step State")
    same(True, association.is_established, "the association to stand")
