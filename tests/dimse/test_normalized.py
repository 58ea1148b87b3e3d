"""DIMSE-N end to end: pynetdicom as a foreign SCU, raw bytes as a hostile one, notifications on either association."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt

from config.settings import RemoteAESettings
from pacsd.dimse import command, normalized
from pacsd.dimse.acceptor import HANDLERS
from pacsd.dimse.associate import AssociateAccept, Role
from pacsd.dimse.command import Command, Value
from pacsd.dimse.datasets import encoded
from pacsd.dimse.normalized import NormalizedClass, Notify, Reply, Request
from pacsd.dimse.notifications import EventReport
from pacsd.dimse.pdu import RELEASE_RP, RELEASE_RQ, pdata
from pacsd.dimse.requestor import Proposal, Requestor
from pacsd.dimse.statuses import ARGUMENT_STATUS, NORMALIZED_STATUS, OperationError
from pacsd.faults import Fault, PacsdError
from tests.dimse.fakes import Server, running
from tests.dimse.wire import EXPLICIT, IMPLICIT, Raw, request

PRINT_JOB = "1.2.840.10008.5.1.1.14"     # a normalized class that this server has no use for
FILM = "1.2.840.10008.5.1.1.1"
UID = "1.2.3.4"


class Desk:
    """A service: keeps what it is asked, answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.reply: Reply | Exception = Reply()

    def __call__(self, asked: Request, _: Any) -> Reply:
        self.asked.append(asked)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


@contextmanager
def serving(desk: Desk, *, max_dataset_bytes: int = 1 << 20, **options: Any) -> Iterator[Server]:
    """Every operation but N-DELETE is the desk's, on films as well as on print jobs."""
    operations = {field: desk for field in command.NORMALIZED if field != command.N_DELETE_RQ}
    classes = {PRINT_JOB: NormalizedClass(operations, (PRINT_JOB, FILM), max_dataset_bytes)}
    handlers = {**HANDLERS, **dict.fromkeys(command.NORMALIZED, partial(normalized.answer, classes=classes))}
    with running(private_sop_classes=frozenset((PRINT_JOB,)), handlers=handlers, **options) as server:
        yield server


@contextmanager
def foreign(server: Server, **options: Any) -> Iterator[Any]:
    """pynetdicom's association."""
    ae = AE("FOREIGN")
    ae.add_requested_context(PRINT_JOB)
    association = ae.associate("127.0.0.1", server.port, ae_title="PACSD", **options)
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


def attributes() -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", "张^三"
    return dataset


def test_a_foreign_scu_invokes_every_operation() -> None:
    desk = Desk()
    with serving(desk) as server, foreign(server) as scu:
        assert scu.send_n_create(attributes(), PRINT_JOB, UID)[0].Status == 0
        assert scu.send_n_set(attributes(), PRINT_JOB, UID)[0].Status == 0
        assert scu.send_n_action(attributes(), 7, PRINT_JOB, UID)[0].Status == 0
        assert scu.send_n_event_report(attributes(), 3, PRINT_JOB, UID)[0].Status == 0
        desk.reply = Reply(dataset={"00100020": {"vr": "LO", "Value": ["P1"]}})
        status, found = scu.send_n_get([0x00100020, 0x00100010], PRINT_JOB, UID)
    assert status.Status == 0 and found.PatientID == "P1"
    fields = [command.N_CREATE_RQ, command.N_SET_RQ, command.N_ACTION_RQ, command.N_EVENT_REPORT_RQ, command.N_GET_RQ]
    assert [one.operation for one in desk.asked] == fields
    assert [one.type_id for one in desk.asked] == [0, 0, 7, 3, 0]
    assert all((one.sop_class_uid, one.sop_instance_uid) == (PRINT_JOB, UID) for one in desk.asked)
    assert desk.asked[0].dataset["00100010"]["Value"] == [{"Alphabetic": "张^三"}]
    assert desk.asked[4].tags == (0x00100020, 0x00100010) and desk.asked[4].dataset == {}
    assert desk.asked[0].calling == "FOREIGN" and desk.asked[0].peer.title == "FOREIGN"


