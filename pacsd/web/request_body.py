"""The body of a request as it arrives: bounded in size, and in how slowly it may come (RFC 9110 15.5.9, 15.5.14)."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable

from starlette.requests import Request

from pacsd.web.problem import HttpError
from pacsd.web.services import WebLimits


async def arriving(limits: WebLimits, request: Request, most: int | None) -> AsyncIterator[bytes]:
    """The body, piece by piece. Raises HttpError 413 above `most` bytes, 408 when the client stalls."""
    declared = request.headers.get("content-length", "")
    if most is not None and declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    taken = 0
    pace = _Pace(limits.upload_stall_s, limits.min_upload_bytes_per_s)
    chunks = aiter(request.stream())
    while True:
        chunk = await pace.keep(anext(chunks, None))
        if chunk is None:
            return
        taken += len(chunk)
        if most is not None and taken > most:
            raise _too_large(most)
        if chunk:
            yield chunk


class _Pace:
    """What a client owes while it is waited for: something within `stall_s`, and so much on an average of that time.

    Only waiting for the client counts, not what our disks take. So one byte a minute holds no connection for ever.
    """

    def __init__(self, stall_s: float, min_bytes_per_s: float) -> None:
        self._stall_s = stall_s
        self._min_bytes_per_s = min_bytes_per_s
        self._waited_s = 0.0
        self._came_bytes = 0

    async def keep(self, arriving: Awaitable[bytes | None]) -> bytes | None:
        """The next bytes. Raises HttpError 408."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._stall_s):
                chunk = await arriving
        except TimeoutError as error:
            raise _stalled() from error
        self._waited_s += time.monotonic() - began
        self._came_bytes += len(chunk or b"")
        if self._waited_s >= self._stall_s and chunk is not None:
            if self._came_bytes < self._min_bytes_per_s * self._waited_s:
                raise _stalled()
            self._waited_s, self._came_bytes = 0.0, 0
        return chunk


def _stalled() -> HttpError:
    return HttpError(408, "Request Timeout", "the upload has stalled", headers={"Connection": "close"})


def _too_large(most: int) -> HttpError:
    detail = f"one request may hold {most} bytes"
    return HttpError(413, "Content Too Large", detail, headers={"Connection": "close"})
