"""Our faults as DIMSE statuses: one total table per service."""

from collections.abc import Mapping

from pacsd.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    ATTRIBUTE_IDENTIFIER_LIST,
    COMMAND_FIELD,
    ERROR_COMMENT,
    ERROR_ID,
    MESSAGE_ID_BEING_RESPONDED_TO,
    OFFENDING_ELEMENT,
    REQUESTED_SOP_CLASS_UID,
    REQUESTED_SOP_INSTANCE_UID,
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
OPTIONAL_ATTRIBUTES_NOT_SUPPORTED = 0x0001   # a warning: PS3.4 CC.2.6.4, CC.2.7.4, F.7.2.2.2
NO_SUCH_ATTRIBUTE = 0x0105               # PS3.7 C.5
INVALID_ATTRIBUTE_VALUE = 0x0106
ATTRIBUTE_LIST_ERROR = 0x0107            # a warning: PS3.7 C.4.2
PROCESSING_FAILURE = 0x0110
DUPLICATE_SOP_INSTANCE = 0x0111
NO_SUCH_SOP_INSTANCE = 0x0112
NO_SUCH_EVENT_TYPE = 0x0113
NO_SUCH_ARGUMENT = 0x0114
INVALID_ARGUMENT_VALUE = 0x0115
ATTRIBUTE_VALUE_OUT_OF_RANGE = 0x0116    # a warning: PS3.7 C.4.3
INVALID_SOP_INSTANCE = 0x0117
NO_SUCH_SOP_CLASS = 0x0118
CLASS_INSTANCE_CONFLICT = 0x0119
MISSING_ATTRIBUTE = 0x0120
MISSING_ATTRIBUTE_VALUE = 0x0121
SOP_CLASS_NOT_SUPPORTED = 0x0122
NO_SUCH_ACTION_TYPE = 0x0123
NOT_AUTHORIZED = 0x0124
DUPLICATE_INVOCATION = 0x0210            # never sent: one operation at a time is agreed, and a second one a violation
UNRECOGNIZED_OPERATION = 0x0211
MISTYPED_ARGUMENT = 0x0212
RESOURCE_LIMITATION = 0x0213

STORE_STATUS = {                         # PS3.4 Table B.2-1
    Fault.MALFORMED: 0xC000,
    Fault.MISMATCH: 0xA900,
    Fault.UNSUPPORTED: SOP_CLASS_NOT_SUPPORTED,
    Fault.REFUSED: NOT_AUTHORIZED,
    Fault.UNAUTHENTICATED: NOT_AUTHORIZED,
    Fault.FORBIDDEN: NOT_AUTHORIZED,
    Fault.NOT_FOUND: 0xC001,
    Fault.CONFLICT: 0xC002,
    Fault.INVALID: 0xA900,
    Fault.STALE: 0xC002,
    Fault.GONE: 0xC001,
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
    Fault.UNAUTHENTICATED: NOT_AUTHORIZED,
    Fault.FORBIDDEN: NOT_AUTHORIZED,
    Fault.NOT_FOUND: 0xC002,
    Fault.CONFLICT: 0xC003,
    Fault.INVALID: 0xA900,
    Fault.STALE: 0xC003,
    Fault.GONE: 0xC002,
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
    Fault.UNAUTHENTICATED: NOT_AUTHORIZED,
    Fault.FORBIDDEN: NOT_AUTHORIZED,
    Fault.NOT_FOUND: 0xC002,
    Fault.CONFLICT: 0xC003,
    Fault.INVALID: 0xA900,
    Fault.STALE: 0xC003,
    Fault.GONE: 0xC002,
    Fault.TOO_MUCH: 0xA701,
    Fault.TOO_BROAD: 0xA701,
    Fault.FULL: 0xA702,
    Fault.UNAVAILABLE: 0xA702,
    Fault.INTERNAL: PROCESSING_FAILURE,
}
NORMALIZED_STATUS = {                    # PS3.7 10.1, of what a service does not answer with a status of its own
    Fault.MALFORMED: INVALID_ATTRIBUTE_VALUE,
    Fault.MISMATCH: CLASS_INSTANCE_CONFLICT,
    Fault.UNSUPPORTED: NO_SUCH_SOP_CLASS,
    Fault.REFUSED: NOT_AUTHORIZED,
    Fault.UNAUTHENTICATED: NOT_AUTHORIZED,
    Fault.FORBIDDEN: NOT_AUTHORIZED,
    Fault.NOT_FOUND: NO_SUCH_SOP_INSTANCE,
    Fault.CONFLICT: PROCESSING_FAILURE,
    Fault.INVALID: CLASS_INSTANCE_CONFLICT,
    Fault.STALE: PROCESSING_FAILURE,
    Fault.GONE: NO_SUCH_SOP_INSTANCE,
    Fault.TOO_MUCH: RESOURCE_LIMITATION,
    Fault.TOO_BROAD: RESOURCE_LIMITATION,
    Fault.FULL: RESOURCE_LIMITATION,
    Fault.UNAVAILABLE: RESOURCE_LIMITATION,
    Fault.INTERNAL: PROCESSING_FAILURE,
}
ARGUMENT_STATUS = {**NORMALIZED_STATUS, Fault.MALFORMED: INVALID_ARGUMENT_VALUE}     # N-ACTION, N-EVENT-REPORT