def test_an_instance_may_be_of_another_class_than_the_context() -> None:
    desk = Desk()
    with serving(desk) as server, foreign(server) as scu:
        assert scu.send_n_set(attributes(), FILM, UID, meta_uid=PRINT_JOB)[0].Status == 0
        assert scu.send_n_set(attributes(), "1.2.3", UID, meta_uid=PRINT_JOB)[0].Status == 0x0119
    assert [(one.abstract_syntax, one.sop_class_uid) for one in desk.asked] == [(PRINT_JOB, FILM)]


def test_a_status_of_the_service_comes_with_what_belongs_to_it() -> None:
    desk = Desk()
    with serving(desk) as server, foreign(server) as scu:
        desk.reply = OperationError(0x0110, "final", error_id=0xA710, offending=(0x00400252,))
        status, _ = scu.send_n_set(attributes(), PRINT_JOB, UID)
        assert (status.Status, status.ErrorID, status.ErrorComment) == (0x0110, 0xA710, "final")
        desk.reply = OperationError(0x0105, "", attributes=(0x00100010, 0x00100020))
        status, _ = scu.send_n_set(attributes(), PRINT_JOB, UID)
        assert list(status.AttributeIdentifierList) == [0x00100010, 0x00100020]
        desk.reply = Reply(0x0107, tags=(0x00100010,), comment="not all")
        assert scu.send_n_set(attributes(), PRINT_JOB, UID)[0].Status == 0x0107


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_its_status(fault: Fault) -> None:
    desk = Desk()
    desk.reply = PacsdError(fault, "no")
    with serving(desk) as server, foreign(server) as scu:
        assert scu.send_n_set(attributes(), PRINT_JOB, UID)[0].Status == NORMALIZED_STATUS[fault]
        assert scu.send_n_action(attributes(), 1, PRINT_JOB, UID)[0].Status == ARGUMENT_STATUS[fault]


def test_a_defect_is_a_processing_failure_and_the_association_goes_on() -> None:
    desk = Desk()
    desk.reply = ZeroDivisionError()
    with serving(desk) as server, foreign(server) as scu:
        assert scu.send_n_set(attributes(), PRINT_JOB, UID)[0].Status == 0x0110
        desk.reply = Reply()
        assert scu.send_n_set(attributes(), PRINT_JOB, UID)[0].Status == 0


def test_what_is_not_served_is_an_unrecognized_operation() -> None:
    with serving(Desk()) as server, foreign(server) as scu:
        assert scu.send_n_delete(PRINT_JOB, UID).Status == 0x0211
        assert scu.send_n_set(attributes(), PRINT_JOB, UID)[0].Status == 0


def values(field: int, **more: Value) -> dict[int, Value]:
    """A request as it should be, with what a test makes of it."""
    affected = field in (command.N_CREATE_RQ, command.N_EVENT_REPORT_RQ)
    made: dict[int, Value] = {
        command.COMMAND_FIELD: field,
        command.MESSAGE_ID: 5,
        command.COMMAND_DATA_SET_TYPE: command.NO_DATA_SET,
        command.AFFECTED_SOP_CLASS_UID if affected else command.REQUESTED_SOP_CLASS_UID: PRINT_JOB,
        command.AFFECTED_SOP_INSTANCE_UID if affected else command.REQUESTED_SOP_INSTANCE_UID: UID,
    }
    return made | {getattr(command, name): value for name, value in more.items()}


def ask(raw: Raw, asked: dict[int, Value], *pieces: bytes) -> Command:
    sent = pdata(1, command.encode(asked), command=True, max_pdu_bytes=16384)
    for piece in pieces:
        sent += pdata(1, piece, command=False, max_pdu_bytes=16384)
    raw.send(b"".join(bytes(one) for one in sent))
    return response(raw)


