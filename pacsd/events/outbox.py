"""Consumers of the outbox: each at its own pace, at least once, in order per subject.

Events are written by `pacsd.index.outbox.append`, in the transaction of the change they tell of.
"""

import logging
from collections.abc import Callable, Sequence
from uuid import uuid4

from pacsd.access.scope import Scope
from pacsd.index.connect import Pool
from pacsd.index.outbox import Cursor, Event

log = logging.getLogger("pacsd.events")

MAX_PAUSE_S = 3600.0


class Consumer:
    """Hands events to `handle`, which returns when it is done and raises when it is to be tried again.

    What fails is put aside and retried with growing pauses; later events of the same subject wait behind it,
    those of others go on. Of several processes that run a consumer of one name, one works at a time: the others
    take over when it ends, or does not come back within `lease_s`, the longest that one event may take.
    With a `scope` only events of its organisations are read. A consumer that nobody knew begins with the oldest event
    that is kept, or with what happens from its registration on (`begin_now`).
    """

    def __init__(
        self,
        pool: Pool,
        name: str,
        handle: Callable[[Event], None],
        *,
        topics: Sequence[str] | None = None,
        scope: Scope | None = None,
        lease_s: float = 60.0,
        first_pause_s: float = 1.0,
        begin_now: bool = False,
    ) -> None:
        self._begin_now = begin_now
        self._name = name
        self._handle = handle
        self._lease_s = lease_s
        self._first_pause_s = first_pause_s
        self._cursor = Cursor(pool, name, holder=uuid4().hex, scope=scope, topics=topics)
        self._registered = False

    def run(self, *, limit: int = 100) -> int:
        """Handle what is due, at most `limit` retried and `limit` new events; how many were looked at.

        Zero means there is nothing to do for now, or another process has the lease.
        """
        self.register()
        if not self._cursor.claim(self._lease_s):
            return 0
        return self._retry(limit) + self._go_on(limit)

    def register(self) -> None:
        """Make the consumer known, if it is not; `run` does so, too."""
        if not self._registered:
            self._cursor.register(begin_now=self._begin_now)
            self._registered = True

    def close(self) -> None:
        """Let another process go on at once."""
        if self._registered:
            self._cursor.release()

    def _retry(self, limit: int) -> int:
        due = self._cursor.due(limit)
        for event, attempts in due:
            if not self._cursor.claim(self._lease_s):
                break
            if self._try(event, attempts):
                self._cursor.settle(event)
        return len(due)

    def _go_on(self, limit: int) -> int:
        events = self._cursor.read(limit)
        for event in events:
            if not self._cursor.claim(self._lease_s):
                break
            if self._cursor.waits(event.subject):
                self._cursor.park(event, attempts=0, pause_s=0.0, error="waits for an earlier event")
            else:
                self._try(event, 0)
            if not self._cursor.advance(event.event):
                break
        return len(events)

    def _try(self, event: Event, attempts: int) -> bool:
        try:
            self._handle(event)
        except Exception as error:       # whatever a consumer runs into concerns this consumer alone
            pause = min(self._first_pause_s * 2**attempts, MAX_PAUSE_S)
            log.warning(
                "an event was not handled",
                extra={"consumer": self._name, "event": event.event, "topic": event.topic,
                       "error": type(error).__name__, "attempts": attempts + 1, "pause_s": pause},
            )  # fmt: skip
            self._cursor.park(event, attempts=attempts + 1, pause_s=pause, error=type(error).__name__)
            return False
        return True
