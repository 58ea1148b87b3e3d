"""Projecting what happens, and, where nothing was projected yet, everything there is.

Events are read below the horizon of running transactions, in batches; what a batch is about is read at once. What fails
is put aside and tried again with growing pauses, and holds up nothing but later events of its subject. A new index (or
one that was rebuilt, which tells no events) is walked through, kind by kind, beside that.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from fhir.projection.projector import Projector
from fhir.projection.subjects import TOPICS, Subjects, subjects
from fhir.store import shared
from pacsd.access.scope import Scope
from pacsd.events.pace import MOST_LATE_S, Pace
from pacsd.faults import Fault, PacsdError
from pacsd.index import sources
from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.outbox import Cursor, Event

NAME = "fhir projections"
BATCH = 50                               # subjects at once: of each the resources are locked
FEW = 10                                 # the same, while others are at work
LEASE_S = 60.0
LOOK_S = 0.2                             # between two looks for what happened
_FIRST_PAUSE_S, _MAX_PAUSE_S = 1.0, 3600.0
_HOLDS_ALL_UP = (Fault.UNAVAILABLE, Fault.FULL)          # no fault of the events
log = logging.getLogger("pacsd.fhir")

Lag = Callable[[float], None]
Found = Sequence[tuple[int, int, str, str]]              # key, organisation, name, number (sources.swept)
Sweeping = Callable[[Connection, str, Found], None]


def not_measured(_seconds: float) -> None:
    """Where nobody wants to know how late projections are."""


class View:
    """What the directory knows, seen through FHIR. `moment` gives another object when it knows something else."""

    def __init__(self, moment: Callable[[], object], write: Callable[[Connection], None]) -> None:
        self._moment = moment
        self._write = write
        self._seen: object = None

    def follow(self, pool: Pool) -> None:
        """Write what is new, where anything is."""
        moment = self._moment()
        if moment is not self._seen:
            with lent(pool) as connection, connection.transaction():
                self._write(connection)
            self._seen = moment


class Projections:
    """What a worker does for FHIR. `holder` names it, the same after a restart: it goes on at once.

    `learn` has the directory know who was registered a moment ago: what an organisation stores first may come earlier.
    `lag` is told how long ago the newest event of a batch had happened. `pace` and `sweeping`, two of them, say when
    it gives way: what one of them has counted the other would not see. Without, it never does.
    """

    def __init__(
        self, pool: Pool, projector: Projector, everybody: Callable[[], Scope], *, view: View,
        holder: str, learn: Callable[[], None] = lambda: None, lag: Lag = not_measured,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ticks: Callable[[], float] = time.monotonic, pace: Pace | None = None,
        sweeping: Pace | None = None,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._projector = projector
        self._everybody = everybody
        self._view = view
        self._learn = learn
        self._lag = lag
        self._clock = clock
        self._ticks = ticks
        self._pace = pace or Pace(lambda: 0, share=1.0, ticks=ticks)
        self._sweeping = sweeping or Pace(lambda: 0, share=1.0, ticks=ticks)
        self._swept_at = ticks()
        self._cursor = Cursor(pool, NAME, holder=holder, scope=None, topics=TOPICS)      # also of who is not known yet
        self._ask_at, self._held = 0.0, False
        self._registered = False

    def chores(self) -> tuple[tuple[str, float, Callable[[], bool]], ...]:
        """What a worker does for it."""
        return ((NAME, LOOK_S, self.run), ("sweep into fhir", 1.0, self.sweep))

    def run(self) -> bool:
        """Project a batch of what happened; whether more may be waiting, and for nobody."""
        self.register()
        if not self._holds() or self._pace.rests():
            return False
        began = self._ticks()
        retried = self._retry()
        events = self._cursor.read(FEW if self._pace.gives_way else BATCH)
        self._know(events)
        free = self._free(events)
        if free:
            self._project(free)
        if events:
            self._cursor.advance(events[-1].event)
            late_s = max(0.0, (self._clock() - events[-1].created_at).total_seconds())
            self._lag(late_s)
            self._pace.worked(began, late_s=late_s)
        return bool(retried or events)

    def _holds(self) -> bool:
        """Whether it is this process's turn; asked of the index now and then, as every claim is a write."""
        now = self._ticks()
        if now >= self._ask_at:
            self._held = self._cursor.claim(LEASE_S)
            self._ask_at = now + (LEASE_S / 3 if self._held else 1.0)
        return self._held

    def register(self) -> None:
        """Hear of what happens from now on: what was before is walked through."""
        if not self._registered:
            self._cursor.register(begin_now=True)
            self._registered = True

    def sweep(self) -> bool:
        """Project some of what there was before; whether more is left, and for nobody. What the directory knows comes
        first."""
        self.register()
        self._view.follow(self._pool)
        if self._sweeping.rests() and self._ticks() - self._swept_at < MOST_LATE_S:
            return False
        began = self._ticks()
        more = any(self._swept(kind) for kind in sources.SWEPT)
        if more:
            self._sweeping.worked(began)
        self._swept_at = self._ticks()
        return more

    def close(self) -> None:
        """Let another process go on at once."""
        if self._registered:
            self._cursor.release()

    def _know(self, events: Sequence[Event]) -> None:
        """Whose events they are is known, before they are projected."""
        known = self._everybody().organisations
        if any(one.organisation not in known for one in events):
            self._learn()

    def _project(self, events: Sequence[Event]) -> None:
        try:
            self._projector.project(subjects(events))
        except Exception as error:       # one of them, whatever it is: then each for itself
            if _holds_all_up(error):
                raise
            for one in events:
                self._try(one, 0)

    def _retry(self) -> int:
        due = self._cursor.due(BATCH)
        self._know([event for event, _ in due])
        for event, attempts in due:
            if self._try(event, attempts):
                self._cursor.settle(event)
        return len(due)

    def _try(self, event: Event, attempts: int) -> bool:
        try:
            self._projector.project(subjects([event]))
        except Exception as error:
            if _holds_all_up(error):
                raise
            pause = min(_FIRST_PAUSE_S * 2**attempts, _MAX_PAUSE_S)
            log.warning("an event was not projected", extra={
                "event": event.event, "topic": event.topic, "error": type(error).__name__, "attempts": attempts + 1,
            })  # fmt: skip
            self._cursor.park(event, attempts=attempts + 1, pause_s=pause, error=type(error).__name__)
            return False
        return True

    def _free(self, events: Sequence[Event]) -> list[Event]:
        """Those that wait for no earlier event of their subject; the others are put aside behind it."""
        waiting = self._cursor.waiting(one.subject for one in events) if events else set()
        for one in events:
            if one.subject in waiting:
                self._cursor.park(one, attempts=0, pause_s=0.0, error="waits for an earlier event")
        return [one for one in events if one.subject not in waiting]

    def _swept(self, kind: str) -> bool:
        """Some more of a kind; False when it is finished. What fails is named in the log and left to its next event.

        Nothing is written under a savepoint: no snapshot tells of those, by which subscriptions see what was changed.
        """
        try:
            return self._sweep_some(kind, self._together)
        except Exception as error:       # one of them: then each for itself
            if _holds_all_up(error):
                raise
        return self._sweep_some(kind, self._one_by_one)

    def _sweep_some(self, kind: str, project: Sweeping) -> bool:
        with lent(self._pool) as connection, connection.transaction():
            after = shared.swept(connection, kind)
            if after is None:
                return False
            found = sources.swept(connection, self._everybody(), kind, after=after, limit=BATCH)
            project(connection, kind, found)
            shared.sweep_on(connection, kind, found[-1][0] if found else after, finished=len(found) < BATCH)
        return True

    def _together(self, connection: Connection, kind: str, found: Found) -> None:
        self._projector.within(connection, _subjects(kind, found))

    def _one_by_one(self, _connection: Connection, kind: str, found: Found) -> None:
        """Each in a transaction of its own, while the sweep is held."""
        for one in found:
            try:
                self._projector.project(_subjects(kind, [one]))
            except Exception as error:
                if _holds_all_up(error):
                    raise
                log.error("something was not projected", extra={"kind": kind, "key": one[0],
                                                                "error": type(error).__name__})  # fmt: skip


def _holds_all_up(error: Exception) -> bool:
    return isinstance(error, PacsdError) and error.fault in _HOLDS_ALL_UP


def _subjects(kind: str, found: Found) -> Subjects:
    asked = Subjects()
    if kind == "patient":
        asked.patients.update((authority, number) for _, _, authority, number in found)
        return asked
    into = {"study": asked.studies, "order": asked.orders, "report": asked.reports, "workitem": asked.workitems}
    into[kind].update((organisation, name) for _, organisation, name, _ in found)
    return asked
