"""What C-MOVE and C-GET share (PS3.4 C.4.2, C.4.3): which instances, how many are done, and how it ended."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass, field

from config.settings import RemoteAESettings
from pacsd.archive.retrieve import InstanceRef, Selection
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.dimse import non_patient
from pacsd.dimse.association import Association, Message
from pacsd.dimse.command import (
    ERROR_COMMENT,
    NUMBER_OF_COMPLETED_SUBOPERATIONS,
    NUMBER_OF_FAILED_SUBOPERATIONS,
    NUMBER_OF_REMAINING_SUBOPERATIONS,
    NUMBER_OF_WARNING_SUBOPERATIONS,
    Value,
)
from pacsd.dimse.find import Criteria
from pacsd.dimse.identifier import (
    PATIENT_ID,
    SERIES_INSTANCE_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    Identifier,
    Key,
    check_retrieve,
    read_identifier,
)
from pacsd.dimse.recording import Party, Sent
from pacsd.dimse.services import Services
from pacsd.dimse.sop_classes import SOPClass
from pacsd.dimse.statuses import (
    CANCEL,
    PENDING,
    SUBOPERATIONS_FAILED,
    SUBOPERATIONS_WARNING,
    SUCCESS,
    response,
)
from pacsd.faults import Fault, PacsdError

FAILED_SOP_INSTANCE_UID_LIST = 0x00080058
_COUNT_MAX = 0xFFFF                      # US
_EXPLICIT_MAX_BYTES = 0xFFFE             # 16-bit length of UI
_PENDING_EVERY_S = 0.25
_WARNINGS = frozenset((0x0001, 0x0107, 0x0116))      # PS3.7 C.4


def is_warning(status: int) -> bool:
    """Whether a C-STORE status means stored, with a remark."""
    return status & 0xF000 == 0xB000 or status in _WARNINGS


def chosen_instances(
    association: Association, message: Message, services: Services, declared: SOPClass
) -> list[InstanceRef]:
    """The instances an identifier selects and the peer may see; each unique key narrows. Raises PacsdError.

    A Patient ID narrows too where the model begins with patients: a study of somebody else is not given out by its
    UID alone (PS3.4 C.4.2.2.1), which costs one look at the index.
    """
    if declared.non_patient is not None:
        return non_patient.chosen(association, message, services, declared.non_patient)
    model = declared.model
    if model is None:
        raise PacsdError(Fault.INTERNAL, "a retrieve class without a model")
    peer = association.require_peer()
    data = association.read_identifier(message)
    identifier = read_identifier(data, message.context.transfer_syntax, character_set=peer.character_set)
    check_retrieve(identifier, model)
    studies = identifier.uids(STUDY_INSTANCE_UID)
    if "PATIENT" in model.value and identifier.uids(PATIENT_ID):
        studies = _studies_of(identifier, association, services)
        if not studies:
            return []
    selection = Selection(studies, identifier.uids(SERIES_INSTANCE_UID), identifier.uids(SOP_INSTANCE_UID))
    return services.archive.retrieve.select(peer.scope, selection)


def recorded(
    association: Association, message: Message, services: Services, instances: list[InstanceRef],
    to: RemoteAESettings | None = None,
) -> Sent:  # fmt: skip
    """What is about to be sent is on record, study by study. Raises NotRecorded."""
    party = association.party or Party(association.calling, association.called, "")
    if instances:
        association.before_answer = None         # a retrieval of nothing is recorded as what was asked
    return services.recording.sending(party, instances, message.command.field, to)


def _studies_of(identifier: Identifier, association: Association, services: Services) -> tuple[str, ...]:
    """The patient's studies, among those named if any are."""
    named = Key(STUDY_INSTANCE_UID, "UI", identifier.uids(STUDY_INSTANCE_UID))
    keys = {PATIENT_ID: identifier.keys[PATIENT_ID], STUDY_INSTANCE_UID: named}
    matches = services.archive.search(services.query(Criteria("study", keys)), association.require_peer().scope)
    return tuple(match.dataset()[f"{STUDY_INSTANCE_UID:08X}"]["Value"][0] for match in matches)


