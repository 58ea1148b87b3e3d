"""What can go wrong, in the product's own terms; each edge has one total table from here to its own codes."""

from enum import Enum


class Fault(Enum):
    """Category of a failure. The value is a stable word for logs and metrics."""

    MALFORMED = "malformed"          # the peer's bytes or text cannot be understood
    MISMATCH = "mismatch"            # the content contradicts the request or its envelope
    UNSUPPORTED = "unsupported"      # understood, but not something this server does
    REFUSED = "refused"              # the peer may not do this
    UNAUTHENTICATED = "unauthenticated"      # it is not known who asks, or what should prove it does not
    FORBIDDEN = "forbidden"          # who asks may not do this, whatever it is asked of
    NOT_FOUND = "not-found"          # absent, or not visible to the asker
    CONFLICT = "conflict"            # contradicts what is already kept
    INVALID = "invalid"              # well formed, but against the rules of what it claims to be
    STALE = "stale"                  # the peer's condition does not hold, or no longer
    GONE = "gone"                    # was there, and was deleted
    TOO_MUCH = "too-much"            # above a limit of this server
    TOO_BROAD = "too-broad"          # a query without the keys its level needs
    FULL = "full"                    # no room left
    UNAVAILABLE = "unavailable"      # a part this needs (index, blobs, a remote peer) is away for now
    INTERNAL = "internal"            # our own defect


def place_of(error: BaseException) -> str:
    """Where an error was raised, file and line, for the log: never its text, which may hold a peer's data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""


class PacsdError(Exception):
    """A failure with its category.

    `message` is shown to the peer as it stands: it names tags, UIDs and limits, never patient data.
    """

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message

    def alone(self) -> "PacsdError":
        """The words without where they were raised, to be kept: a traceback holds all that was being worked on."""
        return PacsdError(self.fault, self.message)
