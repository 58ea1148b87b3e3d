"""How an association ends other than by an orderly release of ours."""

from enum import IntEnum


class AbortSource(IntEnum):
    """Who aborts (PS3.8 Table 9-26)."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Why a service provider aborts (PS3.8 Table 9-26); not significant for a service user."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER_VALUE = 6


class AssociationEnded(Exception):
    """The association is over; nothing more may be sent on it."""


class PeerGone(AssociationEnded):
    """The transport connection was closed, broke, or was silent for longer than allowed."""


class PeerReleased(AssociationEnded):
    """The peer asked for an orderly release (PS3.8 7.2), and was answered."""


class PeerAborted(AssociationEnded):
    """The peer sent A-ABORT (PS3.8 9.3.8)."""

    def __init__(self, source: int, reason: int) -> None:
        super().__init__(f"A-ABORT, source {source}, reason {reason}")
        self.source = source
        self.reason = reason


class Violation(AssociationEnded):
    """The peer broke the protocol; it is to be told by A-ABORT with this reason (PS3.8 9.2, AA-8)."""

    def __init__(self, reason: AbortReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class GivenUp(AssociationEnded):
    """This side wants no more of it (idle, stopping, cancelled); the peer is told by A-ABORT from the service user."""


class NoLongerKnown(GivenUp):
    """The peer, or its user, is not any more who it was when the association was accepted, or may do less."""
