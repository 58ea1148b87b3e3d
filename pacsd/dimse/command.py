"""Command sets (PS3.7 6.3, Annex E): implicit VR little endian, group 0000 only."""

import struct
from collections.abc import Mapping

from pacsd.dimse.violations import AbortReason, Violation

# Elements of group 0000 (PS3.7 Table E.1-1)
AFFECTED_SOP_CLASS_UID = 0x0002
REQUESTED_SOP_CLASS_UID = 0x0003
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
MOVE_DESTINATION = 0x0600
PRIORITY = 0x0700
COMMAND_DATA_SET_TYPE = 0x0800
STATUS = 0x0900
OFFENDING_ELEMENT = 0x0901
ERROR_COMMENT = 0x0902
ERROR_ID = 0x0903
AFFECTED_SOP_INSTANCE_UID = 0x1000
REQUESTED_SOP_INSTANCE_UID = 0x1001
EVENT_TYPE_ID = 0x1002
ATTRIBUTE_IDENTIFIER_LIST = 0x1005
ACTION_TYPE_ID = 0x1008
NUMBER_OF_REMAINING_SUBOPERATIONS = 0x1020
NUMBER_OF_COMPLETED_SUBOPERATIONS = 0x1021
NUMBER_OF_FAILED_SUBOPERATIONS = 0x1022
NUMBER_OF_WARNING_SUBOPERATIONS = 0x1023
MOVE_ORIGINATOR_APPLICATION_ENTITY_TITLE = 0x1030
MOVE_ORIGINATOR_MESSAGE_ID = 0x1031

# Values of Command Field (PS3.7 Table E.1-1)
C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
C_GET_RQ, C_GET_RSP = 0x0010, 0x8010
C_FIND_RQ, C_FIND_RSP = 0x0020, 0x8020
C_MOVE_RQ, C_MOVE_RSP = 0x0021, 0x8021
C_ECHO_RQ, C_ECHO_RSP = 0x0030, 0x8030
N_EVENT_REPORT_RQ, N_EVENT_REPORT_RSP = 0x0100, 0x8100
N_GET_RQ, N_GET_RSP = 0x0110, 0x8110
N_SET_RQ, N_SET_RSP = 0x0120, 0x8120
N_ACTION_RQ, N_ACTION_RSP = 0x0130, 0x8130
N_CREATE_RQ, N_CREATE_RSP = 0x0140, 0x8140
N_DELETE_RQ, N_DELETE_RSP = 0x0150, 0x8150
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000
NORMALIZED = (N_EVENT_REPORT_RQ, N_GET_RQ, N_SET_RQ, N_ACTION_RQ, N_CREATE_RQ, N_DELETE_RQ)      # PS3.7 10.3

NO_DATA_SET, DATA_SET = 0x0101, 0x0000
MEDIUM_PRIORITY = 0x0000

_HEADER = struct.Struct("<HHI")
_US = struct.Struct("<H")
_AT = struct.Struct("<HH")
_NUMBER = struct.Struct("<HHIH")         # an element that is an unsigned short
_UNSIGNED_SHORT = frozenset(
    (
        COMMAND_FIELD,
        MESSAGE_ID,
        MESSAGE_ID_BEING_RESPONDED_TO,
        PRIORITY,
        COMMAND_DATA_SET_TYPE,
        STATUS,
        ERROR_ID,
        EVENT_TYPE_ID,
        ACTION_TYPE_ID,
        NUMBER_OF_REMAINING_SUBOPERATIONS,
        NUMBER_OF_COMPLETED_SUBOPERATIONS,
        NUMBER_OF_FAILED_SUBOPERATIONS,
        NUMBER_OF_WARNING_SUBOPERATIONS,
        MOVE_ORIGINATOR_MESSAGE_ID,
    )
)
_UIDS = frozenset(
    (AFFECTED_SOP_CLASS_UID, REQUESTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, REQUESTED_SOP_INSTANCE_UID)
)
_ERROR_COMMENT_CHARACTERS = 64           # LO, PS3.5 6.2

Value = int | str | tuple[int, ...]


class Command:
    """A received command set: raw values by element number, and Command Field (0000,0100)."""

    __slots__ = ("elements", "field")

    def __init__(self, elements: dict[int, bytes]) -> None:
        self.elements = elements
        self.field = self.number(COMMAND_FIELD)

    def number(self, element: int, default: int = -1) -> int:
        """An unsigned short, or `default` where it is absent or not two bytes."""
        value = self.elements.get(element, b"")
        return int(_US.unpack(value)[0]) if len(value) == 2 else default

    def text(self, element: int) -> str:
        """A UID, AE title or comment without its padding; empty where absent."""
        return self.elements.get(element, b"").decode("latin-1").strip(" \0")

    def tags(self, element: int) -> tuple[int, ...] | None:
        """Attribute tags (VR AT), none where it is absent; None where the value is not a list of them."""
        value = self.elements.get(element, b"")
        if len(value) % _AT.size:
            return None
        return tuple(group << 16 | number for group, number in _AT.iter_unpack(value))

    @property
    def message_id(self) -> int:
        """Message ID (0000,0110)."""
        return self.number(MESSAGE_ID, 0)

    @property
    def status(self) -> int:
        """Status (0000,0900) of a response."""
        return self.number(STATUS)

    @property
    def has_dataset(self) -> bool:
        """Whether a data set follows: Command Data Set Type is anything but 0101H (PS3.7 E.1)."""
        return self.number(COMMAND_DATA_SET_TYPE, NO_DATA_SET) != NO_DATA_SET


def decode(data: bytes) -> Command:
    """Read a command set. Raises Violation for bytes that are not one."""
    elements: dict[int, bytes] = {}
    at, end, unpack = 0, len(data), _HEADER.unpack_from
    while at + 8 <= end:
        group, element, length = unpack(data, at)
        value_at = at + 8
        at = value_at + length
        if group != 0 or at > end:
            raise Violation(AbortReason.INVALID_PARAMETER_VALUE, "not a command set")
        elements[element] = data[value_at:at]
    if at != end or len(elements.get(COMMAND_FIELD, b"")) != 2:
        raise Violation(AbortReason.INVALID_PARAMETER_VALUE, "not a command set")
    return Command(elements)


def encode(values: Mapping[int, Value]) -> bytes:
    """Write a command set with its group length; elements may be given in any order."""
    parts: list[bytes] = []
    for element in sorted(values):
        value = values[element]
        if isinstance(value, int):
            parts.append(_NUMBER.pack(0, element, 2, value))
        else:
            data = _encode_value(element, value)
            parts += (_HEADER.pack(0, element, len(data)), data)
    body = b"".join(parts)
    return _HEADER.pack(0, 0, 4) + len(body).to_bytes(4, "little") + body


def _encode_value(element: int, value: str | tuple[int, ...]) -> bytes:
    if isinstance(value, tuple):         # AT: tags
        return b"".join(_AT.pack(tag >> 16, tag & 0xFFFF) for tag in value)
    if element == ERROR_COMMENT:
        value = value[:_ERROR_COMMENT_CHARACTERS]
    text = value.encode("ascii", "replace")
    if len(text) % 2:
        text += b"\0" if element in _UIDS else b" "
    return text
