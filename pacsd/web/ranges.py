"""Byte ranges of single part answers (RFC 9110 14): which part is wanted, and that part of what is read."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from pacsd.archive.retrieve import Piece
from pacsd.web import conditional
from pacsd.web.conditional import still
from pacsd.web.problem import HttpError
from pacsd.web.services import Services
from pacsd.web.streaming import StreamedResponse, abandon
from pacsd.web.threads import Threads

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A satisfiable range: `length_bytes` from `offset_bytes`, of `size_bytes` in all."""

    offset_bytes: int
    length_bytes: int
    size_bytes: int

    @property
    def headers(self) -> dict[str, str]:
        """What a 206 says of it."""
        last = self.offset_bytes + self.length_bytes - 1
        return {"Accept-Ranges": "bytes", "Content-Range": f"bytes {self.offset_bytes}-{last}/{self.size_bytes}"}


def wanted_range(request: Request, size_bytes: int, tag: str) -> ByteRange | None:
    """The range to send instead of the whole; None for the whole. Raises HttpError 416."""
    if request.method not in ("GET", "HEAD") or not still(request.headers.get("if-range"), tag):
        return None
    return parse_range(request.headers.get("range"), size_bytes)


def parse_range(value: str | None, size_bytes: int) -> ByteRange | None:
    """One range of a Range header (RFC 9110 14.2); None where the whole is to be sent.

    Several ranges, and other units, are answered with the whole, as the RFC allows. Raises HttpError 416.
    """
    match = _RANGE.fullmatch(value.replace(" ", "")) if value else None
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        length = min(int(last), size_bytes)
        start = size_bytes - length
    else:
        start = int(first)
        if last and int(last) < start:
            return None
        length = min(int(last) + 1 if last else size_bytes, size_bytes) - start
    if length <= 0:
        headers = {"Content-Range": f"bytes */{size_bytes}"}
        raise HttpError(416, "Range Not Satisfiable", "the range lies outside the value", headers=headers)
    return ByteRange(start, length, size_bytes)


def single_part(
    services: Services,
    request: Request,
    chunks: Iterator[Piece],
    media_type: str,
    size_bytes: int | None,
    tag: str,
    *,
    headers: Mapping[str, str] | None = None,
    threads: Threads | None = None,
    direct: bool = False,
) -> Response:
    """The answer that is one part: whole, or the range asked for where the size is known. Raises HttpError 416."""
    try:
        part = None if size_bytes is None else wanted_range(request, size_bytes, tag)
    except HttpError:
        abandon(chunks)
        raise
    accepted = {} if size_bytes is None else {"Accept-Ranges": "bytes"}
    return StreamedResponse(
        chunks if part is None else cut(chunks, part),
        threads=threads or services.threads,
        media_type=media_type,
        size_bytes=size_bytes if part is None else part.length_bytes,
        status_code=200 if part is None else 206,
        headers={**conditional.headers(tag), **accepted, **(headers or {}), **({} if part is None else part.headers)},
        stall_s=services.limits.download_stall_s,
        direct=direct,
    )


def cut(chunks: Iterator[Piece], part: ByteRange) -> Iterator[Piece]:
    """The bytes of a range out of all; what lies before it is passed over, what lies behind is not read."""
    at, end = 0, part.offset_bytes + part.length_bytes
    try:
        for chunk in chunks:
            start = at
            at += len(chunk)
            if at > part.offset_bytes:
                yield chunk[max(0, part.offset_bytes - start) : end - start]
            if at >= end:
                return
    finally:
        abandon(chunks)
