"""Retrieve metadata of a study, series or instance (PS3.18 10.4.1.1.2, Metadata Resources)."""

from collections.abc import Callable, Iterator, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.addresses import uid
from pacsd.web.media_types import DICOM_JSON, DICOM_XML, JSON, Representation, negotiate
from pacsd.web.multipart import MultipartWriter
from pacsd.web.services import MetadataText, Services
from pacsd.web.streaming import PiecesResponse, StreamedResponse
from pacsd.web.xml_model import native_model

OFFERS = (
    Representation(DICOM_JSON),
    Representation(DICOM_XML, multipart=True),
    Representation(JSON),
)
_ONE_BODY_BYTES = 8 << 20        # up to here an answer is sent at once, above it as the client takes it


async def study(services: Services, request: Request) -> Response:
    """Metadata of every instance of a study."""
    return await _answer(services, request, services.archive.metadata.study, uid(request, "study"))


async def series(services: Services, request: Request) -> Response:
    """Metadata of every instance of a series."""
    uids = uid(request, "study"), uid(request, "series")
    return await _answer(services, request, services.archive.metadata.series, *uids)


async def instance(services: Services, request: Request) -> Response:
    """Metadata of one instance."""
    uids = uid(request, "study"), uid(request, "series"), uid(request, "instance")
    return await _answer(services, request, services.archive.metadata.instance, *uids)


async def _answer(
    services: Services, request: Request, read: Callable[..., MetadataText], *uids: str
) -> Response:
    form = negotiate(request, OFFERS)
    base_url = services.addresses.dicom_web(request)
    text = await services.threads.run(read, services.scope(), *uids, base_url=base_url)
    if form.media_type == DICOM_XML:
        return _xml(services, text.chunks)
    # Headers of conditional requests (ETag, If-None-Match) will be decided here: nothing has been sent yet.
    if text.size_bytes <= _ONE_BODY_BYTES:
        return PiecesResponse(text.chunks, media_type=form.media_type)
    return StreamedResponse(
        iter(text.chunks),
        threads=services.threads,
        media_type=form.media_type,
        size_bytes=text.size_bytes,
        stall_s=services.limits.download_stall_s,
    )


def _xml(services: Services, chunks: Sequence[bytes]) -> Response:
    writer = MultipartWriter(DICOM_XML)
    return StreamedResponse(
        _xml_parts(chunks, writer),
        threads=services.threads,
        media_type=writer.content_type,
        stall_s=services.limits.download_stall_s,
    )


def _xml_parts(chunks: Sequence[bytes], writer: MultipartWriter) -> Iterator[bytes]:
    for dataset in orjson.loads(b"".join(chunks)):
        yield writer.head(DICOM_XML)
        yield native_model(dataset)
    yield writer.close()
