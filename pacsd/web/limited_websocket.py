"""A WebSocket on a connection (RFC 6455), counted among the connections, and able to tell what has arrived."""

import asyncio
import logging
import os
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

from pacsd.web.secured import extensions_of
from pacsd.web.server_limits import ServerLimits
from pacsd.web.worklist.event_channel import CONFIRM

_log = logging.getLogger("pacsd.web.websocket")
_log.setLevel(logging.WARNING)           # below it stand addresses and paths of every connection
_NO_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which counts and confirms nothing."""

    def __init__(self, limits: ServerLimits, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.logger = _log
        self._limits = limits
        self._confirmations: dict[bytes, asyncio.Future[None]] = {}

    def data_received(self, data: bytes) -> None:
        """Frames; or a handshake, and one that is none, a request with a body say, is answered: uvicorn would wait."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_complete:
            self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()) or _NO_HANDSHAKE)
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """The client's handshake: 503 where there are too many connections."""
        if len(self.connections) > self._limits.max_connections:
            self.conn.send_response(self.conn.reject(503, ""))
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.handshake_complete = self.close_sent = True
            self.transport.close()
            return
        super().handle_connect(event)
        if not self.handshake_complete:          # it was not refused: the application is about to run
            extensions: Any = self.scope["extensions"]
            extensions[CONFIRM] = self._confirm
            extensions.update(extensions_of(self.transport))

    async def send(self, message: Any) -> None:
        """A message of the application. What it refuses is answered: uvicorn would take that for our defect."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True

    async def _confirm(self) -> None:
        """Return when a ping sent now was answered: what was sent before has arrived. Raises TimeoutError."""
        if self.disconnected:
            raise TimeoutError
        payload = os.urandom(8)
        confirmation = self._confirmations[payload] = self.loop.create_future()
        try:
            self.conn.send_ping(payload)
            self.transport.write(b"".join(self.conn.data_to_send()))
            await asyncio.wait_for(confirmation, self._limits.ping_interval_s)
        except InvalidState as error:            # it is closing
            raise TimeoutError from error
        finally:
            del self._confirmations[payload]

    def handle_pong(self, event: Frame) -> None:
        """The answer to a ping, ours or uvicorn's."""
        confirmation = self._confirmations.get(bytes(event.data))
        if confirmation is None:
            super().handle_pong(event)
        elif not confirmation.done():
            confirmation.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is confirmed any more, and no handshake is owed."""
        for confirmation in self._confirmations.values():
            if not confirmation.done():
                confirmation.set_exception(TimeoutError())
        super().connection_lost(exc)
        self.handshake_complete = True
