"""Receptions of one store request made durable: several at once, each with an outcome in the order of arrival."""

import asyncio
import logging

from pacsd.faults import Fault, PacsdError
from pacsd.web.services import Reception, Services
from pacsd.web.store_response import Outcome, failed, stored

_UNDECIDED = failed(PacsdError(Fault.INTERNAL, "processing failure"))

_log = logging.getLogger("pacsd.web")


class Commits:
    """Used by the coroutines of one task only; threads do what touches the disk."""

    def __init__(self, services: Services) -> None:
        self._threads = services.threads
        self._free = asyncio.Semaphore(services.limits.commits_in_flight)
        self._running: set[asyncio.Task[None]] = set()
        self._outcomes: list[Outcome | None] = []

    async def add(self, reception: Reception | None, outcome: Outcome | None = None) -> None:
        """The next object: a reception to commit, or why there is none. Waits while too many are on their way."""
        number = len(self._outcomes)
        self._outcomes.append(outcome)
        if reception is None:
            return
        await self._free.acquire()
        task = asyncio.ensure_future(self._commit(number, reception))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def finish(self) -> list[Outcome]:
        """One outcome for each object, in their order."""
        if self._running:
            await asyncio.wait(self._running)
        return [outcome or _UNDECIDED for outcome in self._outcomes]

    async def _commit(self, number: int, reception: Reception) -> None:
        try:
            self._outcomes[number] = await self._threads.commit(committed, reception)
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
