"""A destination's queue, as the HL7 edge speaks to it."""

from hl7.ports import Outgoing
from ihe_profiles.exchange.conditions import located
from pacsd.messages.outbox import Queue


class DeliveryQueue:
    """hl7.ports.Outbox over a durable queue. Raises Hl7Error."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def next(self) -> Outgoing | None:
        """The message whose turn it is."""
        with located(None):
            found = self._queue.next()
        return None if found is None else Outgoing(*found)

    def delivered(self, outgoing: Outgoing, answer: bytes) -> None:
        """The destination took it."""
        with located(None):
            self._queue.delivered(outgoing.key, answer)

    def refused(self, outgoing: Outgoing, answer: bytes, problem: str) -> None:
        """The destination will never take it as it is."""
        with located(None):
            self._queue.refused(outgoing.key, answer, problem)

    def failed(self, outgoing: Outgoing, problem: str) -> None:
        """Not this time."""
        with located(None):
            self._queue.failed(outgoing.key, problem)
