"""Bodies as they come: bounded in size, and in time."""

import asyncio
import time
import zlib

from starlette.requests import Request

from fhir.outcome import FhirError
from pacsd.faults import Fault

STALL_S = 60.0                           # without a byte from the client
_GZIP = ("gzip", "x-gzip")
_GZIP_BITS = 31
_CODINGS = ("", "identity", *_GZIP)


async def read(request: Request, *, most: int) -> bytes:
    """The whole body, its coding undone. Raises FhirError TOO_MUCH above `most` bytes, and what read from it raises."""
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in _CODINGS:
        raise FhirError(Fault.UNSUPPORTED, "bodies may be coded with gzip and nothing else", status=415)
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdecimal() and int(declared[:18]) > most:
        raise _too_large(most)
    return await _whole(request, most, _Gunzip() if coding in _GZIP else None)


class _Gunzip:
    """A gzip undone piece by piece: its members, one after the other, are one body (RFC 1952 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_BITS)

    def undone(self, chunk: bytes, *, most: int) -> bytes:
        """What a chunk stands for; more than `most` bytes of it are one more than that."""
        pieces, left = [], most + 1
        while chunk and left > 0:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP_BITS)
            piece = self._member.decompress(chunk, left)
            pieces.append(piece)
            left -= len(piece)
            chunk = self._member.unused_data
        return b"".join(pieces)

    @property
    def ended(self) -> bool:
        """Whether the last member is whole."""
        return self._member.eof


async def _whole(request: Request, most: int, decoder: _Gunzip | None) -> bytes:
    pieces, size, began = [], 0, time.monotonic()
    stream = request.stream()
    try:
        while (chunk := await asyncio.wait_for(anext(stream, None), STALL_S)) is not None:
            piece = chunk if decoder is None else decoder.undone(chunk, most=most - size)
            size += len(piece)
            if size > most:
                raise _too_large(most)
            pieces.append(piece)
            if time.monotonic() - began > STALL_S * (1 + size / (STALL_S * 1024)):
                raise TimeoutError
    except TimeoutError as error:
        raise FhirError(Fault.UNAVAILABLE, "the body has stalled", status=408, code="timeout",
                        headers={"Connection": "close"}) from error  # fmt: skip
    except zlib.error as error:
        raise FhirError(Fault.MALFORMED, "the body is no gzip") from error
    if decoder is not None and pieces and not decoder.ended:
        raise FhirError(Fault.MALFORMED, "the body ends in the middle of its gzip")
    return b"".join(pieces)


def _too_large(most: int) -> FhirError:
    return FhirError(Fault.TOO_MUCH, f"a body may have {most} bytes", headers={"Connection": "close"})
