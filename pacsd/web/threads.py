"""Where the synchronous services run: worker threads, a bounded number of them."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread

P = ParamSpec("P")
R = TypeVar("R")


class Threads:
    """Runs calls in worker threads. Reads and commits have their own limits, so that neither starves the other."""

    def __init__(self, *, reads: int = 32, commits: int = 32) -> None:
        self._reads = reads
        self._commits = commits
        self._read_limiter: anyio.CapacityLimiter | None = None
        self._commit_limiter: anyio.CapacityLimiter | None = None

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Await a call. A cancelled request still waits for the call to end: it may hold a file or a cursor."""
        if self._read_limiter is None:
            self._read_limiter = anyio.CapacityLimiter(self._reads)
        return await anyio.to_thread.run_sync(_bound(call, args, kwargs), limiter=self._read_limiter)

    async def commit(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `run`, for calls that wait for disks."""
        if self._commit_limiter is None:
            self._commit_limiter = anyio.CapacityLimiter(self._commits)
        return await anyio.to_thread.run_sync(_bound(call, args, kwargs), limiter=self._commit_limiter)


def codec_threads() -> Threads:
    """Threads for what computes: as many as there are processors, and one that waits for a disk meanwhile."""
    return Threads(reads=(os.cpu_count() or 1) + 1)


def picture_threads(processes: int = 1) -> Threads:
    """Threads that draw, in one of so many processes: as many as it has processors to itself.

    A picture is many short calls that let go of the interpreter's lock; threads that contend for it cost an eighth.
    """
    return Threads(reads=max(1, (os.cpu_count() or 1) // processes))


def _bound(call: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], R]:
    return partial(call, *args, **kwargs)