@dataclass(slots=True)
class Tally:
    """The sub-operations of one retrieval, and when they were last spoken of."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_uids: list[str] = field(default_factory=list)
    sent_uids: list[str] = field(default_factory=list)
    comment: str = ""                    # why the last failed one failed
    spoken_at: float = 0.0

    def note(self, sop_instance_uid: str, status: int, comment: str = "") -> None:
        """Count one that is done."""
        self.remaining -= 1
        if status == SUCCESS or is_warning(status):
            self.completed += status == SUCCESS
            self.warning += status != SUCCESS
            self.sent_uids.append(sop_instance_uid)
        else:
            self.failed += 1
            self.failed_uids.append(sop_instance_uid)
            self.comment = comment or f"C-STORE status {status:04X}"

    def speak(self, association: Association, message: Message) -> None:
        """Send a pending response, unless one was sent a moment ago."""
        now = time.monotonic()
        if now - self.spoken_at >= _PENDING_EVERY_S and self.remaining:
            association.send(message.context, {**response(message.command, PENDING), **self._counts(remaining=True)})
            self.spoken_at = now

    def finish(self, association: Association, message: Message, *, cancelled: bool) -> None:
        """Send the final response (PS3.4 Tables C.4-2 and C.4-3), with the failed instances if there are any."""
        status = self.final_status(cancelled=cancelled)
        values = {**response(message.command, status), **self._counts(remaining=cancelled)}
        if status != SUCCESS and self.comment:
            values[ERROR_COMMENT] = self.comment
        failed = self._failed_list(message.context.transfer_syntax) if self.failed_uids else None
        association.send(message.context, values, failed)

    def tell(self, sent: Sent, *, cancelled: bool) -> None:
        """Have it recorded, before it is told or where it cannot be. Raises NotRecorded."""
        status = self.final_status(cancelled=cancelled)
        sent.finished(self.sent_uids, status, failed=self.failed, remaining=self.remaining)

    def final_status(self, *, cancelled: bool) -> int:
        """Success only if every sub-operation succeeded."""
        if cancelled:
            return CANCEL
        if not self.failed and not self.warning:
            return SUCCESS
        return SUBOPERATIONS_WARNING if self.completed or self.warning else SUBOPERATIONS_FAILED

    def _counts(self, *, remaining: bool) -> dict[int, Value]:
        counts: dict[int, Value] = {
            NUMBER_OF_COMPLETED_SUBOPERATIONS: min(self.completed, _COUNT_MAX),
            NUMBER_OF_FAILED_SUBOPERATIONS: min(self.failed, _COUNT_MAX),
            NUMBER_OF_WARNING_SUBOPERATIONS: min(self.warning, _COUNT_MAX),
        }
        if remaining:
            counts[NUMBER_OF_REMAINING_SUBOPERATIONS] = min(self.remaining, _COUNT_MAX)
        return counts

    def _failed_list(self, transfer_syntax_uid: str) -> bytes | None:
        """Failed SOP Instance UID List (0008,0058): as many as an explicit VR element can hold."""
        syntax = transfer_syntax(transfer_syntax_uid)
        if syntax.deflated:
            return None
        value = "\\".join(self.failed_uids).encode("ascii", "replace")
        if not syntax.implicit and len(value) > _EXPLICIT_MAX_BYTES:
            value = value[:_EXPLICIT_MAX_BYTES].rpartition(b"\\")[0]
        value += b"\0" * (len(value) % 2)
        order = ">" if syntax.big_endian else "<"
        if syntax.implicit:
            return struct.pack(order + "HHI", 0x0008, 0x0058, len(value)) + value
        return struct.pack(order + "HH2sH", 0x0008, 0x0058, b"UI", len(value)) + value
