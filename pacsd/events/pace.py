"""When what follows messages and objects gives way to them: a sender waits for answers, nobody yet for what follows.

While they pour in, each of those who project them into FHIR or match their patients takes a small part of the time, and
what is left follows at once when it is over. What is half a minute late waits no longer: then both go on side by side,
matching until it has caught up; so it does where many patients wait for it (pacsd.identity.linking.MUCH).
What was there before is in no hurry at all: it gives way to whatever is written, with longer rests.
"""

import time
from collections.abc import Callable

POURING = 100.0                          # messages or objects a second
SHARE = 0.1                              # of the time, meanwhile
LONGEST_S = 2.0                          # of a rest, whatever a batch took
UNHURRIED_S = 20.0                       # of a rest of who has no deadline
MOST_LATE_S = 30.0
_MOMENT_S = 0.02                         # too short to say how many come a second
_STALE_S = 1.0                           # what was seen before says nothing of now

Came = Callable[[], int]                 # a number that grows by one with each message that comes


class Pace:
    """Of one consumer. `came` is asked only while it might have to rest; with a `share` of 1 it never rests."""

    def __init__(
        self, came: Came, *, share: float = SHARE, longest_s: float = LONGEST_S,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._came = came
        self._work_to_rest = 1 / share - 1
        self._longest_s = longest_s
        self._ticks = ticks
        self._rest_until, self._late_s = 0.0, 0.0
        self._looked_at, self._seen, self._pour = ticks(), 0, True

    def rests(self) -> bool:
        """Whether it is not yet time for more."""
        return self._ticks() < self._rest_until and self._pouring()

    @property
    def gives_way(self) -> bool:
        """Whether little at a time will do: they poured in at the last look, or it is long ago."""
        return self._work_to_rest > 0 and self._late_s <= MOST_LATE_S and (self._pour or self._is_stale())

    def worked(self, began: float, *, late_s: float | None = None) -> None:
        """Something was projected. `began`: by the same clock; `late_s`: how long ago the last event had happened."""
        now = self._ticks()
        self._late_s = self._late_s if late_s is None else late_s
        rest_s = min((now - began) * self._work_to_rest, self._longest_s)
        self._rest_until = now if self._late_s > MOST_LATE_S else now + rest_s
        if self._is_stale() and now < self._rest_until:
            self._look()
            self._pour = True

    def hurries(self) -> None:
        """There is too much left to do to rest."""
        self._rest_until = self._ticks()

    def _pouring(self) -> bool:
        """Whether as many came since the last look."""
        if self._ticks() - self._looked_at >= _MOMENT_S:
            came, seconds = self._look()
            self._pour = came > POURING * seconds
        return self._pour

    def _look(self) -> tuple[int, float]:
        """How many came since the last look, and the seconds."""
        before, at = self._seen, self._looked_at
        self._seen, self._looked_at = self._came(), self._ticks()
        return self._seen - before, self._looked_at - at

    def _is_stale(self) -> bool:
        return self._ticks() - self._looked_at > _STALE_S
