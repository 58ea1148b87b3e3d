"""What other threads bring about, awaited by the tasks of event loops."""

import asyncio
from concurrent.futures import Future
from contextlib import suppress


class Awaited:
    """Waits for futures of threads; however many tasks wait for one, their loop is called once."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[asyncio.AbstractEventLoop, Future[None]], list[asyncio.Future[None]]] = {}

    async def __call__(self, future: "Future[None]") -> None:
        """Return when it is done. Raises what it raises."""
        if not future.done():
            loop = asyncio.get_running_loop()
            mine = loop.create_future()
            others = self._waiting.get((loop, future))
            if others is not None:
                others.append(mine)
            else:
                self._waiting[loop, future] = [mine]
                future.add_done_callback(lambda done: self._called(loop, done))
            await mine
        future.result()

    def _called(self, loop: asyncio.AbstractEventLoop, done: "Future[None]") -> None:
        """In whichever thread it was done."""
        with suppress(RuntimeError):     # the loop is closed: nobody waits
            loop.call_soon_threadsafe(self._tell, loop, done)

    def _tell(self, loop: asyncio.AbstractEventLoop, done: "Future[None]") -> None:
        for one in self._waiting.pop((loop, done)):
            if not one.done():           # a task that was cancelled waits no more
                one.set_result(None)
