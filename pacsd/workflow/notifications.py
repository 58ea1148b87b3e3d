"""What AEs are still to be notified of: results of storage commitment, availability of instances.

Each notification is a durable row and told at least once. An AE that cannot be reached pauses, twice as long each
time; what it refuses for good is set aside. What waits for longer than `give_up_s` is given up.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from pacsd.index import notifications as rows
from pacsd.index.connect import Pool
from pacsd.index.notifications import Notification

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
LEASE_S = 90.0                           # longer than telling one may take
_AT_ONCE = 20


class Notifications:
    """The queue; for many threads and processes at once. `node` names the server, whoever of it claims something."""

    def __init__(
        self,
        pool: Pool,
        *,
        give_up_s: float,
        node: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._give_up_s = give_up_s
        self._node = node
        self._clock = clock

    def release(self) -> None:
        """What processes of this server had claimed, before it was started again, is free."""
        rows.release(self._pool, holders=f"{self._node} ")

    def claim(self, pk: int, *, holder: str) -> Notification | None:
        """This one, unless somebody else tells it, or it was told; again, to hold it for longer."""
        return rows.claim(self._pool, pk, holder=self._holder(holder), now=self._clock(), lease_s=LEASE_S)

    def due(self, *, holder: str) -> Sequence[Notification]:
        """What is due for one AE; none while there is nothing, or every AE it is for pauses."""
        return rows.claim_due(
            self._pool, holder=self._holder(holder), now=self._clock(), lease_s=LEASE_S, limit=_AT_ONCE
        )

    def delivered(self, one: Notification) -> None:
        """The AE knows."""
        rows.settle(self._pool, one.pk, state=rows.DELIVERED, at=self._clock())

    def refused(self, one: Notification, problem: str) -> None:
        """The AE will never take it, or there is nothing any more to tell: set aside."""
        rows.settle(self._pool, one.pk, state=rows.REFUSED, at=self._clock(), problem=problem)

    def let_go(self, pks: Sequence[int]) -> None:
        """Due at once, for whoever comes next; nothing was tried."""
        rows.again(self._pool, pks, due_at=self._clock(), problem=None, attempts=0)

    def failed(self, one: Notification, problem: str) -> None:
        """Not this time: the AE was reached, but could not take it."""
        self._again(one, problem, after_s=_pause_s(one.attempts))

    def unreachable(self, those: Sequence[Notification], problem: str) -> float:
        """The AE cannot be reached: it pauses, with all that waits for it; for how many seconds."""
        one = those[0]
        pause_s = _pause_s(rows.failures(self._pool, one.organisation, one.ae_title))
        until = self._clock() + timedelta(seconds=pause_s)
        rows.pause(self._pool, one.organisation, one.ae_title, until=until)
        for each in those:
            self._again(each, problem, after_s=0.0)
        return pause_s

    def reached(self, one: Notification) -> None:
        """The AE is there (again)."""
        rows.reached(self._pool, one.organisation, one.ae_title)

    def forget(self, *, keep_s: float) -> bool:
        """Delete some of what was settled longer ago; whether there is more."""
        limit = 1000
        return rows.forget(self._pool, before=self._clock() - timedelta(seconds=keep_s), limit=limit) == limit

    def _holder(self, name: str) -> str:
        return f"{self._node} {name}"

    def _again(self, one: Notification, problem: str, *, after_s: float) -> None:
        now = self._clock()
        if now - one.queued_at > timedelta(seconds=self._give_up_s):
            rows.settle(self._pool, one.pk, state=rows.ABANDONED, at=now, problem=problem)
        else:
            rows.again(self._pool, [one.pk], due_at=now + timedelta(seconds=after_s), problem=problem, attempts=1)


def _pause_s(times: int) -> float:
    return float(min(FIRST_PAUSE_S * 2 ** min(times, 20), LONGEST_PAUSE_S))


__all__ = ["LEASE_S", "Notification", "Notifications"]