def response(raw: Raw) -> Command:
    kind, body = raw.pdu()
    assert kind == 4, kind
    return command.decode(body[6:])


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (values(command.N_SET_RQ), 0x0121),
        (values(command.N_ACTION_RQ), 0x0212),
        (values(command.N_GET_RQ, REQUESTED_SOP_INSTANCE_UID=""), 0x0117),
        (values(command.N_GET_RQ, REQUESTED_SOP_INSTANCE_UID="1.2.03"), 0x0117),
        (values(command.N_GET_RQ, REQUESTED_SOP_INSTANCE_UID="../../etc/passwd"), 0x0117),
        (values(command.N_GET_RQ, REQUESTED_SOP_INSTANCE_UID="1." + "2" * 63), 0x0117),
        (values(command.N_GET_RQ, REQUESTED_SOP_CLASS_UID=""), 0x0119),
        (values(command.N_GET_RQ, ATTRIBUTE_IDENTIFIER_LIST="sixsix"), 0x0212),
        (values(command.N_CREATE_RQ, AFFECTED_SOP_INSTANCE_UID="x"), 0x0117),
        (values(command.N_ACTION_RQ, ACTION_TYPE_ID=1), 0),
        (values(command.N_GET_RQ), 0),
    ],
)
def test_parameters_are_checked(asked: dict[int, Value], status: int) -> None:
    with serving(Desk()) as server, Raw(server.port) as raw:
        raw.associate(request((PRINT_JOB, (IMPLICIT,))))
        answer = ask(raw, asked)
        assert (answer.field, answer.status) == (int(str(asked[command.COMMAND_FIELD])) | 0x8000, status)
        assert answer.number(command.MESSAGE_ID_BEING_RESPONDED_TO) == 5
        raw.send(RELEASE_RQ)
        assert raw.pdu() == (6, RELEASE_RP[6:])


def test_a_uid_that_we_make_is_told() -> None:
    desk = Desk()
    desk.reply = Reply(sop_instance_uid="1.2.99")
    with serving(desk) as server, Raw(server.port) as raw:
        raw.associate(request((PRINT_JOB, (IMPLICIT,))))
        asked = values(command.N_CREATE_RQ)
        del asked[command.AFFECTED_SOP_INSTANCE_UID]
        assert ask(raw, asked).text(command.AFFECTED_SOP_INSTANCE_UID) == "1.2.99"
    assert desk.asked[0].sop_instance_uid == ""


def test_an_answer_repeats_what_was_requested_as_affected() -> None:
    with serving(Desk()) as server, Raw(server.port) as raw:
        raw.associate(request((PRINT_JOB, (IMPLICIT,))))
        answer = ask(raw, values(command.N_ACTION_RQ, ACTION_TYPE_ID=4))
        assert answer.text(command.AFFECTED_SOP_CLASS_UID) == PRINT_JOB
        assert answer.text(command.AFFECTED_SOP_INSTANCE_UID) == UID and answer.number(command.ACTION_TYPE_ID) == 4
        assert not answer.elements.keys() & {command.REQUESTED_SOP_CLASS_UID, command.REQUESTED_SOP_INSTANCE_UID}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x10\0\x20\0\xff\xff\xff\x7fP1", 0x0110),
        (b"\x10\0\x20\0\x02\0\0\0P1" * 2, 0x0110),
        (b"\0\0\0", 0x0110),
        (b"\x10\0\x20\0\x02\0\0\0P1" + b"\0" * 5000, 0x0213),
        (b"", 0),
    ],
)
def test_a_hostile_data_set_is_refused_and_the_association_goes_on(data: bytes, status: int) -> None:
    desk = Desk()
    with serving(desk, max_dataset_bytes=4096) as server, Raw(server.port) as raw:
        raw.associate(request((PRINT_JOB, (IMPLICIT,))))
        assert ask(raw, values(command.N_SET_RQ, COMMAND_DATA_SET_TYPE=1), data).status == status
        assert len(desk.asked) == (status == 0)
        assert ask(raw, values(command.N_SET_RQ, COMMAND_DATA_SET_TYPE=1), b"\x10\0\x20\0\x02\0\0\0P1").status == 0


def test_a_refused_request_has_its_data_set_read_over() -> None:
    with serving(Desk()) as server, Raw(server.port) as raw:
        raw.associate(request((PRINT_JOB, (IMPLICIT,))))
        asked = values(command.N_SET_RQ, COMMAND_DATA_SET_TYPE=1, REQUESTED_SOP_INSTANCE_UID="x")
        assert ask(raw, asked, bytes(1 << 16)).status == 0x0117
        assert ask(raw, values(command.N_GET_RQ)).status == 0


