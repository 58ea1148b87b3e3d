"""The open event channels of one process: wakes each when there is something to send.

One connection to the index hears of new reports at once; every few seconds it is asked besides, for what a lost
notice did not tell. Both go on only while a channel is open.
"""

import asyncio
import logging
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
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def connect(self, channel: Channel) -> asyncio.Event:
        """Set whenever there may be something to send, and at first."""
        event = asyncio.Event()
        event.set()
        self._open[channel.token] = channel, event
        if not self._tasks:
            for work in (self._listen, self._poll):
                task = asyncio.create_task(work())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return event

    def disconnect(self, channel: Channel) -> None:
        """Nothing is sent there any more."""
        self._open.pop(channel.token, None)

    async def _listen(self) -> None:
        while self._open:
            try:
                with ExitStack() as stack:
                    notices = await self._listener.run(stack.enter_context, self._channels.listening())
                    while self._open:
                        self._wake(await self._listener.run(notices.wait, _WAIT_S))
            except PacsdError as error:
                _log.warning("event channels do not hear of new reports", extra={"fault": error.fault.value})
                await asyncio.sleep(_PAUSE_S)

    async def _poll(self) -> None:
        while self._open:
            await asyncio.sleep(self._poll_s)
            try:
                self._wake(await self._threads.run(self._channels.stirred, [one for one, _ in self._open.values()]))
            except PacsdError as error:
                _log.warning("event channels were not looked after", extra={"fault": error.fault.value})

    def _wake(self, subscribers: set[int]) -> None:
        for channel, event in self._open.values():
            if channel.subscriber in subscribers:
                event.set()
