"""No DIMSE answer begins before its access is on record."""

from types import SimpleNamespace

import pytest

from pacsd.access.operations import Operation
from pacsd.audit.audited import AUDITED
from pacsd.audit.codes import Event, Kind, Outcome
from pacsd.audit.message import AuditMessage
from pacsd.dimse.command import C_ECHO_RQ, C_FIND_RQ, C_MOVE_RQ, C_STORE_RQ, N_CREATE_RQ, N_GET_RQ, Command
from pacsd.dimse.recording import NotRecorded, Party, Recording, operation_of
from pacsd.dimse.sop_classes import SOP_CLASSES
from pacsd.dimse.sub_operations import Tally
from pacsd.faults import Fault, PacsdError

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


class Recorder:
    """A recorder that keeps messages, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.messages: list[AuditMessage] = []
        self.fails = fails

    def write(self, *messages: AuditMessage) -> tuple[str, int]:
        if self.fails:
            raise PacsdError(Fault.UNAVAILABLE, "the access cannot be recorded")
        self.messages += messages
        return "W", len(self.messages)

    def begin(self, make, *, key=None):  # type: ignore[no-untyped-def]
        self.write(*make())


def party() -> Party:
    return Party("CT1", "PACSD", "10.1.0.7", "east", "EAST")


def test_a_study_is_recorded_once_in_an_association_and_its_numbers_at_the_end() -> None:
    recorder, who = Recorder(), party()
    recording = Recording(recorder)
    for number in range(5):
        recording.stored(who, "1.2" if number < 3 else "1.3", CT)
    assert [(one.event, one.studies()) for one in recorder.messages] == [
        (Event.BEGIN_TRANSFERRING, ("1.2",)), (Event.BEGIN_TRANSFERRING, ("1.3",)),
    ]  # fmt: skip
    recording.ended(who)
    first, second = recorder.messages[2:]
    assert first.event is second.event is Event.TRANSFERRED
    assert [one.objects[0].sop_classes for one in (first, second)] == [{CT: 3}, {CT: 2}]
    recording.ended(who)
    assert len(recorder.messages) == 4


def test_an_object_whose_study_cannot_be_recorded_is_not_acknowledged() -> None:
    recorder, who = Recorder(fails=True), party()
    with pytest.raises(NotRecorded):
        Recording(recorder).stored(who, "1.2", CT)
    recorder.fails = False
    Recording(recorder).stored(who, "1.2", CT)           # the first that is acknowledged is recorded
    assert len(recorder.messages) == 1


def test_a_retrieval_tells_what_was_asked_and_in_the_end_what_went_out() -> None:
    recorder = Recorder()
    chosen = [SimpleNamespace(study_instance_uid=study, sop_instance_uid=f"{study}.{n}", sop_class_uid=CT)
              for study in ("1.2", "1.3") for n in range(4)]  # fmt: skip
    tally = Tally(len(chosen))
    sent = Recording(recorder).sending(party(), chosen, C_MOVE_RQ)       # type: ignore[arg-type]
    for one in chosen[:3]:
        tally.note(one.sop_instance_uid, 0 if one is not chosen[1] else 0xA700)
    tally.tell(sent, cancelled=True)
    told = [(one.event, one.studies(), dict(one.objects[0].sop_classes)) for one in recorder.messages]
    assert told == [
        (Event.BEGIN_TRANSFERRING, ("1.2",), {CT: 4}), (Event.BEGIN_TRANSFERRING, ("1.3",), {CT: 4}),
        (Event.TRANSFERRED, ("1.2",), {CT: 2}), (Event.TRANSFERRED, ("1.3",), {}),
    ]  # fmt: skip
    assert recorder.messages[-1].reason == "1 sub-operations failed, 5 not begun"


def test_a_query_is_recorded_as_it_came() -> None:
    recorder = Recorder()
    command = Command({0x0100: C_FIND_RQ.to_bytes(2, "little"), 0x0002: STUDY_ROOT_FIND.encode()})
    Recording(recorder).operation(party(), command, STUDY_ROOT_FIND, 0xFF00, b"\x08\x00", {})
    (message,) = recorder.messages
    (query,) = message.objects
    assert message.event is Event.QUERY and message.outcome is Outcome.SUCCESS
    assert (query.kind, query.id, query.query) == (Kind.SOP_CLASS_QUERY, STUDY_ROOT_FIND, b"\x08\x00")


def test_every_class_and_command_has_an_operation_of_the_table() -> None:
    for declared in SOP_CLASSES:
        for field in (C_STORE_RQ, C_FIND_RQ, N_CREATE_RQ, N_GET_RQ):
            assert operation_of(field, declared.uid) in AUDITED
    assert operation_of(C_ECHO_RQ, "1.2.840.10008.1.1") is Operation.DESCRIBE


def test_a_rejected_association_is_a_security_alert_and_rejected_all_the_same() -> None:
    recorder = Recorder()
    Recording(recorder).rejected(party(), "called AE title not recognized")
    assert recorder.messages[0].event is Event.SECURITY_ALERT
    Recording(Recorder(fails=True)).rejected(party(), "x")


def test_without_a_recorder_nothing_is_done() -> None:
    recording = Recording()
    assert not recording.active
    recording.stored(party(), "1.2", CT)
