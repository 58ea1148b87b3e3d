"""Storage Commitment Push Model as SCP: N-ACTION in, N-EVENT-REPORT out (PS3.4 J.3; IHE RAD-10).

A request is answered when it is durable. Its result goes out on the same association, if the requester waits there;
else on one that we open (pacsd.dimse.notifier), as often as it takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from pacsd.archive.commitment import PUSH_MODEL_INSTANCE, Accepted, Result
from pacsd.archive.commitment_dataset import REFERENCED, references, result_dataset, uid_at, value
from pacsd.dimse.command import N_ACTION_RQ, Command
from pacsd.dimse.datasets import Dataset, encoded
from pacsd.dimse.normalized import NormalizedClass, Notify, Reply, Request
from pacsd.dimse.notifications import EventReport
from pacsd.dimse.requestor import Answer, Outgoing
from pacsd.dimse.services import Department, Services
from pacsd.dimse.sop_classes import STORAGE_COMMITMENT
from pacsd.dimse.statuses import (
    NO_SUCH_ACTION_TYPE,
    NO_SUCH_ARGUMENT,
    NO_SUCH_SOP_INSTANCE,
    NOT_AUTHORIZED,
    SUCCESS,
    OperationError,
)
from pacsd.workflow.notifications import Notification

MAX_DATASET_BYTES = 8 << 20              # some fifty thousand references
REQUEST_STORAGE_COMMITMENT = 1           # Action Type ID, PS3.4 Table J.3-1
SUCCESSFUL, FAILURES_EXIST = 1, 2        # Event Type ID, PS3.4 Table J.3-2

_TRANSACTION_UID, _RETRIEVE_AE_TITLE = "00081195", "00080054"
_QUIET_S = 0.5                           # silence after an answer that means: the requester waits for the result
_HOLDER = "association"


def request(asked: Request, services: Services) -> Reply:
    """Take a request for storage commitment (PS3.4 J.3.2)."""
    if "commitment" not in asked.peer.services:
        raise OperationError(NOT_AUTHORIZED, "this AE may not ask for storage commitment")
    if asked.sop_instance_uid != PUSH_MODEL_INSTANCE:
        raise OperationError(NO_SUCH_SOP_INSTANCE, "not the Storage Commitment Push Model SOP Instance")
    if asked.type_id != REQUEST_STORAGE_COMMITMENT:
        raise OperationError(NO_SUCH_ACTION_TYPE, "the Action Type ID is not 1")
    transaction_uid, instances = action(asked.dataset)
    department = services.of_department()
    accepted = department.commitments.request(
        organisation=asked.peer.organisation, requester=asked.calling, transaction_uid=transaction_uid,
        references=instances, own_title=asked.called,
    )  # fmt: skip
    remote = services.directory.of_organisation(asked.calling, asked.peer.organisation)
    if remote is not None and not remote.commitment_on_same_association:
        return Reply(afterwards=partial(_elsewhere, department, accepted))
    telling = _Telling(department, accepted, asked.called)
    return Reply(afterwards=telling.begin, quiet_s=_QUIET_S if remote is not None else 0.0)


def action(dataset: Dataset) -> tuple[str, list[tuple[str, str]]]:
    """Transaction UID and references (SOP Class UID, SOP Instance UID) of the Action Information (PS3.4 Table J.3-1).

    Raises OperationError for what is missing, PacsdError MALFORMED.
    """
    if _TRANSACTION_UID not in dataset or REFERENCED not in dataset:
        raise OperationError(NO_SUCH_ARGUMENT, "Transaction UID or Referenced SOP Sequence is missing")
    return uid_at(dataset, _TRANSACTION_UID), references(dataset)


def event(result: Result, *, retrieve_ae_title: str) -> tuple[int, Dataset]:
    """Event Type ID and Event Information (PS3.4 Table J.3-2)."""
    information = {_TRANSACTION_UID: value("UI", result.transaction_uid), **result_dataset(result)}
    if result.committed:
        information[_RETRIEVE_AE_TITLE] = value("AE", retrieve_ae_title)
    return FAILURES_EXIST if result.failed else SUCCESSFUL, information


def report(result: Result, *, own_title: str, transfer_syntax_uid: str) -> EventReport:
    """The N-EVENT-REPORT of a result (PS3.4 J.3.3)."""
    event_type_id, information = event(result, retrieve_ae_title=own_title)
    data = encoded(information, transfer_syntax_uid)
    return EventReport(STORAGE_COMMITMENT, PUSH_MODEL_INSTANCE, event_type_id, data)


def tell(department: Department, outgoing: Outgoing, one: Notification) -> Answer | None:
    """Report a result on an association of ours, on which we are SCP. None where its request is forgotten."""
    if one.commitment is None:
        return None
    result = department.commitments.decide(one.commitment)
    context = outgoing.accepted(STORAGE_COMMITMENT)
    syntax = context.transfer_syntax if context is not None else ""
    return outgoing.report_event(
        STORAGE_COMMITMENT, report(result, own_title=one.own_title, transfer_syntax_uid=syntax)
    )


CLASSES: Mapping[str, NormalizedClass] = {
    STORAGE_COMMITMENT: NormalizedClass({N_ACTION_RQ: request}, (STORAGE_COMMITMENT,), MAX_DATASET_BYTES),
}


@dataclass(frozen=True, slots=True)
class _Telling:
    """The result of one request, on the association it came on."""

    department: Department
    accepted: Accepted
    own_title: str

    def begin(self, notify: Notify, transfer_syntax_uid: str) -> None:
        """Report it, unless somebody else does; what cannot be told here is told elsewhere, and soon."""
        queue = self.department.notifications
        one = None
        if self.accepted.notification is not None:
            one = queue.claim(self.accepted.notification, holder=f"{_HOLDER} {uuid4().hex}")
        if one is None:
            return
        sent = False
        try:
            result = self.department.commitments.decide(self.accepted.pk)
            made = report(result, own_title=self.own_title, transfer_syntax_uid=transfer_syntax_uid)
            sent = notify(made, partial(self._answered, one))
        finally:
            if not sent:
                queue.let_go([one.pk])

    def _answered(self, one: Notification, command: Command | None) -> None:
        queue = self.department.notifications
        if command is not None and command.status == SUCCESS:
            queue.delivered(one)
        else:                                    # gone, or it does not take events here: on an association of ours
            queue.let_go([one.pk])


def _elsewhere(department: Department, accepted: Accepted, _notify: Notify, _syntax: str) -> None:
    if accepted.notification is not None:
        department.notifications.let_go([accepted.notification])
