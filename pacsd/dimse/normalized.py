"""DIMSE-N as SCP: N-CREATE, N-SET, N-GET, N-ACTION, N-DELETE, N-EVENT-REPORT (PS3.7 10.1), for every service alike.

A service is a `NormalizedClass` for each SOP class that can be negotiated, in the table of `operations.py`: what may be
asked in its contexts, and which function answers. That function gets a `Request` that was checked (PS3.7 10.1.x.1) and
its data set as DICOM JSON, and returns a `Reply`; it refuses by raising OperationError with a status of its own, or a
PacsdError, which becomes the status that the tables of `statuses.py` give its fault. It sees no bytes and no socket.
"""

import logging
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from pacsd.access.directory import Peer
from pacsd.codec.structure import MalformedDataset
from pacsd.dimse.association import Association, Message
from pacsd.dimse.command import (
    ACTION_TYPE_ID,
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    ATTRIBUTE_IDENTIFIER_LIST,
    EVENT_TYPE_ID,
    N_ACTION_RQ,
    N_CREATE_RQ,
    N_EVENT_REPORT_RQ,
    N_SET_RQ,
    REQUESTED_SOP_CLASS_UID,
    REQUESTED_SOP_INSTANCE_UID,
    Command,
    Value,
)
from pacsd.dimse.datasets import MAX_DATASET_BYTES, Dataset, decoded, encoded
from pacsd.dimse.notifications import Answered, EventReport
from pacsd.dimse.services import Services
from pacsd.dimse.statuses import (
    ARGUMENT_STATUS,
    CLASS_INSTANCE_CONFLICT,
    INVALID_SOP_INSTANCE,
    MISSING_ATTRIBUTE_VALUE,
    MISTYPED_ARGUMENT,
    NORMALIZED_STATUS,
    PROCESSING_FAILURE,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
    OperationError,
    failure,
    operation_failure,
    response,
)
from pacsd.dimse.violations import AssociationEnded
from pacsd.faults import Fault, PacsdError

log = logging.getLogger("pacsd.dimse")

_UID = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+", re.ASCII)      # PS3.5 9.1
_MAX_UID_CHARACTERS = 64
_TYPE_IDS = {N_ACTION_RQ: ACTION_TYPE_ID, N_EVENT_REPORT_RQ: EVENT_TYPE_ID}
_NAMED_AS_AFFECTED = (N_CREATE_RQ, N_EVENT_REPORT_RQ)
_WITH_DATASET = (N_CREATE_RQ, N_SET_RQ, N_ACTION_RQ, N_EVENT_REPORT_RQ)


@dataclass(frozen=True, slots=True)
class Request:
    """An operation that a peer asks for. `abstract_syntax` is the class of the context, not that of the instance.

    `sop_instance_uid` is empty where an N-CREATE leaves it to us; `type_id` is the Action or Event Type ID; `tags` the
    Attribute Identifier List of an N-GET, where none means all.
    """

    operation: int                       # Command Field
    abstract_syntax: str
    sop_class_uid: str
    sop_instance_uid: str
    peer: Peer
    calling: str
    called: str
    type_id: int = 0
    tags: tuple[int, ...] = ()
    dataset: Dataset = field(default_factory=dict)


Notify = Callable[[EventReport, Answered], bool]


@dataclass(frozen=True, slots=True)
class Reply:
    """What was done. `status` is success or a warning; `tags` an Attribute Identifier List that goes with it.

    `afterwards` is called when the response has been sent, with a function that sends an N-EVENT-REPORT in the same
    context of the same association: see `notifications.py`. Event Information is encoded with `encoded`, in
    `transfer_syntax_uid`. With `quiet_s` nothing is sent, and that function returns False, if the peer says something
    within so many seconds: whoever goes on, or releases the association, does not wait for events.
    """

    status: int = SUCCESS
    dataset: Mapping[str, Mapping[str, object]] | None = None
    comment: str = ""
    sop_instance_uid: str = ""           # of an N-CREATE that named none
    tags: tuple[int, ...] = ()
    afterwards: Callable[[Notify, str], None] | None = None
    quiet_s: float = 0.0


Operation = Callable[[Request, Services], Reply]


@dataclass(frozen=True, slots=True)
class NormalizedClass:
    """What is served in the contexts of one SOP class.

    `sop_classes`: those of the instances that may be named there (PS3.7 10.1: it need not be the class of the context).
    """

    operations: Mapping[int, Operation]
    sop_classes: Collection[str]
    max_dataset_bytes: int = MAX_DATASET_BYTES


def answer(
    association: Association, message: Message, services: Services, *, classes: Mapping[str, NormalizedClass]
) -> None:
    """Perform one DIMSE-N operation and answer it; an operation that is not agreed is refused with 0211H."""
    command = message.command
    try:
        declared, operation = _operation(message, classes)
        request = _request(association, message, declared)
        association.told = request.dataset
        reply = operation(request, services)
        values, dataset = _response(message, reply, request.peer)
    except OperationError as error:
        association.discard_dataset()
        association.send(message.context, operation_failure(command, error))
        return
    except PacsdError as error:
        association.discard_dataset()
        log.warning("operation refused", extra={"fault": error.fault.value, "reason": error.message})
        association.send(message.context, failure(command, error, status_table(command.field)))
        return
    association.send(message.context, values, dataset)
    if reply.afterwards is not None:
        _go_on(association, message, reply.afterwards, quiet_s=reply.quiet_s)


