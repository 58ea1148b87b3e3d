"""Retrieve bulk data by the URIs that metadata hands out (PS3.18 10.4.1.1.5), whole or a range of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.addresses import uid
from pacsd.web.media_types import OCTET_STREAM, Representation, media_type, negotiate
from pacsd.web.multipart import MultipartWriter
from pacsd.web.problem import HttpError
from pacsd.web.services import Bulk, Services
from pacsd.web.streaming import READ_BYTES, StreamedResponse

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A satisfiable range: `length_bytes` from `offset_bytes`."""

    offset_bytes: int
    length_bytes: int


async def bulkdata(services: Services, request: Request) -> Response:
    """One value: single part unless the client wants multipart; `Range` for single part only."""
    uids = uid(request, "study"), uid(request, "series"), uid(request, "instance")
    base_url = services.addresses.dicom_web(request)
    path = request.path_params["path"]
    bulk = await services.threads.run(services.archive.frames.bulk, services.scope(), *uids, path)
    form = negotiate(request, _offers(bulk))
    if not form.multipart:
        return _single(services, request, bulk, form)
    writer = MultipartWriter(form.media_type)
    location = f"{base_url}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}/bulkdata/{path}"
    body = _multipart(bulk, form, writer, location)
    return _stream(services, body, writer.content_type)


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
    return ByteRange(start, length)


def _offers(bulk: Bulk) -> tuple[Representation, ...]:
    kind, parameters = media_type(bulk.media_type)
    syntax = parameters.get("transfer-syntax")
    own = (Representation(kind, False, syntax), Representation(kind, True, syntax))
    if kind == OCTET_STREAM:
        return own
    return (*own, Representation(OCTET_STREAM, False, syntax), Representation(OCTET_STREAM, True, syntax))


def _single(services: Services, request: Request, bulk: Bulk, form: Representation) -> Response:
    part = parse_range(request.headers.get("range"), bulk.size_bytes)
    headers = {"Accept-Ranges": "bytes"}
    if part is None:
        chunks = _read(bulk, ByteRange(0, bulk.size_bytes))
        return _stream(services, chunks, form.part_type, size_bytes=bulk.size_bytes, headers=headers)
    last = part.offset_bytes + part.length_bytes - 1
    headers["Content-Range"] = f"bytes {part.offset_bytes}-{last}/{bulk.size_bytes}"
    return _stream(
        services, _read(bulk, part), form.part_type, size_bytes=part.length_bytes, headers=headers, status=206
    )


def _stream(
    services: Services,
    chunks: Iterator[bytes],
    content_type: str,
    *,
    size_bytes: int | None = None,
    headers: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    return StreamedResponse(
        chunks,
        threads=services.threads,
        media_type=content_type,
        size_bytes=size_bytes,
        headers=headers,
        status_code=status,
        stall_s=services.limits.download_stall_s,
    )


def _read(bulk: Bulk, part: ByteRange) -> Iterator[bytes]:
    at, end = part.offset_bytes, part.offset_bytes + part.length_bytes
    while at < end:
        chunk = bulk.read(at, min(READ_BYTES, end - at))
        if not chunk:
            return                       # shorter than said: the answer will be seen to be incomplete
        at += len(chunk)
        yield chunk


def _multipart(bulk: Bulk, form: Representation, writer: MultipartWriter, location: str) -> Iterator[bytes]:
    yield writer.head(form.part_type, location=location, size_bytes=bulk.size_bytes)
    yield from _read(bulk, ByteRange(0, bulk.size_bytes))
    yield writer.close()
