"""Bodies as they come: bounded in size, and in time."""

import asyncio
import time
import zlib

from starlette.requests import Request

from fhir.outcome import FhirError
from pacsd.faults import Fault

STALL_S = 60.0                           # without a byte from the client
_GZIP = ("gzip", "x-gzip")
_CODINGS = ("", "identity", *_GZIP)


async def read(request: Request, *, most: int) -> bytes:
    """The whole body, its coding undone. Raises FhirError TOO_MUCH above `most` bytes, and what read from it raises."""
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in _CODINGS:
        raise FhirError(Fault.UNSUPPORTED, "bodies may be coded with gzip and nothing else", status=415)
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdecimal() and int(declared[:18]) > most:
        raise _too_large(most)
    return await _whole(request, most, zlib.decompressobj(31) if coding in _GZIP else None)


async def _whole(request: Request, most: int, decoder: "zlib._Decompress | None") -> bytes:
    pieces, size, began = [], 0, time.monotonic()
    stream = request.stream()
    try:
        while (chunk := await asyncio.wait_for(anext(stream, None), STALL_S)) is not None:
            piece = chunk if decoder is None else decoder.decompress(chunk, most + 1 - size)
            size += len(piece)
            if size > most or (decoder is not None and decoder.unconsumed_tail):
                raise _too_large(most)
            pieces.append(piece)
            if time.monotonic() - began > STALL_S * (1 + size / (STALL_S * 1024)):
                raise TimeoutError
    except TimeoutError as error:
        raise FhirError(Fault.UNAVAILABLE, "the body has stalled", status=408, code="timeout",
                        headers={"Connection": "close"}) from error  # fmt: skip
    except zlib.error as error:
        raise FhirError(Fault.MALFORMED, "the body is no gzip") from error
    if decoder is not None and pieces and not decoder.eof:
        raise FhirError(Fault.MALFORMED, "the body ends in the middle of its gzip")
    return b"".join(pieces)


def _too_large(most: int) -> FhirError:
    return FhirError(Fault.TOO_MUCH, f"a body may have {most} bytes", headers={"Connection": "close"})
