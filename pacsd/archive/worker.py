"""The worker role: chores that find their work in the state of the index, again and again.

There is no job queue to lose or to repair: what is due follows from rows, and a row claimed by a worker that died is
free again when its claim ends. Any number of workers may run, on any number of machines.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pacsd.faults import Fault, PacsdError

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
log = logging.getLogger("pacsd.worker")


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do every `every_s`. `run` does a bounded piece and says whether more is waiting."""

    name: str
    every_s: float
    run: Callable[[], bool]


class Stop(Protocol):
    """Something that says when to end, and may be waited for."""

    def is_set(self) -> bool: ...
    def wait(self, timeout_s: float, /) -> bool: ...


class _Turn:
    """When a chore is due, and how often it failed since it last worked."""

    def __init__(self, chore: Chore) -> None:
        self.chore = chore
        self.due_at = 0.0
        self.failures = 0


class Worker:
    """Runs chores in turn until `stop` is set; a chore that fails waits longer each time and holds up no other."""

    def __init__(
        self, chores: Sequence[Chore], *, stop: Stop, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._turns = [_Turn(chore) for chore in chores]
        self._stop = stop
        self._clock = clock

    def run(self) -> None:
        """Work until told to stop; returns after the piece of work in hand."""
        while not self._stop.is_set():
            self.run_due()
            pause = min(turn.due_at for turn in self._turns) - self._clock() if self._turns else LONGEST_PAUSE_S
            if pause > 0:
                self._stop.wait(pause)

    def run_due(self) -> None:
        """One piece of every chore that is due."""
        for turn in self._turns:
            if self._stop.is_set():
                return
            if turn.due_at <= self._clock():
                self._run(turn)

    def _run(self, turn: _Turn) -> None:
        try:
            more = turn.chore.run()
        except Exception as error:      # the worker's one catch-all: no chore may end the others
            turn.failures += 1
            pause = min(FIRST_PAUSE_S * 2 ** (turn.failures - 1), LONGEST_PAUSE_S)
            expected = isinstance(error, PacsdError) and error.fault in (Fault.UNAVAILABLE, Fault.FULL)
            log.log(
                logging.WARNING if expected else logging.ERROR,
                "a chore failed and will be tried again",
                extra={"chore": turn.chore.name, "failures": turn.failures, "pause_s": pause},
                exc_info=not expected,
            )
            turn.due_at = self._clock() + pause
            return
        turn.failures = 0
        turn.due_at = self._clock() + (0.0 if more else turn.chore.every_s)


class Backoff:
    """Which subjects failed lately and should be left alone for a while; bounded, in memory, for one worker."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._failed: dict[int, tuple[int, float]] = {}

    def resting(self, subject: int) -> bool:
        """Whether the subject failed and its pause is not over."""
        failed = self._failed.get(subject)
        return failed is not None and failed[1] > self._clock()

    def failed(self, subject: int) -> float:
        """Note a failure; the pause in seconds, twice as long each time up to five minutes."""
        times = self._failed.pop(subject, (0, 0.0))[0] + 1
        pause = float(min(FIRST_PAUSE_S * 2 ** (times - 1), LONGEST_PAUSE_S))
        while len(self._failed) >= self._most:
            del self._failed[next(iter(self._failed))]
        self._failed[subject] = (times, self._clock() + pause)
        return pause

    def worked(self, subject: int) -> None:
        """Forget the subject's failures."""
        self._failed.pop(subject, None)
