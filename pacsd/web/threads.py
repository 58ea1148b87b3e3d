"""Where the synchronous services run: worker threads, a bounded number of them.

A request of a few statements costs a fraction of a millisecond: what hands a call to a thread and its result back is
as little as there can be, a queue and a wake-up of the loop.
"""

import asyncio
import concurrent.futures
import os
from asyncio import AbstractEventLoop, CancelledError, Future
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_IDLE_S = 30.0                           # without a call after which a thread ends
_LEFT_FOR_EACH = 4                       # results of a thread's that wait without it


@dataclass(frozen=True, slots=True)
class After(Generic[T]):
    """The result of a call that counts once something else is done, whatever comes of that: no thread waits for it."""

    done: "concurrent.futures.Future[None]"
    result: T


class Threads:
    """Runs calls in worker threads. Reads and commits have their own limits, so that neither starves the other."""

    def __init__(self, *, reads: int = 32, commits: int = 32, idle_s: float = _IDLE_S) -> None:
        self._reads = _Crew(reads, idle_s)
        self._commits = _Crew(commits, idle_s)

    async def run(self, call: Callable[P, R | After[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Await a call. A cancelled request still waits for the call to end: it may hold a file or a cursor."""
        return await self._reads.run(partial(call, *args, **kwargs))

    async def commit(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `run`, for calls that wait for disks."""
        return await self._commits.run(partial(call, *args, **kwargs))


class _Crew:
    """At most so many threads, made when they are needed; calls that find none free wait in the order they came."""

    def __init__(self, most: int, idle_s: float) -> None:
        self._most = most
        self._idle_s = idle_s
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._lock = Lock()
        self._threads = 0
        self._open = 0                   # calls that were asked for and have not ended
        self._left = 0                   # results that wait without a thread (After)

    async def run(self, work: Callable[[], R | After[R]]) -> R:
        call = _Call(work, asyncio.get_running_loop())
        with self._lock:
            self._open += 1
            another = self._threads < min(self._open, self._most)
            self._threads += another
        self._calls.put(call)
        if another:
            self._begin()
        result: R = await call.answered()
        return result

    def _begin(self) -> None:
        """One more thread; where the system has none to give, those there are take the call. The loop ends after its
        calls."""
        try:
            Thread(target=self._work, name="call", daemon=True).start()
        except RuntimeError:
            with self._lock:
                self._threads -= 1
                alone = not self._threads
            if alone:
                raise

    def _work(self) -> None:
        while (call := self._next()) is not None:
            result, error = call.made()
            with self._lock:
                self._open -= 1
            if not isinstance(result, After):
                call.report(result, error)
            elif self._may_leave():
                _report_after(result.done, partial(self._report_left, call), result.result)
            else:
                concurrent.futures.wait((result.done,))
                call.report(result.result, None)
            del call, result, error      # nothing of it is kept while the next one is waited for

    def _may_leave(self) -> bool:
        """Whether one more result may wait without a thread: where a disk hangs, no more than so many do."""
        with self._lock:
            if self._left >= _LEFT_FOR_EACH * self._most:
                return False
            self._left += 1
            return True

    def _report_left(self, call: "_Call", result: Any, error: BaseException | None) -> None:
        with self._lock:
            self._left -= 1
        call.report(result, error)

    def _next(self) -> "_Call | None":
        """The next call; None where there are more threads than calls for a while."""
        while True:
            try:
                return self._calls.get(timeout=self._idle_s)
            except Empty:
                with self._lock:
                    if self._threads > self._open:
                        self._threads -= 1
                        return None


class _Call:
    """A call on its way to a thread and back."""

    def __init__(self, work: Callable[[], Any], loop: AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self._ended = False
        self._waiting: Future[tuple[Any, BaseException | None]] = loop.create_future()

    def made(self) -> tuple[Any, BaseException | None]:
        """Make the call, in a thread; what it returned or raised."""
        try:
            return self._work(), None
        except BaseException as error:   # whatever it is, somebody waits for it
            return None, error

    def report(self, result: Any, error: BaseException | None) -> None:
        """Tell who waits."""
        with suppress(RuntimeError):     # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._end, (result, error))

    def _end(self, made: tuple[Any, BaseException | None]) -> None:
        self._ended = True
        if not self._waiting.done():
            self._waiting.set_result(made)

    async def answered(self) -> Any:
        """What the call returns; it raises what the call raises, and CancelledError only when the call has ended."""
        try:
            result, error = await self._waiting
        except CancelledError:
            await self._end_of_it()
            raise
        if error is not None:
            raise error
        return result

    async def _end_of_it(self) -> None:
        while not self._ended:
            self._waiting = self._loop.create_future()
            with suppress(CancelledError):
                await self._waiting


def _report_after(done: "concurrent.futures.Future[None]", report: Callable[[Any, None], None], result: Any) -> None:
    """Report in whichever thread that is done. A future keeps what it called for as long as itself is kept: of this
    nothing is left in it."""
    held = [(report, result)]

    def tell(_: object) -> None:
        report, result = held.pop()
        report(result, None)
    done.add_done_callback(tell)


def codec_threads() -> Threads:
    """Threads for what computes: as many as there are processors, and one that waits for a disk meanwhile."""
    return Threads(reads=(os.cpu_count() or 1) + 1)


def picture_threads(processes: int = 1) -> Threads:
    """Threads that draw, in one of so many processes: as many as it has processors to itself.

    A picture is many short calls that let go of the interpreter's lock; threads that contend for it cost an eighth.
    """
    return Threads(reads=max(1, (os.cpu_count() or 1) // processes))
