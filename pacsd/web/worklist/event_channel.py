"""Open Event Channel: event reports over a WebSocket (PS3.18 8.10.4, 8.10.5).

Reports are sent in order, a few at a time, and deleted once a pong has come back behind them: the client's end has them
then, and not merely a buffer on the way. What was not confirmed is sent again on the next channel, under the same
Message ID.

Who holds a channel is asked for anew before each report, and every few seconds besides: one whose token was taken back,
or may watch no more, hears nothing further.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from config import checks
from pacsd.access.operations import Operation
from pacsd.faults import Fault, PacsdError
from pacsd.web.admission import ACCESS
from pacsd.web.problem import HttpError, of_fault, problem
from pacsd.web.services import Admits, Services
from pacsd.web.worklist.switchboard import Switchboard
from pacsd.workflow.channels import Channel, Channels

CONFIRM = "pacsd.confirm"                # scope extension: awaits a pong to a ping sent now (web/server.py)
_OPENED = 101
_REPLACED, _NOT_TAKEN, _NOT_ALLOWED, _TRY_AGAIN = 4000, 1003, 1008, 1013         # RFC 6455 7.4.1; 4000: ours
_NOBODY_ANY_MORE = (Fault.UNAUTHENTICATED, Fault.FORBIDDEN)

_log = logging.getLogger("pacsd.web")


async def not_upgraded(services: Services, request: Request) -> Response:
    """GET without an upgrade to WebSocket."""
    detail = "an event channel is opened as a WebSocket"
    raise HttpError(426, "Upgrade Required", detail, headers={"Upgrade": "websocket", "Connection": "Upgrade"})


@dataclass(frozen=True, slots=True)
class _Opening:
    """The transaction, as records name it."""

    name: str = "Open Event Channel"
    operation: Operation = Operation.WATCH_WORKITEMS


class EventChannels:
    """The WebSocket end point /ws/subscribers/{aetitle} of one process."""

    def __init__(self, services: Services, admission: Admits) -> None:
        self._services = services
        self._admission = admission
        self._switchboard: Switchboard | None = None

    async def __call__(self, websocket: WebSocket) -> None:
        """Send until either side has enough."""
        refusal = self._refusal(websocket)
        if refusal is not None:
            await websocket.send_denial_response(refusal)
            return
        title: str = websocket.path_params["aetitle"].strip()
        try:
            channels = self._services.worklist().channels
            access = await self._admission.admitted(websocket.scope, Operation.WATCH_WORKITEMS)
            channel = await self._services.threads.run(channels.open, access.peer, title)
        except PacsdError as error:
            await websocket.send_denial_response(await self._recorded(websocket, of_fault(error)))
            return
        answer = await self._recorded(websocket, Response(status_code=_OPENED))
        if answer.status_code != _OPENED:
            await self._closed(channels, channel)
            await websocket.send_denial_response(answer)
            return
        try:
            await self._serve(websocket, channels, channel)
        except (WebSocketDisconnect, TimeoutError):
            _log.info("an event channel broke off")
        finally:
            await self._closed(channels, channel)

    async def _recorded(self, websocket: WebSocket, answer: Response) -> Response:
        """The answer, once it is on record; else that it cannot be."""
        recording = self._services.recording
        return answer if recording is None else await recording.before(websocket, _Opening(), answer)

    def _refusal(self, websocket: WebSocket) -> Response | None:
        title = websocket.path_params["aetitle"].strip()
        if not title or checks.ae_title(title) is not None:
            return problem(400, "Bad Request", "the subscriber in the path is no AE title")
        if not self._is_of_us(websocket.headers.get("origin"), websocket.headers.get("host", "")):
            return problem(403, "Forbidden", "pages of this origin may not open event channels")
        if self._switchboard is not None and len(self._switchboard) >= self._services.limits.max_channels:
            return problem(503, "Service Unavailable", "too many event channels", headers={"Retry-After": "5"})
        return None

    def _is_of_us(self, origin: str | None, host: str) -> bool:
        """Browsers let any page open a WebSocket to anywhere; what CORS does for the rest has to be done here."""
        same = origin is not None and origin.partition("://")[2] == host
        return origin is None or same or origin in self._services.allowed_origins

    async def _serve(self, websocket: WebSocket, channels: Channels, channel: Channel) -> None:
        switchboard = self._board(channels)
        await websocket.accept()
        event = switchboard.connect(channel)
        self._services.count.channel(1)
        gone = asyncio.ensure_future(_gone(websocket))
        sending = asyncio.ensure_future(self._send(websocket, channels, channel, event))
        try:
            await asyncio.wait((gone, sending), return_when=asyncio.FIRST_COMPLETED)
            await _close(websocket, sending.result() if sending.done() else gone.result())
        except PacsdError as error:
            _log.warning("an event channel was closed", extra={"fault": error.fault.value})
            if error.fault in _NOBODY_ANY_MORE:
                await self._recorded(websocket, of_fault(error))
            await _close(websocket, _NOT_ALLOWED if error.fault in _NOBODY_ANY_MORE else _TRY_AGAIN)
        finally:
            switchboard.disconnect(channel)
            self._services.count.channel(-1)
            await _end(gone, sending)

    async def _send(self, websocket: WebSocket, channels: Channels, channel: Channel, event: asyncio.Event) -> int:
        """Send what there is, whenever there is something; the code to close with."""
        run, stall_s = self._services.threads.run, self._services.limits.download_stall_s
        confirm: Callable[[], Awaitable[None]] = websocket.scope.get("extensions", {}).get(CONFIRM, _unconfirmed)
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), self._services.limits.look_again_s)
            await self._still(websocket, channel)
            if not event.is_set():
                continue
            event.clear()
            while messages := await run(channels.take, channel):
                if not messages.texts:
                    break
                await self._still(websocket, channel)
                async with asyncio.timeout(stall_s):
                    for text in messages.texts:
                        await websocket.send_text(text)
                    await confirm()
                await run(channels.taken, channel, messages)
            if messages is None:
                return _REPLACED

    async def _still(self, websocket: WebSocket, channel: Channel) -> None:
        """Raises PacsdError unless whoever opened the channel may watch, for the same organisation."""
        asked = {name: value for name, value in websocket.scope.items() if name != ACCESS}
        access = await self._admission.admitted(asked, Operation.WATCH_WORKITEMS)
        if access.peer.organisation != channel.peer.organisation:
            raise PacsdError(Fault.UNAUTHENTICATED, "is of another organisation now")

    def _board(self, channels: Channels) -> Switchboard:
        if self._switchboard is None:
            self._switchboard = Switchboard(channels, self._services.threads)
        return self._switchboard

    async def _closed(self, channels: Channels, channel: Channel) -> None:
        try:
            await self._services.threads.run(channels.close, channel)
        except PacsdError as error:
            _log.warning("the end of an event channel was not noted", extra={"fault": error.fault.value})


async def _gone(websocket: WebSocket) -> int | None:
    """Ends when the client has closed, or speaks: nothing is taken here."""
    message = await websocket.receive()
    return None if message["type"] == "websocket.disconnect" else _NOT_TAKEN


async def _close(websocket: WebSocket, code: int | None) -> None:
    if code is not None:
        await websocket.close(code)


async def _end(*tasks: asyncio.Future[int | None] | asyncio.Future[int]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _unconfirmed() -> None:
    """Where the server cannot tell, what it took counts as delivered."""
