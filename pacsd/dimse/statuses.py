"""Our faults as DIMSE statuses: one total table per service."""

from collections.abc import Mapping

from pacsd.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_FIELD,
    ERROR_COMMENT,
    MESSAGE_ID_BEING_RESPONDED_TO,
    OFFENDING_ELEMENT,
    RESPONSE,
    STATUS,
    Command,
    Value,
)
from pacsd.faults import Fault, PacsdError

SUCCESS = 0x0000                         # PS3.7 C.1.1
CANCEL = 0xFE00                          # PS3.7 C.3.1, PS3.4 C.4
PENDING = 0xFF00                         # PS3.4 Table C.4-1
PENDING_UNSUPPORTED_OPTIONAL_KEYS = 0xFF01
SUBOPERATIONS_WARNING = 0xB000           # PS3.4 Tables C.4-2 and C.4-3
SUBOPERATIONS_FAILED = 0xA702
MOVE_DESTINATION_UNKNOWN = 0xA801
PROCESSING_FAILURE = 0x0110              # PS3.7 C.5.11
INVALID_SOP_INSTANCE = 0x0117            # PS3.7 C.5.9
SOP_CLASS_NOT_SUPPORTED = 0x0122         # PS3.7 C.5.6
NOT_AUTHORIZED = 0x0124                  # PS3.7 C.5.26
UNRECOGNIZED_OPERATION = 0x0211          # PS3.7 C.5.22

STORE_STATUS = {                         # PS3.4 Table B.2-1
    Fault.MALFORMED: 0xC000,
    Fault.MISMATCH: 0xA900,
    Fault.UNSUPPORTED: SOP_CLASS_NOT_SUPPORTED,
    Fault.REFUSED: NOT_AUTHORIZED,
    Fault.NOT_FOUND: 0xC001,
    Fault.CONFLICT: 0xC002,
    Fault.TOO_MUCH: 0xA700,
    Fault.TOO_BROAD: 0xC003,
    Fault.FULL: 0xA700,
    Fault.UNAVAILABLE: 0xA701,
    Fault.INTERNAL: PROCESSING_FAILURE,
}
FIND_STATUS = {                          # PS3.4 Table C.4-1
    Fault.MALFORMED: 0xC000,
    Fault.MISMATCH: 0xA900,
    Fault.UNSUPPORTED: 0xC001,
    Fault.REFUSED: NOT_AUTHORIZED,
    Fault.NOT_FOUND: 0xC002,
    Fault.CONFLICT: 0xC003,
    Fault.TOO_MUCH: 0xA700,
    Fault.TOO_BROAD: 0xA700,
    Fault.FULL: 0xA700,
    Fault.UNAVAILABLE: 0xA700,
    Fault.INTERNAL: PROCESSING_FAILURE,
}
RETRIEVE_STATUS = {                      # PS3.4 Tables C.4-2 and C.4-3
    Fault.MALFORMED: 0xC000,
    Fault.MISMATCH: 0xA900,
    Fault.UNSUPPORTED: 0xC001,
    Fault.REFUSED: NOT_AUTHORIZED,
    Fault.NOT_FOUND: 0xC002,
    Fault.CONFLICT: 0xC003,
    Fault.TOO_MUCH: 0xA701,
    Fault.TOO_BROAD: 0xA701,
    Fault.FULL: 0xA702,
    Fault.UNAVAILABLE: 0xA702,
    Fault.INTERNAL: PROCESSING_FAILURE,
}

_ECHOED = (AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID)


class IdentifierError(PacsdError):
    """An identifier that cannot be served, naming the elements at fault (PS3.7 C.5: Offending Element)."""

    def __init__(self, fault: Fault, message: str, *offending: int) -> None:
        super().__init__(fault, message)
        self.offending = offending


def response(request: Command, status: int, *, comment: str = "", offending: tuple[int, ...] = ()) -> dict[int, Value]:
    """The values of a response that every service has in common (PS3.7 9.3)."""
    values: dict[int, Value] = {
        COMMAND_FIELD: request.field | RESPONSE,
        MESSAGE_ID_BEING_RESPONDED_TO: request.message_id,
        STATUS: status,
    }
    for element in _ECHOED:
        if element in request.elements:
            values[element] = request.text(element)
    if comment:
        values[ERROR_COMMENT] = comment
    if offending:
        values[OFFENDING_ELEMENT] = offending
    return values


def failure(request: Command, error: PacsdError, table: Mapping[Fault, int]) -> dict[int, Value]:
    """The response to a request that failed."""
    offending = error.offending if isinstance(error, IdentifierError) else ()
    return response(request, table[error.fault], comment=error.message, offending=offending)