def test_who_did_not_agree_to_be_scu_invokes_nothing() -> None:
    desk = Desk()
    with serving(desk) as server, Raw(server.port) as raw:
        accepted = raw.associate(request((PRINT_JOB, (IMPLICIT,)), roles=(Role(PRINT_JOB, False, True),)))
        assert isinstance(accepted, AssociateAccept) and not accepted.user.roles[0].scu
        assert ask(raw, values(command.N_GET_RQ)).status == 0x0211
    assert desk.asked == []


class Told:
    """What became of notifications."""

    def __init__(self) -> None:
        self.answers: list[int | None] = []
        self.heard = threading.Event()

    def __call__(self, answer: Command | None) -> None:
        self.answers.append(None if answer is None else answer.status)
        self.heard.set()


def notifying(told: Told, *numbers: int) -> Reply:
    def afterwards(notify: Notify, syntax: str) -> None:
        for number in numbers:
            information = encoded({"00100020": {"vr": "LO", "Value": [f"P{number}"]}}, syntax)
            assert notify(EventReport(PRINT_JOB, UID, number, information), told)

    return Reply(afterwards=afterwards)


def test_a_foreign_scu_hears_of_events_on_its_own_association() -> None:
    desk, told = Desk(), Told()
    heard: list[tuple[int, str]] = []
    done = threading.Event()

    def on_event(event: Any) -> tuple[int, None]:
        heard.append((event.event_type, str(event.event_information.PatientID)))
        if len(heard) == 3:
            done.set()
        return (0x0000 if event.event_type < 3 else 0x0110), None

    desk.reply = notifying(told, 1, 2, 3)
    with serving(desk) as server:
        with foreign(server, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_event)]) as scu:
            assert scu.send_n_action(attributes(), 1, PRINT_JOB, UID)[0].Status == 0
            assert done.wait(10)
            desk.reply = Reply()
            assert scu.send_n_set(attributes(), PRINT_JOB, UID)[0].Status == 0
    assert heard == [(1, "P1"), (2, "P2"), (3, "P3")] and told.answers == [0, 0, 0x0110]


def test_requests_may_come_before_the_answer_to_a_notification() -> None:
    desk, told = Desk(), Told()
    desk.reply = notifying(told, 1, 2)
    with serving(desk) as server, Raw(server.port) as raw:
        raw.associate(request((PRINT_JOB, (IMPLICIT,))))
        assert ask(raw, values(command.N_ACTION_RQ, ACTION_TYPE_ID=1)).status == 0
        event = response(raw)
        assert (event.field, event.number(command.EVENT_TYPE_ID)) == (command.N_EVENT_REPORT_RQ, 1)
        raw.pdu()                                # its data set; the second report waits for the answer to this one
        desk.reply = Reply()
        assert ask(raw, values(command.N_GET_RQ)).status == 0
        raw.send(answer_to(event))
        second = response(raw)
        assert second.number(command.EVENT_TYPE_ID) == 2 and second.message_id != event.message_id
        raw.send(answer_to(event))               # a second time: nobody waits for it
        raw.pdu()
        assert raw.pdu()[0] == 7
        assert told.heard.wait(10)
    assert told.answers[:1] == [0]


def answer_to(event: Command) -> bytes:
    answer: dict[int, Value] = {
        command.COMMAND_FIELD: command.N_EVENT_REPORT_RSP,
        command.MESSAGE_ID_BEING_RESPONDED_TO: event.message_id,
        command.COMMAND_DATA_SET_TYPE: command.NO_DATA_SET,
        command.STATUS: 0,
    }
    return b"".join(bytes(one) for one in pdata(1, command.encode(answer), command=True, max_pdu_bytes=16384))


