"""Answers whose bytes come from a synchronous iterator: read in a thread, sent as the client takes them."""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pacsd.archive.retrieve import Piece, read
from pacsd.faults import PacsdError
from pacsd.web.direct_body import EXTENSION, DirectBody
from pacsd.web.threads import Threads

READ_BYTES = 1 << 20             # read per turn in the thread
_SMALL_BYTES = 1 << 15           # neighbours smaller than this are joined before they are sent

_log = logging.getLogger("pacsd.web")
T = TypeVar("T")


class PiecesResponse(Response):
    """A body that is in memory already, in pieces: sent with its length, large pieces without joining them."""

    def __init__(
        self,
        pieces: Sequence[bytes],
        *,
        media_type: str,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = status_code
        self.background = None
        self._pieces = _joined(pieces)
        size = str(sum(map(len, pieces)))
        self.init_headers({"Content-Type": media_type, "Content-Length": size, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class StreamedResponse(Response):
    """Sends `chunks`; memory is bounded by two turns of READ_BYTES and the largest single chunk.

    With `direct`, for what is read and not computed, a thread writes them to the connection where that allows it, and
    the kernel what stands in files. When the source fails half-way the connection is closed, so that the client sees an
    incomplete answer and no false end. A client that takes nothing for `stall_s` is let go.
    """

    def __init__(
        self,
        chunks: Iterator[Piece],
        *,
        threads: Threads,
        media_type: str,
        status_code: int = 200,
        size_bytes: int | None = None,
        headers: Mapping[str, str] | None = None,
        stall_s: float = 120.0,
        direct: bool = False,
    ) -> None:
        self.status_code = status_code
        self.background = None
        self._chunks = chunks
        self._read = read(chunks, READ_BYTES)
        self._threads = threads
        self._stall_s = stall_s
        self._direct = direct
        length = {} if size_bytes is None else {"Content-Length": str(size_bytes)}
        self.init_headers({"Content-Type": media_type, **length, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all, or as far as it goes."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await self.close()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        gone = asyncio.ensure_future(_gone(receive))
        try:
            if self._direct and EXTENSION in scope.get("extensions", {}):
                await send(DirectBody(self._chunks, self._threads, self._stall_s).message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await self._send_all(send, gone)
        except TimeoutError:
            _log.info("answer abandoned: the client takes nothing", extra={"stall_s": self._stall_s})
        except PacsdError as error:
            _log.warning("answer cut short", extra={"fault": error.fault.value, "reason": error.message})
        except Exception as error:
            _log.error("answer cut short", extra={"fault": "internal", "error": type(error).__name__})
        finally:
            gone.cancel()
            await self.close()

    async def _send_all(self, send: Send, gone: asyncio.Future[None]) -> None:
        """Send one turn while the thread reads the next."""
        ahead = asyncio.ensure_future(self._threads.run(self._take))
        try:
            more = True
            while more and not gone.done():
                pieces, more = await ahead
                if more:
                    ahead = asyncio.ensure_future(self._threads.run(self._take))
                for piece in _cut(pieces):
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
        chunks: list[bytes] = []
        taken = 0
        for chunk in self._read:
            chunks.append(chunk)
            taken += len(chunk)
            if taken >= READ_BYTES:
                return _joined(chunks), True
        return _joined(chunks), False

    async def close(self) -> None:
        """Let go of the source, sent or not."""
        await self._threads.run(abandon, self._chunks)


def abandon(source: Iterator[Any]) -> None:
    """Let go of a source, read or not: a generator that holds a file gives it back only once it has begun."""
    if isinstance(source, Generator):
        if inspect.getgeneratorstate(source) == inspect.GEN_CREATED:
            with contextlib.suppress(PacsdError):
                next(source, None)
        source.close()


def resumed(first: T, rest: Iterator[T]) -> Iterator[T]:
    """What was taken from a source already, and the rest; the source is let go however it ends."""
    try:
        yield first
        yield from rest
    finally:
        abandon(rest)


def _cut(pieces: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    """Pieces small enough for a slow line to take one before it counts as stalled."""
    for piece in pieces:
        if len(piece) <= READ_BYTES:
            yield piece
        else:
            yield from (memoryview(piece)[at : at + READ_BYTES] for at in range(0, len(piece), READ_BYTES))


def _joined(chunks: Iterable[bytes]) -> list[bytes]:
    pieces: list[bytes] = []
    small: list[bytes] = []
    for chunk in chunks:
        if len(chunk) < _SMALL_BYTES:
            small.append(chunk)
        else:
            _flush(small, pieces)
            pieces.append(chunk)
    _flush(small, pieces)
    return pieces


def _flush(small: list[bytes], pieces: list[bytes]) -> None:
    if small:
        pieces.append(b"".join(small))
        small.clear()


async def _gone(receive: Receive) -> None:
    """Ends when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
