"""Storage as SCP: C-STORE (PS3.4 B.2, PS3.7 9.1.1)."""

import logging
import re
from typing import Any

from pacsd.access.directory import Peer
from pacsd.dimse.association import Association, Message
from pacsd.dimse.command import AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID
from pacsd.dimse.services import Ingest, Reception, Services
from pacsd.dimse.sop_classes import Service, sop_class
from pacsd.dimse.statuses import (
    INVALID_SOP_INSTANCE,
    NOT_AUTHORIZED,
    SOP_CLASS_NOT_SUPPORTED,
    STORE_STATUS,
    SUCCESS,
    failure,
    response,
)
from pacsd.faults import Fault, PacsdError

log = logging.getLogger("pacsd.dimse")

# What can be kept as a key. PS3.5 9.1 allows less, but old devices' identifiers are no reason to refuse their images.
_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


class _Intake:
    """Where the data set of one C-STORE goes. The reception begins with the first bytes, and ends in any case."""

    def __init__(self, ingest: Ingest, peer: Peer, association: Association, message: Message) -> None:
        self._ingest = ingest
        self._peer = peer
        self._receiving_ae = association.called
        self._message = message
        self._reception: Reception | None = None
        self.size_bytes = 0
        self._failure: Exception | None = None

    def write(self, piece: memoryview) -> None:
        """Keep the bytes; after a failure the rest is heard out (the answer comes after the data set)."""
        if self._failure is not None:
            return
        try:
            if self._reception is None:
                self._reception = self._begin()
            self._reception.write(piece)
            self.size_bytes += len(piece)
        except Exception as error:               # kept, and raised by commit: the protocol goes on meanwhile
            self._failure = error
            self.abort()

    def commit(self) -> Any:
        """Make it last. Raises PacsdError."""
        if self._failure is not None:
            raise self._failure
        if self._reception is None:
            raise PacsdError(Fault.MALFORMED, "the data set is empty")
        return self._reception.commit()

    def abort(self) -> None:
        """Forget it."""
        if self._reception is not None:
            self._reception.abort()
            self._reception = None

    def _begin(self) -> Reception:
        command, context = self._message.command, self._message.context
        return self._ingest.receive(
            self._peer,
            sop_class_uid=command.text(AFFECTED_SOP_CLASS_UID),
            sop_instance_uid=command.text(AFFECTED_SOP_INSTANCE_UID),
            transfer_syntax_uid=context.transfer_syntax,
            receiving_ae=self._receiving_ae,
        )


def answer(association: Association, message: Message, services: Services) -> None:
    """Receive one object, and answer when it is durable and visible."""
    try:
        peer = association.require_peer()
    except PacsdError as error:              # who that is cannot be found out now: it is sent again later
        association.discard_dataset()
        association.send(message.context, failure(message.command, error, STORE_STATUS))
        return
    refused = _refusal(peer, message)
    if refused is not None:
        association.discard_dataset()
        status, comment = refused
        association.send(message.context, response(message.command, status, comment=comment))
        return
    declared = sop_class(message.context.abstract_syntax)
    archive = services.archive
    ingest = archive.non_patient.ingest if declared is not None and declared.non_patient else archive.ingest
    intake = _Intake(ingest, peer, association, message)
    try:
        association.read_dataset(message, intake.write)
    except BaseException:
        intake.abort()
        raise
    try:
        accepted = intake.commit()
    except PacsdError as error:
        log.warning("object refused", extra={"fault": error.fault.value, "reason": error.message})
        association.send(message.context, failure(message.command, error, STORE_STATUS))
        return
    services.pace.received()
    if services.recording.active and association.party is not None and accepted.study_instance_uid:
        association.before_answer = None         # the study is recorded, and not each of its objects
        services.recording.stored(association.party, accepted.study_instance_uid, accepted.sop_class_uid)
    try:
        association.send(message.context, response(message.command, SUCCESS))
    finally:
        association.meter.stored(intake.size_bytes)      # kept, whoever hears of it


def _refusal(peer: Peer, message: Message) -> tuple[int, str] | None:
    """Status and comment of what is refused before its data set is looked at (PS3.7 9.1.1.1.9)."""
    command, context = message.command, message.context
    class_uid = command.text(AFFECTED_SOP_CLASS_UID)
    declared = sop_class(context.abstract_syntax)
    if class_uid != context.abstract_syntax or (declared is not None and declared.service is not Service.STORE):
        return SOP_CLASS_NOT_SUPPORTED, "Affected SOP Class UID is not that of the presentation context"
    if "store" not in peer.services or not context.requestor_is_scu:
        return NOT_AUTHORIZED, "this AE may not store here"
    instance_uid = command.text(AFFECTED_SOP_INSTANCE_UID)
    if not _UID.fullmatch(instance_uid):
        return INVALID_SOP_INSTANCE, "Affected SOP Instance UID is not a UID"
    if not command.has_dataset:
        return STORE_STATUS[Fault.MALFORMED], "there is no data set"
    return None
