"""Retrieve bulk data (PS3.18 10.4.1.1.5): by the URIs that metadata hands out, whole or a range of it, or all there is
of a study, series or instance."""

from collections.abc import Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from pacsd.faults import PacsdError
from pacsd.web import bulk_parts, conditional
from pacsd.web.addresses import uid
from pacsd.web.bulk_parts import Attributes, location_of, read
from pacsd.web.media_types import (
    OCTET_STREAM,
    Representation,
    accepted,
    first_choice,
    media_type,
    negotiate,
    not_acceptable,
)
from pacsd.web.multipart import MultipartWriter
from pacsd.web.pixel_forms import DAMAGED, Content, contents, forms, is_compressed
from pacsd.web.ranges import ByteRange, single_part, wanted_range
from pacsd.web.services import Bulk, FrameSet, InstanceRef, Services
from pacsd.web.streaming import StreamedResponse, abandon, resumed
from pacsd.web.transcoding import CANNOT_BE_TRANSCODED


async def every(services: Services, request: Request) -> Response:
    """Every bulk data value of a study, series or instance."""
    return await bulk_parts.given(services, request, _paths)


async def bulkdata(services: Services, request: Request) -> Response:
    """One value: single part unless the client wants multipart; `Range` for single part only."""
    uids = uid(request, "study"), uid(request, "series"), uid(request, "instance")
    path = request.path_params["path"]
    ref, bulk = await services.threads.run(_found, services, uids, path)
    if bulk is None:
        answer = await _pixels(services, request, ref, path)
        if answer is not None:
            return answer
        bulk = await services.threads.run(services.archive.frames.bulk_of, ref, path)
    form = negotiate(request, _offers(bulk))
    base_url = services.addresses.dicom_web(request)
    tag = conditional.entity_tag(form, (bulk.digest, path, base_url if form.multipart else ""))
    unchanged = conditional.answered(request, tag)
    if unchanged is not None:
        return unchanged
    if not form.multipart:
        return _single(services, request, bulk, form, tag)
    whole = Content(form.part_type, bulk.size_bytes, read(bulk, 0, bulk.size_bytes))
    return _multipart(services, iter((whole,)), form, location_of(base_url, ref, path), tag)


def _found(services: Services, uids: Sequence[str], path: str) -> tuple[InstanceRef, Bulk | None]:
    """The instance and the value; of compressed Pixel Data not yet, which has frames."""
    ref: InstanceRef = services.archive.retrieve.instances(services.scope(), *uids)[0]
    return ref, None if is_compressed(ref, path) else services.archive.frames.bulk_of(ref, path)


def _paths(attributes: Attributes) -> Iterator[str]:
    """What metadata refers to, in sequences too."""
    for attribute in attributes.values():
        if "BulkDataURI" in attribute:
            yield attribute["BulkDataURI"].partition("/bulkdata/")[2]
        elif attribute["vr"] == "SQ":
            for item in attribute.get("Value", ()):
                yield from _paths(item)


async def _pixels(services: Services, request: Request, ref: InstanceRef, path: str) -> Response | None:
    """Compressed Pixel Data (8.7.3.3); None for what is too damaged to have frames, which comes as it is stored."""
    base_url = services.addresses.dicom_web(request)
    found = await services.threads.run(_frames, services, ref)
    if found is None:
        return None
    offers = forms(ref.transfer_syntax_uid, frames=found.number)
    form = first_choice(accepted(request), offers)
    if form is None:
        raise not_acceptable(offers)
    tag = conditional.entity_tag(form, (found.digest, path, base_url if form.multipart else ""))
    unchanged = conditional.answered(request, tag)
    if unchanged is not None:
        return unchanged
    stored = (Representation(form.media_type, form.multipart, ref.transfer_syntax_uid),)
    will_do = first_choice(accepted(request), stored) is not None and (form.multipart or found.number == 1)
    given = contents(services.archive.frames, ref, form, stored_will_do=will_do)
    threads = services.codec_threads if form.transcoded else services.threads
    try:
        first = await threads.run(next, given)       # so that its failure still has a status of its own
    except PacsdError as error:
        if error.fault not in CANNOT_BE_TRANSCODED:
            raise
        raise not_acceptable([offer for offer in offers if not offer.transcoded]) from error
    if form.multipart:
        return _multipart(services, resumed(first, given), form, location_of(base_url, ref, path), tag)
    size_bytes = None if form.transcoded else first.size_bytes       # no ranges of what may be coded otherwise again
    return single_part(services, request, _only(first, given), first.part_type, size_bytes, tag, threads=threads)


def _frames(services: Services, ref: InstanceRef) -> FrameSet | None:
    """What is known of the frames; they are read later."""
    try:
        found = services.archive.frames.of(ref)
    except PacsdError as error:
        if error.fault not in DAMAGED:
            raise
        return None
    abandon(found.frames)
    return found


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
    return StreamedResponse(
        read(bulk, chosen.offset_bytes, chosen.length_bytes),
        threads=services.threads,
        media_type=form.part_type,
        size_bytes=chosen.length_bytes,
        headers={**conditional.headers(tag), **headers},
        status_code=200 if part is None else 206,
        stall_s=services.limits.download_stall_s,
    )


def _multipart(
    services: Services, given: Iterator[Content], form: Representation, location: str, tag: str
) -> Response:
    writer = MultipartWriter(form.media_type)
    return StreamedResponse(
        _parts(given, writer, location),
        threads=services.codec_threads if form.transcoded else services.threads,
        media_type=writer.content_type,
        headers=conditional.headers(tag),
        stall_s=services.limits.download_stall_s,
    )


def _parts(given: Iterator[Content], writer: MultipartWriter, location: str) -> Iterator[bytes]:
    try:
        for one in given:
            yield writer.head(one.part_type, location=location, size_bytes=one.size_bytes)
            yield from one.chunks
        yield writer.close()
    finally:
        abandon(given)


def _only(first: Content, rest: Iterator[Content]) -> Iterator[bytes]:
    try:
        yield from first.chunks
    finally:
        abandon(rest)
