"""The open event channels of one process: wakes each when there is something to send.

One connection to the index hears of new reports at once; every few seconds it is asked besides, for what a lost
notice did not tell. Both go on only while a channel is open.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from pacsd.faults import PacsdError
from pacsd.web.threads import Threads
from pacsd.workflow.channels import Channel, Channels

POLL_S = 2.0
_WAIT_S = 1.0                            # for one notice; bounds how long an end takes
_PAUSE_S = 1.0

_log = logging.getLogger("pacsd.web")


class Switchboard:
    """Used by the event loop alone."""

    def __init__(self, channels: Channels, threads: Threads, *, poll_s: float = POLL_S) -> None:
        self._channels = channels
        self._threads = threads
        self._listener = Threads(reads=1)
        self._poll_s = poll_s
        self._open: dict[str, tuple[Channel, asyncio.Event]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def connect(self, channel: Channel) -> asyncio.Event:
        """Set whenever there may be something to send, and at first."""
        event = asyncio.Event()
        event.set()
        self._open[channel.token] = channel, event
        for name, work in (("listen", self._listen), ("poll", self._poll)):
            if name not in self._tasks or self._tasks[name].done():
                self._tasks[name] = asyncio.create_task(self._while_open(work))
        return event

    def disconnect(self, channel: Channel) -> None:
        """Nothing is sent there any more."""
        self._open.pop(channel.token, None)

    async def _while_open(self, work: Callable[[], Awaitable[None]]) -> None:
        """Again and again; what fails is tried again after a pause, and the other one goes on meanwhile."""
        while self._open:
            try:
                await work()
            except PacsdError as error:
                _log.warning("event channels are not looked after", extra={"fault": error.fault.value})
                await asyncio.sleep(_PAUSE_S)
            except Exception as error:
                _log.error("event channels are not looked after", extra={"error": type(error).__name__})
                await asyncio.sleep(_PAUSE_S)

    async def _listen(self) -> None:
        with ExitStack() as stack:
            notices = await self._listener.run(stack.enter_context, self._channels.listening())
            while self._open:
                self._wake(await self._listener.run(notices.wait, _WAIT_S))

    async def _poll(self) -> None:
        await asyncio.sleep(self._poll_s)
        self._wake(await self._threads.run(self._channels.stirred, [one for one, _ in self._open.values()]))

    def _wake(self, subscribers: set[int]) -> None:
        for channel, event in self._open.values():
            if channel.subscriber in subscribers:
                event.set()
