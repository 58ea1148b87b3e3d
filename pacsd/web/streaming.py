"""Answers whose bytes come from a synchronous iterator: read ahead in a thread, sent as the client takes them."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pacsd.faults import PacsdError
from pacsd.web.threads import Threads

READ_BYTES = 1 << 20             # read per turn in the thread
_SMALL_BYTES = 1 << 15           # neighbours smaller than this are joined before they are sent

_log = logging.getLogger("pacsd.web")


class PiecesResponse(Response):
    """A body that is in memory already, in pieces: sent with its length, without joining them."""

    def __init__(self, pieces: Sequence[bytes], *, media_type: str) -> None:
        self.status_code = 200
        self.background = None
        self._pieces = pieces
        self.init_headers({"Content-Type": media_type, "Content-Length": str(sum(map(len, pieces)))})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class StreamedResponse(Response):
    """Sends `chunks`; memory is bounded by two turns of READ_BYTES and the largest single chunk.

    When the source fails half-way the connection is closed, so that the client sees an incomplete answer and no
    false end. A client that takes nothing for `stall_s` is let go.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        *,
        threads: Threads,
        media_type: str,
        status_code: int = 200,
        size_bytes: int | None = None,
        headers: Mapping[str, str] | None = None,
        stall_s: float = 120.0,
    ) -> None:
        self.status_code = status_code
        self.background = None
        self._chunks = chunks
        self._threads = threads
        self._stall_s = stall_s
        length = {} if size_bytes is None else {"Content-Length": str(size_bytes)}
        self.init_headers({"Content-Type": media_type, **length, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all, or as far as it goes."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await self._close()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await self._send_all(send, gone)
        except TimeoutError:
            _log.info("answer abandoned: the client takes nothing", extra={"stall_s": self._stall_s})
        except PacsdError as error:
            _log.warning("answer cut short", extra={"fault": error.fault.value, "reason": error.message})
        except Exception as error:
            _log.error("answer cut short", extra={"fault": "internal", "error": type(error).__name__})
        finally:
            gone.cancel()
            await self._close()

    async def _send_all(self, send: Send, gone: asyncio.Future[None]) -> None:
        """Send one turn while the thread reads the next."""
        ahead = asyncio.ensure_future(self._threads.run(self._take))
        try:
            more = True
            while more and not gone.done():
                pieces, more = await ahead
                if more:
                    ahead = asyncio.ensure_future(self._threads.run(self._take))
                for piece in pieces:
                    async with asyncio.timeout(self._stall_s):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            if not ahead.done():
                await asyncio.wait((ahead,))
            if not ahead.cancelled():
                ahead.exception()            # seen: a turn read in vain is nobody's error
        if not more:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _take(self) -> tuple[list[bytes], bool]:
        """One turn of reading: pieces, and whether there may be more."""
        pieces: list[bytes] = []
        small: list[bytes] = []
        taken = 0
        for chunk in self._chunks:
            taken += len(chunk)
            if len(chunk) < _SMALL_BYTES:
                small.append(chunk)
            else:
                _flush(small, pieces)
                pieces.append(chunk)
            if taken >= READ_BYTES:
                _flush(small, pieces)
                return pieces, True
        _flush(small, pieces)
        return pieces, False

    async def _close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            await self._threads.run(close)


def _flush(small: list[bytes], pieces: list[bytes]) -> None:
    if small:
        pieces.append(b"".join(small))
        small.clear()


async def _gone(receive: Receive) -> None:
    """Ends when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
