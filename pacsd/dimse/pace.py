"""Receiving comes first: where processors are short, long queries and retrievals give way to arriving objects.

A modality waits for each answer, a query's user for the last one. A low priority alone does not do it: what is asked of
PostgreSQL and of the peer runs with theirs.
"""

import time
from collections.abc import Callable

from pacsd.dimse.occupancy import Place

_RECEIVING_S = 0.1                       # since the last object arrived
_WORK_S = 0.005                          # less is not worth a pause
_PAUSES = 19                             # as long as the work before: a twentieth of one processor goes on
_LONGEST_PAUSE_S = 0.3

def plenty() -> bool:
    """Processors are never short, as far as one knows."""
    return False


class Pace:
    """How fast the operations of one process may go. `short` says whether the machine's processors nearly all work."""

    def __init__(
        self,
        place: Place,
        *,
        short: Callable[[], bool] = plenty,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._place = place
        self._short = short
        self._clock = clock
        self._sleep = sleep

    def received(self) -> None:
        """An object arrived here."""
        self._place.received(self._clock())

    def give_way(self, worked_since: float) -> float:
        """Pause if objects are arriving and processors are short; when work goes on, for the next call."""
        now = self._clock()
        if now - worked_since < _WORK_S:
            return worked_since
        if now - self._place.last_received() < _RECEIVING_S and self._short():
            self._sleep(min(_PAUSES * (now - worked_since), _LONGEST_PAUSE_S))
        return self._clock()

    def now(self) -> float:
        """When work begins, for the first call."""
        return self._clock()
