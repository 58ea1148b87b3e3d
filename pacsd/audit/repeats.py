"""Which accesses were recorded a moment ago, so that the same one again is only counted.

The rule: the first access of an agent to a study by an operation (or of the same query) is recorded before its answer;
the same within the window only counts, and the count is recorded when the window ends. An access counts on the first
one's record only once that is on the disk.
"""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock

from pacsd.audit.message import AuditMessage, Encoded, Recordable

MOST_KEPT = 50_000
_AT_ONCE = 1_000                         # of the oldest, that are let go when there are too many
_WRITTEN: "Future[None]" = Future()
_WRITTEN.set_result(None)


@dataclass(slots=True)
class _First:
    """A first access; `again` counts those after it."""

    until: float
    message: Recordable
    recorded: "Future[None]"
    again: int = 0

    def written(self, recorded: "Future[None]") -> None:
        """Of tens of thousands that are kept the record of each stands for itself, and not for those beside it."""
        if not _failed(recorded):
            self.recorded = _WRITTEN


class Repeats:
    """The accesses of one process that may be repeated; used by many threads."""

    def __init__(
        self, window_s: float, *, most: int = MOST_KEPT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._window_s = window_s
        self._most = most
        self._clock = clock
        self._lock = Lock()
        self._firsts: dict[Hashable, _First] = {}

    def repeated(self, key: Hashable) -> "Future[None] | None":
        """The record of the same access, if there is one that counts; it may still be on its way to the disk."""
        with self._lock:
            first = self._firsts.get(key)
            if first is None or self._clock() >= first.until or _failed(first.recorded):
                return None
            first.again += 1
            return first.recorded

    def began(self, key: Hashable, message: Recordable, recorded: "Future[None]") -> list[AuditMessage]:
        """Remember a first access that is being recorded; the counts of what had to give way to it."""
        if not self._window_s:
            return []
        with self._lock:
            before = self._firsts.pop(key, None)
            gone = [before] if before is not None else []
            if len(self._firsts) >= self._most:
                gone += [self._firsts.pop(one) for one in list(self._firsts)[:_AT_ONCE]]
            first = self._firsts[key] = _First(self._clock() + self._window_s, message, recorded)
        recorded.add_done_callback(first.written)
        return _counted(gone, message.at) if gone else []

    def ended(self, at: datetime, *, every: bool = False) -> list[AuditMessage]:
        """The counts of those whose window ended, or of all."""
        with self._lock:
            now = self._clock()
            keys = [key for key, one in self._firsts.items() if every or now >= one.until]
            gone = [self._firsts.pop(key) for key in keys]
        return _counted(gone, at)


def _failed(recorded: "Future[None]") -> bool:
    return recorded.done() and recorded.exception() is not None


def _counted(firsts: list[_First], at: datetime) -> list[AuditMessage]:
    told = [one for one in firsts if one.again and not _failed(one.recorded)]
    return [replace(_said(one.message), at=at, repeats=one.again) for one in told]


def _said(recorded: Recordable) -> AuditMessage:
    return recorded.message() if isinstance(recorded, Encoded) else recorded
