"""Our errors in HL7's terms (table 0357); the one place where the two meet."""

from collections.abc import Generator
from contextlib import contextmanager

from hl7.conditions import Condition, Hl7Error, Location
from pacsd.faults import Fault, PacsdError

# the condition, and whether the message is rejected (AR: nothing is wrong with it, send it again later)
CONDITIONS: dict[Fault, tuple[Condition, bool]] = {
    Fault.MALFORMED: (Condition.DATA_TYPE, False),
    Fault.MISMATCH: (Condition.DATA_TYPE, False),
    Fault.UNSUPPORTED: (Condition.APPLICATION, False),
    Fault.REFUSED: (Condition.APPLICATION, False),
    Fault.UNAUTHENTICATED: (Condition.APPLICATION, False),
    Fault.FORBIDDEN: (Condition.APPLICATION, False),
    Fault.NOT_FOUND: (Condition.UNKNOWN_KEY, False),
    Fault.CONFLICT: (Condition.DUPLICATE_KEY, False),
    Fault.INVALID: (Condition.DATA_TYPE, False),
    Fault.STALE: (Condition.APPLICATION, False),
    Fault.GONE: (Condition.UNKNOWN_KEY, False),
    Fault.TOO_MUCH: (Condition.VALUE_TOO_LONG, False),
    Fault.TOO_BROAD: (Condition.APPLICATION, False),
    Fault.FULL: (Condition.APPLICATION, True),
    Fault.UNAVAILABLE: (Condition.APPLICATION, True),
    Fault.INTERNAL: (Condition.APPLICATION, True),
}


@contextmanager
def located(where: Location | None) -> Generator[None]:
    """What goes wrong inside is wrong with that place of the message."""
    try:
        yield
    except PacsdError as error:
        condition, rejected = CONDITIONS[error.fault]
        at = None if rejected else where
        raise Hl7Error(condition, at, error.message, rejected=rejected) from error
