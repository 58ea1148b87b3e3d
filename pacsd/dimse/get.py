"""Retrieve over the same association as SCP: C-GET (PS3.4 C.4.3, PS3.7 9.1.3)."""

from __future__ import annotations

import logging

from pacsd.archive.retrieve import InstanceRef
from pacsd.dimse.association import Association, Message
from pacsd.dimse.command import C_CANCEL_RQ, C_STORE_RSP, MESSAGE_ID_BEING_RESPONDED_TO
from pacsd.dimse.find import served
from pacsd.dimse.recording import Sent
from pacsd.dimse.requestor import store_request
from pacsd.dimse.sending import coding_for, context_for, in_syntax
from pacsd.dimse.services import Services
from pacsd.dimse.sop_classes import Service
from pacsd.dimse.statuses import RETRIEVE_STATUS, SOP_CLASS_NOT_SUPPORTED, STORE_STATUS, failure, response
from pacsd.dimse.sub_operations import Tally, chosen_instances, recorded
from pacsd.dimse.violations import AbortReason, Violation
from pacsd.faults import Fault, PacsdError

log = logging.getLogger("pacsd.dimse")

_MAX_IDS = 0xFFFF


def answer(association: Association, message: Message, services: Services) -> None:
    """Send every chosen instance back over the contexts the peer is SCP of, then the final response."""
    declared = served(message, Service.GET)
    if declared is None:
        association.discard_dataset()
        association.send(message.context, response(message.command, SOP_CLASS_NOT_SUPPORTED))
        return
    try:
        instances = chosen_instances(association, message, services, declared)
        _Get(association, message, services, instances).run(recorded(association, message, services, instances))
    except PacsdError as error:
        association.send(message.context, failure(message.command, error, RETRIEVE_STATUS))


class _Get:
    """One C-GET."""

    def __init__(
        self, association: Association, message: Message, services: Services, instances: list[InstanceRef]
    ) -> None:
        self._association = association
        self._message = message
        self._retrieve = services.archive.retrieve
        self._pace = services.pace
        self._instances = instances
        self._cancelled = False
        self._contexts = [one for one in association.contexts.values() if one.requestor_is_scp]

    def run(self, sent: Sent) -> None:
        """Send them, and tell how it ended."""
        tally, worked_since = Tally(len(self._instances)), self._pace.now()
        try:
            self._send_all(tally, worked_since)
        finally:
            tally.tell(sent, cancelled=self._cancelled)
        tally.finish(self._association, self._message, cancelled=self._cancelled)

    def _send_all(self, tally: Tally, worked_since: float) -> None:
        for number, ref in enumerate(self._instances):
            if not self._cancelled and self._association.readable():
                self._hear_cancel()
            if self._cancelled:
                break
            self._association.require_peer()     # who asks is still who they were
            try:
                tally.note(ref.sop_instance_uid, self._send(ref, number % _MAX_IDS + 1))
            except PacsdError as error:
                log.warning("sub-operation failed", extra={"fault": error.fault.value, "reason": error.message})
                tally.note(ref.sop_instance_uid, STORE_STATUS[error.fault], error.message)
            tally.speak(self._association, self._message)
            worked_since = self._pace.give_way(worked_since)

    def _send(self, ref: InstanceRef, message_id: int) -> int:
        """Status of one C-STORE. Raises PacsdError if it cannot begin."""
        if not self._contexts:
            raise PacsdError(Fault.UNSUPPORTED, "no context with the role SCP was negotiated")
        coding = coding_for(self._retrieve, self._contexts, ref)
        context = context_for(self._contexts, ref.sop_class_uid, coding.transfer_syntax_uid)
        values = store_request(
            message_id, sop_class_uid=ref.sop_class_uid, sop_instance_uid=ref.sop_instance_uid, originator=None
        )
        with self._retrieve.open(coding) as reader:
            outgoing = in_syntax(reader, source=coding.transfer_syntax_uid, target=context.transfer_syntax)
            self._association.send_object(context, values, outgoing)
        return self._await_response(message_id)

    def _await_response(self, message_id: int) -> int:
        while True:
            message = self._association.receive_response()
            if message.command.field == C_CANCEL_RQ:
                self._note_cancel(message)
                continue
            if self._association.notifications.answered(message.command):
                continue
            due = message.command.number(MESSAGE_ID_BEING_RESPONDED_TO) == message_id
            if message.command.field != C_STORE_RSP or not due:
                raise Violation(AbortReason.UNEXPECTED_PARAMETER, "not the C-STORE response that is due")
            return message.command.status

    def _hear_cancel(self) -> None:
        message = self._association.receive_response()
        if self._association.notifications.answered(message.command):
            return
        if message.command.field != C_CANCEL_RQ:
            raise Violation(AbortReason.UNEXPECTED_PARAMETER, "a second operation was not agreed")
        self._note_cancel(message)

    def _note_cancel(self, message: Message) -> None:
        answered = message.command.number(MESSAGE_ID_BEING_RESPONDED_TO)
        self._cancelled = self._cancelled or answered == self._message.command.message_id