def test_what_was_not_answered_is_told_when_the_association_ends() -> None:
    desk, told = Desk(), Told()
    desk.reply = notifying(told, 1)
    with serving(desk) as server:
        with Raw(server.port) as raw:
            raw.associate(request((PRINT_JOB, (IMPLICIT,))))
            ask(raw, values(command.N_ACTION_RQ, ACTION_TYPE_ID=1))
            response(raw)
        assert told.heard.wait(10)
    assert told.answers == [None]


@contextmanager
def listening(*, takes_the_role: bool | None) -> Iterator[tuple[RemoteAESettings, list[Any]]]:
    """A foreign application that hears of events on associations we open, and what it heard."""
    heard: list[Any] = []

    def on_event(event: Any) -> tuple[int, None]:
        info = event.event_information
        heard.append((event.event_type, event.request.AffectedSOPClassUID, str(info.PatientID) if info else None))
        return (0x0213 if event.event_type == 9 else 0), None

    ae = AE("LISTENER")
    role = {} if takes_the_role is None else {"scu_role": False, "scp_role": takes_the_role}
    ae.add_supported_context(PRINT_JOB, [IMPLICIT, EXPLICIT], **role)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_event)])
    assert server is not None
    try:
        yield RemoteAESettings("LISTENER", "127.0.0.1", server.server_address[1], "default"), heard
    finally:
        server.shutdown()


@pytest.mark.parametrize("takes_the_role", [True, None])
def test_events_are_reported_on_an_association_of_ours(takes_the_role: bool | None) -> None:
    proposals = [Proposal(PRINT_JOB, as_scp=True)]
    with listening(takes_the_role=takes_the_role) as (remote, heard):
        with Requestor("PACSD").connect(remote, proposals) as association:
            context = association.accepted(PRINT_JOB)
            assert context is not None and context.requestor_is_scp and not context.requestor_is_scu
            information = encoded({"00100020": {"vr": "LO", "Value": ["P1"]}}, context.transfer_syntax)
            assert association.report_event(PRINT_JOB, EventReport(FILM, UID, 1, information)).status == 0
            assert association.report_event(PRINT_JOB, EventReport(PRINT_JOB, UID, 9)).status == 0x0213
    assert heard == [(1, FILM, "P1"), (9, PRINT_JOB, None)]


def test_a_role_that_is_refused_is_not_played() -> None:
    with serving(Desk()) as server:              # which takes no role of SCP for what is no storage of its own
        remote = RemoteAESettings("PACSD", "127.0.0.1", server.port, "default")
        with Requestor("US").connect(remote, [Proposal("1.2.840.10008.1.1", as_scp=True)]) as association:
            with pytest.raises(PacsdError) as refused:
                association.report_event("1.2.840.10008.1.1", EventReport(PRINT_JOB, UID, 1))
    assert refused.value.fault is Fault.UNSUPPORTED


def test_an_instance_is_created_at_a_foreign_scp() -> None:
    created: list[Any] = []

    def on_create(event: Any) -> tuple[int, Dataset]:
        created.append((event.request.AffectedSOPInstanceUID, event.attribute_list.PatientID))
        return 0, event.attribute_list

    ae = AE("SCP")
    ae.add_supported_context(FILM)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_CREATE, on_create)])
    assert server is not None
    try:
        remote = RemoteAESettings("SCP", "127.0.0.1", server.server_address[1], "default")
        with Requestor("PACSD").connect(remote, [Proposal(FILM, (IMPLICIT,))]) as association:
            answer = association.create(FILM, UID, encoded({"00100020": {"vr": "LO", "Value": ["P1"]}}, IMPLICIT))
    finally:
        server.shutdown()
    assert (answer.status, created) == (0, [(UID, "P1")])


def test_pynetdicom_negotiates_the_role_of_a_listener() -> None:
    """Role selection proposed to us for a class we have no SCU of is answered without the role of SCP."""
    with serving(Desk()) as server:
        ae = AE("FOREIGN")
        ae.add_requested_context("1.2.840.10008.1.1")
        roles = [build_role("1.2.840.10008.1.1", scu_role=True, scp_role=True)]
        association = ae.associate("127.0.0.1", server.port, ae_title="PACSD", ext_neg=roles)  # type: ignore[arg-type]
        assert association.is_established and not association.accepted_contexts[0].as_scp
        association.release()
