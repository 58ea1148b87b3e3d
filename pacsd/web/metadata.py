"""Retrieve metadata of a study, series or instance (PS3.18 10.4.1.1.2, Metadata Resources)."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacsd.web import conditional
from pacsd.web.addresses import uid
from pacsd.web.charset import require_utf8
from pacsd.web.content_coding import GZIP, accepts_gzip, gzipped, gzipping, worth_coding
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

Read = Callable[..., MetadataText]


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


async def _answer(services: Services, request: Request, read: Read, *uids: str) -> Response:
    form = negotiate(request, OFFERS)
    require_utf8(request)
    base_url = services.addresses.dicom_web(request)
    asked = partial(read, services.scope(), *uids, base_url=base_url)
    return await services.threads.run(_prepared, services, request, form, asked)


def _prepared(
    services: Services, request: Request, form: Representation, asked: Callable[[], MetadataText]
) -> Response:
    """The answer, in a thread. The tag is of the text itself: nothing that shows in it can be forgotten."""
    text = asked()
    tag = conditional.text_tag(form, text.chunks)
    coding = GZIP if accepts_gzip(request) and worth_coding(text.size_bytes) else ""
    tag = conditional.coded(tag, coding) if coding else tag
    unchanged = conditional.answered(request, tag)
    if unchanged is not None:
        return unchanged
    headers = conditional.headers(tag) | ({"Content-Encoding": coding} if coding else {})
    if form.media_type == DICOM_XML:
        return _xml(services, text.chunks, headers)
    return _json(services, text, form, headers)


def _json(services: Services, text: MetadataText, form: Representation, headers: dict[str, str]) -> Response:
    coding = "Content-Encoding" in headers
    if text.size_bytes <= _ONE_BODY_BYTES:
        pieces = [gzipped(text.chunks)] if coding else text.chunks
        return PiecesResponse(pieces, media_type=form.media_type, headers=headers)
    return StreamedResponse(
        gzipping(text.chunks) if coding else iter(text.chunks),
        threads=services.threads,
        media_type=form.media_type,
        size_bytes=None if coding else text.size_bytes,
        headers=headers,
        stall_s=services.limits.download_stall_s,
    )


def _xml(services: Services, chunks: Sequence[bytes], headers: dict[str, str]) -> Response:
    writer = MultipartWriter(DICOM_XML)
    parts = _xml_parts(chunks, writer)
    return StreamedResponse(
        gzipping(parts) if "Content-Encoding" in headers else parts,
        threads=services.threads,
        media_type=writer.content_type,
        headers=headers,
        stall_s=services.limits.download_stall_s,
    )


def _xml_parts(chunks: Sequence[bytes], writer: MultipartWriter) -> Iterator[bytes]:
    for dataset in orjson.loads(b"".join(chunks)):
        yield writer.head(DICOM_XML)
        yield native_model(dataset)
    yield writer.close()
