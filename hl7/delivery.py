"""Delivering a destination's queue: one message after the other, the next only when the former one is settled."""

import logging
from typing import Protocol

from hl7.client import Answer, NotDelivered
from hl7.conditions import Hl7Error
from hl7.ports import Outbox, Outgoing

log = logging.getLogger("pacsd.hl7")

_LOOK_AGAIN_S = 1.0


class Sending(Protocol):
    """hl7.client.Client."""

    def send(self, message: bytes) -> Answer: ...
    def close(self) -> None: ...


class Stop(Protocol):
    """Says when to end, and may be waited for."""

    def is_set(self) -> bool: ...
    def wait(self, timeout_s: float, /) -> bool: ...


class Delivery:
    """Works for one destination until `stop` is set.

    A message is settled when the destination acknowledges it (AA, CA), or refuses it for good: its content (AE, CE) or
    its kind (AR, CR with 200 to 203). Then it is set aside, listed for repair and replay, and the next one's turn.
    Anything else, no connection, no answer, AR for now, leaves it where it is, and what follows waits behind it.
    """

    def __init__(self, name: str, outbox: Outbox, client: Sending, *, stop: Stop) -> None:
        self._name = name
        self._outbox = outbox
        self._client = client
        self._stop = stop

    def run(self) -> None:
        """Deliver what is due, again and again."""
        while not self._stop.is_set():
            if not self._tried():
                self._stop.wait(_LOOK_AGAIN_S)
        self._client.close()

    def _tried(self) -> bool:
        try:
            return self.turn()
        except Hl7Error as error:                # the queue itself is away for now
            log.warning("a queue cannot be read", extra={"destination": self._name, "cause": error.text})
        except Exception:                        # the thread's one catch-all: the destination is tried again
            log.exception("delivery failed", extra={"destination": self._name})
        return False

    def turn(self) -> bool:
        """Try the message whose turn it is; whether one was settled, so that the next may follow at once."""
        outgoing = self._outbox.next()
        if outgoing is None:
            return False
        try:
            answer = self._client.send(outgoing.body)
        except NotDelivered as error:
            self._failed(outgoing, str(error))
            return False
        if answer.accepted:
            self._outbox.delivered(outgoing, answer.raw)
        elif answer.final:
            problem = f"{answer.code} {answer.condition} {answer.text}".strip()
            log.warning("a destination refused a message", extra={"destination": self._name, "cause": problem})
            self._outbox.refused(outgoing, answer.raw, problem)
        else:
            self._failed(outgoing, f"{answer.code} {answer.condition} {answer.text}".strip())
            return False
        return True

    def _failed(self, outgoing: Outgoing, problem: str) -> None:
        log.warning(
            "a message was not delivered",
            extra={"destination": self._name, "attempts": outgoing.attempts + 1, "cause": problem},
        )
        self._outbox.failed(outgoing, problem)
