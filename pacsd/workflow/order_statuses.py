"""States of scheduled procedure steps (PS3.3 C.4.10, Scheduled Procedure Step Status), and which may follow which."""

from pacsd.faults import Fault, PacsdError

SCHEDULED, ARRIVED, READY, STARTED, DEPARTED = "SCHEDULED", "ARRIVED", "READY", "STARTED", "DEPARTED"
COMPLETED, DISCONTINUED, CANCELED = "COMPLETED", "DISCONTINUED", "CANCELED"

STATUSES = (SCHEDULED, ARRIVED, READY, STARTED, DEPARTED, COMPLETED, DISCONTINUED, CANCELED)
FINAL = frozenset((COMPLETED, DISCONTINUED, CANCELED))      # these leave the worklist
PERFORMED = frozenset((STARTED, DEPARTED, COMPLETED, DISCONTINUED))
_ALSO = {"IN PROGRESS": STARTED, "CANCELLED": CANCELED}     # of Performed Procedure Step Status; British spelling


def status_of(word: str) -> str:
    """The status that a word means. Raises PacsdError MALFORMED."""
    status = _ALSO.get(word.strip().upper(), word.strip().upper())
    if status not in STATUSES:
        raise PacsdError(Fault.MALFORMED, f"a status is one of {', '.join(STATUSES)}")
    return status