_ECHOED = {                              # what an answer repeats, and under what name the request has it
    AFFECTED_SOP_CLASS_UID: (AFFECTED_SOP_CLASS_UID, REQUESTED_SOP_CLASS_UID),
    AFFECTED_SOP_INSTANCE_UID: (AFFECTED_SOP_INSTANCE_UID, REQUESTED_SOP_INSTANCE_UID),
}


class IdentifierError(PacsdError):
    """An identifier that cannot be served, naming the elements at fault (PS3.7 C.5: Offending Element)."""

    def __init__(self, fault: Fault, message: str, *offending: int) -> None:
        super().__init__(fault, message)
        self.offending = offending


class OperationError(Exception):
    """A DIMSE-N operation that fails with a status of PS3.7 Annex C or of its service, and what may go with it.

    `error_id`: Error ID (0000,0903), as PS3.4 F.7.2.2.2 has it; `offending`: the elements at fault (0000,0901);
    `attributes`: the Attribute Identifier List (0000,1005) of C.5.13 and C.5.17. `comment` is shown to the peer, so
    it names tags and UIDs, never patient data.
    """

    def __init__(
        self,
        status: int,
        comment: str,
        *,
        error_id: int | None = None,
        offending: tuple[int, ...] = (),
        attributes: tuple[int, ...] = (),
    ) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment
        self.error_id = error_id
        self.offending = offending
        self.attributes = attributes


def response(request: Command, status: int, *, comment: str = "", offending: tuple[int, ...] = ()) -> dict[int, Value]:
    """The values of a response that every service has in common (PS3.7 9.3, 10.3)."""
    values: dict[int, Value] = {
        COMMAND_FIELD: request.field | RESPONSE,
        MESSAGE_ID_BEING_RESPONDED_TO: request.message_id,
        STATUS: status,
    }
    for element, names in _ECHOED.items():
        for name in names:
            if name in request.elements:
                values[element] = request.text(name)
    if comment:
        values[ERROR_COMMENT] = comment
    if offending:
        values[OFFENDING_ELEMENT] = offending
    return values


def failure(request: Command, error: PacsdError, table: Mapping[Fault, int]) -> dict[int, Value]:
    """The response to a request that failed."""
    offending = error.offending if isinstance(error, IdentifierError) else ()
    return response(request, table[error.fault], comment=error.message, offending=offending)


def operation_failure(request: Command, error: OperationError) -> dict[int, Value]:
    """The response to a DIMSE-N operation that failed with a status of its own (PS3.7 C.5)."""
    values = response(request, error.status, comment=error.comment, offending=error.offending)
    if error.error_id is not None:
        values[ERROR_ID] = error.error_id
    if error.attributes:
        values[ATTRIBUTE_IDENTIFIER_LIST] = error.attributes
    return values
