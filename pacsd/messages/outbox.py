"""Queues of messages that go out: one for each destination, in the order in which they were queued, never dropped."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index import messages as messages_rows
from pacsd.index import outgoing as rows
from pacsd.index.connect import Connection, Pool
from pacsd.index.outgoing import Queued

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
LEASE_S = 120.0                          # longer than a destination may take to answer

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


class Outbox:
    """All queues; for many threads and processes at once."""

    def __init__(self, pool: Pool, destinations: Sequence[str], *, clock: Clock = _now) -> None:
        self._pool = pool
        self._clock = clock
        rows.register(pool, destinations)

    def add(
        self, connection: Connection, destination: str, organisation: int, *, control_id: str, message_type: str,
        body: bytes,
    ) -> int:  # fmt: skip
        """Queue a message in the caller's transaction, behind all that wait; its number.

        Raises PacsdError NOT_FOUND for an unknown destination.
        """
        return rows.add(
            connection, destination, organisation, at=self._clock(), control_id=control_id,
            message_type=message_type, body=body,
        )  # fmt: skip

    def put(
        self, destination: str, organisation: int, *, control_id: str, message_type: str, body: bytes
    ) -> int:
        """Queue a message, durable on return."""
        with messages_rows.keeping(self._pool) as connection:
            return self.add(
                connection, destination, organisation, control_id=control_id, message_type=message_type, body=body
            )

    def put_once(
        self, destination: str, organisation: int, *, control_id: str, message_type: str, body: bytes,
        problem: str = "",
    ) -> bool:  # fmt: skip
        """Queue a message whose control id tells it from all others, if that was not done before; whether it was now.

        With a `problem` it is set aside at once, for repair and replay.
        """
        with messages_rows.keeping(self._pool) as connection:
            if rows.is_queued(connection, destination, control_id):
                return False
            pk = self.add(
                connection, destination, organisation, control_id=control_id, message_type=message_type, body=body
            )
            if problem:
                rows.set_aside(connection, pk, at=self._clock(), problem=problem)
        return True

    def queue(self, destination: str, *, holder: str) -> "Queue":
        """One destination's queue, for the process `holder`."""
        return Queue(self._pool, destination, holder, self._clock)

    def list(self, scope: Scope, *, state: str | None = None, limit: int = 50) -> Sequence[Queued]:
        """The newest messages of all queues, the last first."""
        return rows.found(self._pool, scope, state=state, limit=limit)

    def message(self, scope: Scope, pk: int) -> Queued:
        """One message. Raises PacsdError NOT_FOUND."""
        found = rows.one(self._pool, scope, pk)
        if found is None:
            raise PacsdError(Fault.NOT_FOUND, f"there is no outgoing message {pk}")
        return found

    def again(self, scope: Scope, pk: int) -> int:
        """Queue a settled message once more, behind all that wait; its new number. Raises PacsdError NOT_FOUND."""
        if self.message(scope, pk).state == rows.WAITING:
            raise PacsdError(Fault.CONFLICT, f"message {pk} still waits for its turn")
        return rows.again(self._pool, pk, at=self._clock()) or 0

    def forget(self, *, keep_s: float) -> bool:
        """Delete some of what was settled longer ago; whether there is more."""
        limit = 1000
        before = self._clock() - timedelta(seconds=keep_s)
        return rows.forget(self._pool, before=before, limit=limit) == limit


class Queue:
    """One destination's queue, worked through by whoever holds it."""

    def __init__(self, pool: Pool, destination: str, holder: str, clock: Clock) -> None:
        self._pool = pool
        self._destination = destination
        self._holder = holder
        self._clock = clock

    def next(self) -> tuple[int, bytes, int] | None:
        """Number, body and attempts of the message whose turn it is.

        None while there is none, while the destination pauses after a failure, and while another process holds it.
        """
        return rows.next_of(
            self._pool, self._destination, holder=self._holder, now=self._clock(), lease_s=LEASE_S
        )

    def delivered(self, pk: int, answer: bytes) -> None:
        """The destination took it: the next one's turn."""
        rows.settle(self._pool, pk, self._destination, state=rows.DELIVERED, at=self._clock(), answer=answer)

    def refused(self, pk: int, answer: bytes, problem: str) -> None:
        """The destination will never take it as it is: set aside, the next one's turn."""
        rows.settle(
            self._pool, pk, self._destination, state=rows.REFUSED, at=self._clock(), answer=answer, problem=problem
        )

    def failed(self, pk: int, problem: str) -> float:
        """Not this time: the same again after a pause in seconds, twice as long each time up to five minutes."""
        times = rows.failures(self._pool, self._destination)
        pause_s = float(min(FIRST_PAUSE_S * 2 ** min(times, 20), LONGEST_PAUSE_S))
        until = self._clock() + timedelta(seconds=pause_s)
        rows.pause(self._pool, pk, self._destination, until=until, problem=problem)
        return pause_s

    def release(self) -> None:
        """Let another process go on at once."""
        rows.release(self._pool, self._destination, holder=self._holder)
