"""Why a request about a performed procedure step is refused: PS3.7's general statuses, and PS3.4's own one."""

from collections.abc import Sequence
from enum import Enum

from pacsd.faults import Fault, PacsdError

NO_LONGER_UPDATABLE_ERROR_ID = 0xA710    # PS3.4 Table F.7.2-2


class StepReason(Enum):
    """A failure: its status (PS3.7 10.1.5.1.6, 10.1.3.1.9, 10.1.2.1.9; PS3.4 F.7.2.2.4), fault, meaning."""

    UNKNOWN = (0x0112, Fault.NOT_FOUND, "there is no such performed procedure step")
    DUPLICATE = (0x0111, Fault.CONFLICT, "there is a performed procedure step with this UID")
    INVALID_UID = (0x0117, Fault.MALFORMED, "the SOP Instance UID is not a UID")
    NO_SUCH_ATTRIBUTE = (0x0105, Fault.MALFORMED, "an attribute cannot be set")
    INVALID_VALUE = (0x0106, Fault.MALFORMED, "an attribute has a value that is not allowed")
    MISSING_ATTRIBUTE = (0x0120, Fault.MALFORMED, "a required attribute is missing")
    MISSING_VALUE = (0x0121, Fault.MALFORMED, "a required attribute has no value")
    OF_ANOTHER_ORGANISATION = (0x0124, Fault.REFUSED, "the performed procedure step is another organisation's")
    NO_LONGER_UPDATABLE = (
        0x0110, Fault.CONFLICT, "Performed Procedure Step Object may no longer be updated",
    )  # fmt: skip

    @property
    def status(self) -> int:
        """The DIMSE status."""
        return self.value[0]

    @property
    def error_id(self) -> int | None:
        """Error ID (0000,0903), where there is one."""
        return NO_LONGER_UPDATABLE_ERROR_ID if self is StepReason.NO_LONGER_UPDATABLE else None


class StepRefusal(PacsdError):
    """A refused request. `tags` are the attributes at fault, of the top level; `message` names them, never values."""

    def __init__(self, reason: StepReason, path: str = "", tags: Sequence[int] = ()) -> None:
        _, fault, meaning = reason.value
        super().__init__(fault, f"{meaning}: {_shown(path)}" if path else meaning)
        self.reason = reason
        self.tags = tuple(tags) or ((int(path[:8], 16),) if path else ())


def _shown(path: str) -> str:
    return ">".join(f"({tag[:4]},{tag[4:]})" for tag in path.split("."))
