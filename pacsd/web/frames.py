"""Retrieve frames (PS3.18 10.4.1.1.6): in their stored transfer syntax, byte for byte."""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from pacsd.faults import Fault, PacsdError
from pacsd.web import conditional
from pacsd.web.addresses import uid
from pacsd.web.media_types import OCTET_STREAM, Representation, negotiate
from pacsd.web.multipart import MultipartWriter
from pacsd.web.problem import HttpError, bad_request
from pacsd.web.ranges import single_part
from pacsd.web.services import FrameSet, Services
from pacsd.web.streaming import PiecesResponse, StreamedResponse, abandon

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"

MEDIA_TYPES = {                          # PS3.18 Tables 8.7.3-4 and 8.7.3-5: one media type for each encoding
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.100": "video/mpeg",
    "1.2.840.10008.1.2.4.100.1": "video/mpeg",
    "1.2.840.10008.1.2.4.101": "video/mpeg",
    "1.2.840.10008.1.2.4.101.1": "video/mpeg",
    "1.2.840.10008.1.2.4.102": "video/mp4",
    "1.2.840.10008.1.2.4.102.1": "video/mp4",
    "1.2.840.10008.1.2.4.103": "video/mp4",
    "1.2.840.10008.1.2.4.103.1": "video/mp4",
    "1.2.840.10008.1.2.4.104": "video/mp4",
    "1.2.840.10008.1.2.4.104.1": "video/mp4",
    "1.2.840.10008.1.2.4.105": "video/mp4",
    "1.2.840.10008.1.2.4.105.1": "video/mp4",
    "1.2.840.10008.1.2.4.106": "video/mp4",
    "1.2.840.10008.1.2.4.106.1": "video/mp4",
    "1.2.840.10008.1.2.4.107": "video/H265",
    "1.2.840.10008.1.2.4.108": "video/H265",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
}
_OLDER_NAMES = {                         # of the editions before the types were registered; clients still ask for them
    "image/dicom-rle": "image/x-dicom-rle",
    "image/jls": "image/x-jls",
}
_NATIVE = {                              # frames of these are plain little endian bytes
    "1.2.840.10008.1.2",
    EXPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.1.99",
}
_ONE_BODY_BYTES = 4 << 20                # a single frame up to here is read at once and sent as one body
_MAX_FRAMES = 100_000                    # in one list


async def frames(services: Services, request: Request) -> Response:
    """`/frames/{list}`: multipart, or a single part where one frame is asked for so."""
    uids = uid(request, "study"), uid(request, "series"), uid(request, "instance")
    numbers = frame_numbers(request.path_params["frames"])
    base_url = services.addresses.dicom_web(request)
    found = await services.threads.run(services.archive.frames.read, services.scope(), *uids, numbers)
    try:
        form = negotiate(request, offers(found.transfer_syntax_uid, single=len(numbers) == 1))
    except HttpError:
        await services.threads.run(abandon, found.frames)
        raise
    tag = conditional.entity_tag(form, (found.digest, request.path_params["frames"], base_url))
    unchanged = conditional.answered(request, tag)
    if unchanged is not None:
        await services.threads.run(abandon, found.frames)
        return unchanged
    if not form.multipart:
        return await _send_one(services, request, found, form, tag)
    locations = [
        f"{base_url}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}/frames/{number}" for number in numbers
    ]
    return await _send(services, found, form, locations, conditional.headers(tag))


def frame_numbers(text: str) -> list[int]:
    """The frame list of a path, numbers from 1. Raises HttpError 400."""
    pieces = text.split(",")
    if len(pieces) > _MAX_FRAMES:
        raise PacsdError(Fault.TOO_MUCH, f"more than {_MAX_FRAMES} frames in one request")
    if not all(piece.isascii() and piece.isdigit() and len(piece) < 10 and int(piece) for piece in pieces):
        raise bad_request("frame numbers are positive integers, separated by commas")
    return [int(piece) for piece in pieces]


def offers(transfer_syntax_uid: str, *, single: bool) -> tuple[Representation, ...]:
    """The forms in which frames stored in this transfer syntax can be given without transcoding."""
    if transfer_syntax_uid in _NATIVE:
        kinds = [(OCTET_STREAM, EXPLICIT_VR_LITTLE_ENDIAN, False)]
    else:
        media_type = MEDIA_TYPES.get(transfer_syntax_uid)
        names = (media_type, _OLDER_NAMES.get(media_type or ""))
        kinds = [(name, transfer_syntax_uid, name is not media_type) for name in names if name]
        # What has no media type of its own, and what clients ask for as octets with transfer-syntax=*.
        kinds.append((OCTET_STREAM, transfer_syntax_uid, True))
    multipart = [Representation(kind, True, syntax, by_name) for kind, syntax, by_name in kinds]
    alone = [Representation(kind, False, syntax, by_name) for kind, syntax, by_name in kinds]
    return (*multipart, *alone) if single else tuple(multipart)


async def _send_one(
    services: Services, request: Request, found: FrameSet, form: Representation, tag: str
) -> Response:
    """One frame that is the whole body, or a range of it: the first bytes of an HTJ2K frame are a smaller image."""
    size, chunks = await services.threads.run(next, found.frames)
    body = _alone(found, chunks)
    if size > _ONE_BODY_BYTES or "range" in request.headers:
        return single_part(services, request, body, form.part_type, size, tag)
    headers = conditional.headers(tag) | {"Accept-Ranges": "bytes"}
    return PiecesResponse(await services.threads.run(list, body), media_type=form.part_type, headers=headers)


async def _send(
    services: Services, found: FrameSet, form: Representation, locations: list[str], headers: dict[str, str]
) -> Response:
    writer = MultipartWriter(form.media_type)
    if len(locations) == 1:
        size, chunks = await services.threads.run(next, found.frames)
        body = _single(found, chunks, size, form, writer, locations[0])
        if size <= _ONE_BODY_BYTES:
            pieces = await services.threads.run(list, body)
            return PiecesResponse(pieces, media_type=writer.content_type, headers=headers)
    else:
        body = _multipart(found, form, writer, locations)
    return StreamedResponse(
        body,
        threads=services.threads,
        media_type=writer.content_type,
        headers=headers,
        stall_s=services.limits.download_stall_s,
    )


def _alone(found: FrameSet, chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    finally:
        abandon(found.frames)


def _single(
    found: FrameSet,
    chunks: Iterator[bytes],
    size: int,
    form: Representation,
    writer: MultipartWriter,
    location: str,
) -> Iterator[bytes]:
    try:
        yield writer.head(form.part_type, location=location, size_bytes=size)
        yield from chunks
        yield writer.close()
    finally:
        abandon(found.frames)


def _multipart(
    found: FrameSet, form: Representation, writer: MultipartWriter, locations: list[str]
) -> Iterator[bytes]:
    try:
        for location, (size, chunks) in zip(locations, found.frames, strict=True):
            yield writer.head(form.part_type, location=location, size_bytes=size)
            yield from chunks
        yield writer.close()
    finally:
        abandon(found.frames)
