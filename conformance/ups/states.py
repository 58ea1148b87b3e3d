"""Claim, complete and cancel by the performer (RAD-82, RAD-85): Change UPS State by UPS Pull (PS3.4 CC.2.1)."""

from collections.abc import Mapping

from conformance.judging import Failed
from conformance.ups.peer import PULL, Peer
from conformance.ups.steps import (
    CANCELED,
    COERCED,
    COMPLETED,
    IN_PROGRESS,
    SCHEDULED,
    SUCCESS,
    change,
    claimed,
    created,
    expect,
    in_state,
    locked,
    new_uid,
    performed,
    same,
    state_of,
    stopped,
)
from conformance.ups.suite import Transaction

CLAIM = Transaction("claim", "Claim UPS Workitem", "RAD-82")
COMPLETE = Transaction("complete", "Complete UPS Workitem", "RAD-85")

# Table CC.1.1-2: (state, state asked for), with the correct Transaction UID
TRANSITIONS: Mapping[tuple[str, str], int] = {
    (IN_PROGRESS, IN_PROGRESS): 0xC302,
    (COMPLETED, IN_PROGRESS): 0xC300,
    (CANCELED, IN_PROGRESS): 0xC300,
    (SCHEDULED, SCHEDULED): 0xC303,
    (IN_PROGRESS, SCHEDULED): 0xC303,
    (COMPLETED, SCHEDULED): 0xC303,
    (CANCELED, SCHEDULED): 0xC303,
    (SCHEDULED, COMPLETED): 0xC310,
    (COMPLETED, COMPLETED): 0xB306,
    (CANCELED, COMPLETED): 0xC300,
    (SCHEDULED, CANCELED): 0xC310,
    (COMPLETED, CANCELED): 0xC300,
    (CANCELED, CANCELED): 0xB304,
}


def refuses(peer: Peer, now: str, asked: str) -> None:
    """The status of the table, and the state stays."""
    uid, lock = in_state(peer, now)
    expect(change(peer, uid, asked, lock), TRANSITIONS[now, asked])
    same(now, state_of(peer, uid), "Procedure Step State")


def refuses_another(peer: Peer, now: str, asked: str) -> None:
    """Another Transaction UID than the one of the claim: C301."""
    uid, _ = in_state(peer, now)
    expect(change(peer, uid, asked, new_uid()), 0xC301)
    same(now, state_of(peer, uid), "Procedure Step State")


@CLAIM.required("scheduled", "CC.2.1.3", "A scheduled step is claimed")
def claims(peer: Peer) -> None:
    uid, _ = claimed(peer)
    same(IN_PROGRESS, state_of(peer, uid), "Procedure Step State")


@CLAIM.required("second", "Table CC.1.1-2", "A second claim with another Transaction UID: C301")
def claims_once(peer: Peer) -> None:
    refuses_another(peer, IN_PROGRESS, IN_PROGRESS)


@CLAIM.required("again", "Table CC.1.1-2", "The same claim again: C302")
def claims_again(peer: Peer) -> None:
    refuses(peer, IN_PROGRESS, IN_PROGRESS)


@CLAIM.required("without-uid", "Table CC.2.1-2", "Without a Transaction UID: C301")
def claims_with_a_uid(peer: Peer) -> None:
    uid = created(peer)
    expect(change(peer, uid, IN_PROGRESS, None), 0xC301)
    same(SCHEDULED, state_of(peer, uid), "Procedure Step State")


@CLAIM.required("ended", "Table CC.1.1-2", "A step that has ended: C300")
def claims_nothing_that_ended(peer: Peer) -> None:
    for now in (COMPLETED, CANCELED):
        refuses(peer, now, IN_PROGRESS)


@CLAIM.required("unknown", "Table CC.2.1-2", "A step that does not exist: C307")
def claims_nothing_unknown(peer: Peer) -> None:
    expect(change(peer, new_uid(), IN_PROGRESS, new_uid()), 0xC307)


@CLAIM.required("back", "Table CC.1.1-2", "SCHEDULED is asked for: C303")
def becomes_scheduled_by_creation_only(peer: Peer) -> None:
    for now in (SCHEDULED, IN_PROGRESS, CANCELED):
        refuses(peer, now, SCHEDULED)


@CLAIM.required("value", "PS3.7 10.1.4.1.10", "A state that is none is refused, and nothing changes")
def knows_four_states(peer: Peer) -> None:
    uid = created(peer)
    expect(change(peer, uid, "DONE", new_uid()), 0x0115, 0x0114, 0x0110, 0x0106)
    same(SCHEDULED, state_of(peer, uid), "Procedure Step State")


@COMPLETE.required("completed", "CC.2.1.3", "A step whose performer has said everything is completed")
def completes(peer: Peer) -> None:
    uid, lock = claimed(peer)
    expect(peer.set(uid, locked(performed(), lock)), SUCCESS, COERCED)
    expect(change(peer, uid, COMPLETED, lock), SUCCESS)
    same(COMPLETED, state_of(peer, uid), "Procedure Step State")


@COMPLETE.required("canceled", "CC.2.1.3", "A step is cancelled by its performer")
def cancels(peer: Peer) -> None:
    uid, lock = claimed(peer)
    expect(peer.set(uid, locked(stopped(), lock)), SUCCESS, COERCED)
    expect(change(peer, uid, CANCELED, lock), SUCCESS)
    same(CANCELED, state_of(peer, uid), "Procedure Step State")


@COMPLETE.required("incomplete", "CC.2.5.1.1, Table CC.2.1-2", "Final state requirements are not met: C304")
def completes_what_is_complete(peer: Peer) -> None:
    uid, lock = claimed(peer)
    expect(change(peer, uid, COMPLETED, lock), 0xC304)
    same(IN_PROGRESS, state_of(peer, uid), "Procedure Step State")
    told = performed()
    del told.UnifiedProcedureStepPerformedProcedureSequence[0].PerformedProcedureStepEndDateTime
    expect(peer.set(uid, locked(told, lock)), SUCCESS, COERCED)
    expect(change(peer, uid, COMPLETED, lock), 0xC304)


@COMPLETE.required("another", "Table CC.1.1-2", "Another's step: C301")
def completes_its_own(peer: Peer) -> None:
    for asked in (COMPLETED, CANCELED):
        refuses_another(peer, IN_PROGRESS, asked)


@COMPLETE.required("unclaimed", "Table CC.1.1-2", "A step nobody has claimed: C310")
def completes_what_was_claimed(peer: Peer) -> None:
    for asked in (COMPLETED, CANCELED):
        refuses(peer, SCHEDULED, asked)


@COMPLETE.required("twice", "Table CC.1.1-2", "A second time: B306 or B304")
def completes_twice(peer: Peer) -> None:
    refuses(peer, COMPLETED, COMPLETED)
    refuses(peer, CANCELED, CANCELED)


@COMPLETE.required("otherwise", "Table CC.1.1-2", "What has ended one way does not end another: C300")
def ends_once(peer: Peer) -> None:
    refuses(peer, COMPLETED, CANCELED)
    refuses(peer, CANCELED, COMPLETED)


@COMPLETE.required("kept", "CC.2.1.3", "A completed step can be retrieved")
def keeps_what_ended(peer: Peer) -> None:
    uid, _ = in_state(peer, COMPLETED)
    if peer.get(uid, by=PULL).dataset is None:
        raise Failed("expected the step, got no Attribute List")
