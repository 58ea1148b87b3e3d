"""Retrieve bulk data by the URIs that metadata hands out (PS3.18 10.4.1.1.5), whole or a range of it."""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web import conditional
from pacsd.web.addresses import uid
from pacsd.web.media_types import OCTET_STREAM, Representation, media_type, negotiate
from pacsd.web.multipart import MultipartWriter
from pacsd.web.ranges import ByteRange, wanted_range
from pacsd.web.services import Bulk, Services
from pacsd.web.streaming import READ_BYTES, StreamedResponse


async def bulkdata(services: Services, request: Request) -> Response:
    """One value: single part unless the client wants multipart; `Range` for single part only."""
    uids = uid(request, "study"), uid(request, "series"), uid(request, "instance")
    base_url = services.addresses.dicom_web(request)
    path = request.path_params["path"]
    bulk = await services.threads.run(services.archive.frames.bulk, services.scope(), *uids, path)
    form = negotiate(request, _offers(bulk))
    tag = conditional.entity_tag(form, (bulk.digest, path, base_url if form.multipart else ""))
    unchanged = conditional.answered(request, tag)
    if unchanged is not None:
        return unchanged
    if not form.multipart:
        return _single(services, request, bulk, form, tag)
    writer = MultipartWriter(form.media_type)
    location = f"{base_url}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}/bulkdata/{path}"
    body = _multipart(bulk, form, writer, location)
    return _stream(services, body, writer.content_type, headers=conditional.headers(tag))


def _offers(bulk: Bulk) -> tuple[Representation, ...]:
    kind, parameters = media_type(bulk.media_type)
    syntax = parameters.get("transfer-syntax")
    own = (Representation(kind, False, syntax), Representation(kind, True, syntax))
    if kind == OCTET_STREAM:
        return own
    return (*own, Representation(OCTET_STREAM, False, syntax), Representation(OCTET_STREAM, True, syntax))


def _single(services: Services, request: Request, bulk: Bulk, form: Representation, tag: str) -> Response:
    part = wanted_range(request, bulk.size_bytes, tag)
    chosen = part or ByteRange(0, bulk.size_bytes, bulk.size_bytes)
    headers = {"Accept-Ranges": "bytes"} if part is None else part.headers
    return _stream(
        services,
        _read(bulk, chosen),
        form.part_type,
        size_bytes=chosen.length_bytes,
        headers={**conditional.headers(tag), **headers},
        status=200 if part is None else 206,
    )


def _stream(
    services: Services,
    chunks: Iterator[bytes],
    content_type: str,
    *,
    size_bytes: int | None = None,
    headers: dict[str, str],
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
    yield from _read(bulk, ByteRange(0, bulk.size_bytes, bulk.size_bytes))
    yield writer.close()
