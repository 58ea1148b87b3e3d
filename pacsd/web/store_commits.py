"""What one store request brought made durable: several calls at once, each with outcomes in the order of arrival."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from pacsd.faults import Fault, PacsdError
from pacsd.web.services import Reception
from pacsd.web.store_response import Outcome, failed, stored
from pacsd.web.threads import Threads

_UNDECIDED = failed(PacsdError(Fault.INTERNAL, "processing failure"))

_log = logging.getLogger("pacsd.web")


class Commits:
    """Used by the coroutines of one task only; threads do what touches the disk, in `at_once` calls at one time."""

    def __init__(self, threads: Threads, at_once: int) -> None:
        self._threads = threads
        self._free = asyncio.Semaphore(at_once)
        self._running: set[asyncio.Task[None]] = set()
        self._outcomes: list[Sequence[Outcome]] = []

    async def add(self, reception: Reception | None, outcome: Outcome | None = None) -> None:
        """The next object: a reception to commit, or why there is none."""
        if reception is not None:
            await self.begin(lambda: [committed(reception)], 1)
        else:
            self._outcomes.append([outcome or _UNDECIDED])

    async def begin(self, commit: Callable[[], Sequence[Outcome]], count: int) -> None:
        """The next `count` objects, and what commits them. Waits while too many are on their way."""
        await self._free.acquire()
        number = len(self._outcomes)
        self._outcomes.append([_UNDECIDED] * count)
        task = asyncio.ensure_future(self._commit(number, commit))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def finish(self) -> list[Outcome]:
        """One outcome for each object, in their order."""
        if self._running:
            await asyncio.wait(self._running)
        return [outcome for outcomes in self._outcomes for outcome in outcomes]

    async def _commit(self, number: int, commit: Callable[[], Sequence[Outcome]]) -> None:
        try:
            self._outcomes[number] = await self._threads.commit(commit)
        except Exception as error:
            _log.error("store failed", extra={"fault": "internal", "error": type(error).__name__})
        finally:
            self._free.release()


def committed(reception: Reception) -> Outcome:
    """Commit, whatever happens, to an outcome."""
    try:
        return stored(reception.commit())
    except PacsdError as error:
        return failed(error, *named(reception))
    except Exception as error:
        _log.error("store failed", extra={"fault": "internal", "error": type(error).__name__})
        reception.abort()
        return failed(PacsdError(Fault.INTERNAL, "processing failure"), *named(reception))


def named(reception: Reception) -> tuple[str, str]:
    """SOP class and instance, as far as they are known."""
    return reception.sop_class_uid, reception.sop_instance_uid
