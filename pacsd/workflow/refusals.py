"""Why a request about a workitem is refused, or done with a reservation: PS3.4's statuses, for both edges."""

from enum import Enum

from pacsd.faults import Fault, PacsdError


class Reason(Enum):
    """A failure: its status (PS3.4 CC.2.1.4, CC.2.2.4, CC.2.3.4, CC.2.5.4, CC.2.6.4; PS3.7 Annex C), fault, meaning."""

    NO_LONGER_UPDATABLE = (0xC300, Fault.CONFLICT, "the UPS may no longer be updated")
    TRANSACTION_UID_MISSING = (0xC301, Fault.MALFORMED, "the Transaction UID is missing")
    TRANSACTION_UID_INCORRECT = (0xC301, Fault.MALFORMED, "the Transaction UID is incorrect")
    ALREADY_IN_PROGRESS = (0xC302, Fault.CONFLICT, "the UPS is already IN PROGRESS")
    SCHEDULED_ONLY_BY_CREATE = (0xC303, Fault.MALFORMED, "the UPS may only become SCHEDULED by being created")
    FINAL_STATE_NOT_MET = (0xC304, Fault.CONFLICT, "the UPS has not met final state requirements")
    UNKNOWN = (0xC307, Fault.NOT_FOUND, "there is no such UPS")
    GONE = (0xC307, Fault.NOT_FOUND, "the UPS was deleted")
    NOT_SUBSCRIBED = (0xC307, Fault.NOT_FOUND, "there is no such subscription")
    NOT_CREATED_SCHEDULED = (0xC309, Fault.MALFORMED, "the provided value of Procedure Step State is not SCHEDULED")
    NOT_IN_PROGRESS = (0xC310, Fault.CONFLICT, "the UPS is not in the IN PROGRESS state")
    ALREADY_COMPLETED = (0xC311, Fault.CONFLICT, "the UPS is already COMPLETED")
    PERFORMER_UNREACHABLE = (0xC312, Fault.CONFLICT, "the performer cannot be contacted")
    OF_ANOTHER_ORGANISATION = (0x0124, Fault.REFUSED, "the UPS belongs to another organisation")
    DUPLICATE = (0x0111, Fault.CONFLICT, "there is already a UPS with this UID")
    RESERVED_UID = (0x0117, Fault.MALFORMED, "the UID is that of a worklist, not of a UPS")
    INVALID_VALUE = (0x0106, Fault.MALFORMED, "an attribute has a value that is not allowed")
    NOT_ALLOWED = (0x0106, Fault.MALFORMED, "an attribute must not be there")      # 0107 would be a warning
    MISSING_ATTRIBUTE = (0x0120, Fault.MALFORMED, "a required attribute is missing")
    MISSING_VALUE = (0x0121, Fault.MALFORMED, "a required attribute has no value")

    @property
    def status(self) -> int:
        """The DIMSE status."""
        return self.value[0]


class Reservation(Enum):
    """A warning: done, but (PS3.4, same tables)."""

    CREATED_WITH_MODIFICATIONS = 0xB300
    LOCK_NOT_GRANTED = 0xB301
    ALREADY_CANCELED = 0xB304
    UPDATED_WITH_MODIFICATIONS = 0xB305
    ALREADY_COMPLETED = 0xB306


class Refusal(PacsdError):
    """A refused request. `message` names attributes by tag, never values; `offending` holds those of the top level."""

    def __init__(self, reason: Reason, detail: str = "", *, offending: tuple[int, ...] = ()) -> None:
        _, fault, meaning = reason.value
        super().__init__(fault, f"{meaning}: {detail}" if detail else meaning)
        self.reason = reason
        self.offending = offending