def status_table(command_field: int) -> Mapping[Fault, int]:
    """The statuses of our faults in the answers to an operation."""
    return ARGUMENT_STATUS if command_field in _TYPE_IDS else NORMALIZED_STATUS


def is_uid(text: str) -> bool:
    """Whether it is a UID (PS3.5 9.1)."""
    return len(text) <= _MAX_UID_CHARACTERS and _UID.fullmatch(text) is not None


def _operation(message: Message, classes: Mapping[str, NormalizedClass]) -> tuple[NormalizedClass, Operation]:
    context = message.context
    declared = classes.get(context.abstract_syntax)
    operation = declared.operations.get(message.command.field) if declared is not None else None
    if declared is None or operation is None:
        raise OperationError(UNRECOGNIZED_OPERATION, "this operation is not served in this presentation context")
    if not context.requestor_is_scu:
        raise OperationError(UNRECOGNIZED_OPERATION, "the role of SCU was not agreed for this presentation context")
    return declared, operation


def _request(association: Association, message: Message, declared: NormalizedClass) -> Request:
    """The request with all that can be said of it without knowing the service. Raises OperationError, PacsdError."""
    command = message.command
    sop_class_uid = _sop_class_uid(command, declared)
    sop_instance_uid = _sop_instance_uid(command)
    type_id, tags = _type_id(command), command.tags(ATTRIBUTE_IDENTIFIER_LIST)
    if tags is None:
        raise OperationError(MISTYPED_ARGUMENT, "Attribute Identifier List is no list of tags")
    return Request(
        command.field, message.context.abstract_syntax, sop_class_uid, sop_instance_uid, association.require_peer(),
        association.calling, association.called, type_id, tags, _dataset(association, message, declared),
    )  # fmt: skip


def _sop_class_uid(command: Command, declared: NormalizedClass) -> str:
    """An N-GET may name it as affected (PS3.4 CC.2.7.2 says so, PS3.7 Table 10.3-3 does not)."""
    uid = command.text(REQUESTED_SOP_CLASS_UID) or command.text(AFFECTED_SOP_CLASS_UID)
    if command.field in _NAMED_AS_AFFECTED:
        uid = command.text(AFFECTED_SOP_CLASS_UID)
    if uid not in declared.sop_classes:
        raise OperationError(CLASS_INSTANCE_CONFLICT, "instances of this SOP class are not served in this context")
    return uid


def _sop_instance_uid(command: Command) -> str:
    element = AFFECTED_SOP_INSTANCE_UID if command.field in _NAMED_AS_AFFECTED else REQUESTED_SOP_INSTANCE_UID
    uid = command.text(element)
    if not is_uid(uid) and (uid or command.field != N_CREATE_RQ):
        raise OperationError(INVALID_SOP_INSTANCE, "the SOP Instance UID is missing or no UID")
    return uid


def _type_id(command: Command) -> int:
    element = _TYPE_IDS.get(command.field)
    if element is None:
        return 0
    found = command.number(element)
    if found < 0:
        raise OperationError(MISTYPED_ARGUMENT, "the Action or Event Type ID is missing")
    return found


def _dataset(association: Association, message: Message, declared: NormalizedClass) -> Dataset:
    if message.command.field not in _WITH_DATASET:
        return {}
    if not message.command.has_dataset:
        if message.command.field == N_SET_RQ:
            raise OperationError(MISSING_ATTRIBUTE_VALUE, "there is no Modification List")
        return {}
    data = association.read_identifier(message, max_bytes=declared.max_dataset_bytes)
    override = association.require_peer().character_set
    syntax = message.context.transfer_syntax
    try:
        return decoded(data, syntax, character_set=override, max_bytes=declared.max_dataset_bytes)
    except MalformedDataset as error:
        raise OperationError(PROCESSING_FAILURE, error.message) from error


def _response(message: Message, reply: Reply, peer: Peer) -> tuple[dict[int, Value], bytes | None]:
    """The values and the data set of a success or a warning (PS3.7 10.3)."""
    command = message.command
    values = response(command, reply.status, comment=reply.comment)
    if reply.sop_instance_uid:
        values[AFFECTED_SOP_INSTANCE_UID] = reply.sop_instance_uid
    if reply.tags:
        values[ATTRIBUTE_IDENTIFIER_LIST] = reply.tags
    if (element := _TYPE_IDS.get(command.field)) is not None:
        values[element] = command.number(element)
    if reply.dataset is None:
        return values, None
    return values, encoded(reply.dataset, message.context.transfer_syntax, character_set=peer.character_set)


def _go_on(
    association: Association, message: Message, afterwards: Callable[[Notify, str], None], *, quiet_s: float
) -> None:
    """What a service does when its answer is on its way. It was answered: a failure cannot be told any more."""

    def notify(report: EventReport, answered: Answered) -> bool:
        if quiet_s and association.readable(quiet_s):
            return False
        return association.notifications.send(message.context, report, answered)

    try:
        afterwards(notify, message.context.transfer_syntax)
    except AssociationEnded:
        raise
    except Exception:
        log.exception("what follows an operation failed")
