"""When what follows messages gives way to them: a feed waits for its acknowledgements, nobody yet for what follows.

While they pour in, each of those who project them into FHIR or match their patients takes a small part of the time, and
what is left follows at once when it is over. What is half a minute late waits no longer: then both go on side by side,
matching until it has caught up; so it does where many patients wait for it (pacsd.identity.linking.MUCH).
What was there before is in no hurry at all: it gives way to whatever is written, with longer rests.
"""

import time
from collections.abc import Callable

POURING = 100.0                          # messages a second
SHARE = 0.1                              # of the time, meanwhile
LONGEST_S = 2.0                          # of a rest, whatever a batch took
UNHURRIED_S = 20.0                       # of a rest of who has no deadline
MOST_LATE_S = 30.0

Came = Callable[[], int]                 # a number that grows by one with each message that comes


class Pace:
    """Of one consumer. `came` is asked only while it might have to rest."""

    def __init__(
        self, came: Came, *, longest_s: float = LONGEST_S, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._came = came
        self._longest_s = longest_s
        self._ticks = ticks
        self._rest_until, self._late_s = 0.0, 0.0
        self._looked_at, self._seen = ticks(), 0

    def rests(self) -> bool:
        """Whether it is not yet time for more."""
        return self._ticks() < self._rest_until and self._pouring()

    def worked(self, began: float, *, late_s: float | None = None) -> None:
        """Something was projected. `began`: by the same clock; `late_s`: how long ago the last event had happened."""
        now = self._ticks()
        self._late_s = self._late_s if late_s is None else late_s
        rest_s = min((now - began) * (1 / SHARE - 1), self._longest_s)
        self._rest_until = now if self._late_s > MOST_LATE_S else now + rest_s

    def hurries(self) -> None:
        """There is too much left to do to rest."""
        self._rest_until = self._ticks()

    def _pouring(self) -> bool:
        """Whether as many came since the last look."""
        before, at = self._seen, self._looked_at
        self._seen, self._looked_at = self._came(), self._ticks()
        return self._seen - before > POURING * (self._looked_at - at)
