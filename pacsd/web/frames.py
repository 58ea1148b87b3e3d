"""Retrieve frames (PS3.18 10.4.1.1.6): byte for byte as they are stored, or transcoded."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from starlette.requests import Request
from starlette.responses import Response

from pacsd.codec.transcode import TARGETS, is_transcodable
from pacsd.codec.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from pacsd.faults import Fault, PacsdError
from pacsd.web import conditional
from pacsd.web.addresses import uid
from pacsd.web.media_types import (
    OCTET_STREAM,
    Representation,
    accepted,
    first_choice,
    negotiate_possible,
    not_acceptable,
)
from pacsd.web.multipart import MultipartWriter
from pacsd.web.problem import HttpError, bad_request
from pacsd.web.ranges import single_part
from pacsd.web.services import FrameSet, Services
from pacsd.web.streaming import PiecesResponse, StreamedResponse, abandon
from pacsd.web.threads import Threads
from pacsd.web.transcoding import CANNOT_BE_TRANSCODED

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
_DEFAULTS = frozenset((                  # of their media types (PS3.18 Table 8.7.3-5)
    EXPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.201",
))
_ONE_BODY_BYTES = 4 << 20                # a single frame up to here is read at once and sent as one body
_MAX_FRAMES = 100_000                    # in one list


async def frames(services: Services, request: Request) -> Response:
    """`/frames/{list}`: multipart, or a single part where one frame is asked for so."""
    uids = uid(request, "study"), uid(request, "series"), uid(request, "instance")
    numbers = frame_numbers(request.path_params["frames"])
    base_url = services.addresses.dicom_web(request)
    found = await services.threads.run(services.archive.frames.read, services.scope(), *uids, numbers)
    single, stored_syntax = len(numbers) == 1, found.transfer_syntax_uid
    try:
        form = await _form(services, request, found, single=single)
        tag = conditional.entity_tag(form, (found.digest, request.path_params["frames"], base_url))
        unchanged = conditional.answered(request, tag)
        if unchanged is None and form.transcoded:
            found = await services.threads.run(found.transcoded, form.transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN)
            if found.untouched:          # kept so beside what was received
                form = replace(form, transcoded=False)
                tag = conditional.entity_tag(form, (found.digest, request.path_params["frames"], base_url))
                unchanged = conditional.answered(request, tag)
    except (HttpError, PacsdError):
        await services.threads.run(abandon, found.frames)
        raise
    if unchanged is not None:
        await services.threads.run(abandon, found.frames)
        return unchanged
    locations = [
        f"{base_url}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}/frames/{number}" for number in numbers
    ]
    if len(locations) > 1:
        return _send_all(services, found, form, locations, tag)
    first = await _first(_threads(services, form), found, form, stored_syntax)
    return await _send_one(services, request, _Frame(found, *first, form, locations[0]), tag)


async def _form(
    services: Services, request: Request, found: FrameSet, *, single: bool
) -> Representation:
    """What to give them in; as they are stored where that is as welcome as anything. Raises HttpError 406."""
    form = _first_choice(accepted(request), found.transfer_syntax_uid, single)
    if form is None or form.transcoded:
        possible, fits = offers(found.transfer_syntax_uid, single=single), partial(_fits, found)
        form = await services.threads.run(negotiate_possible, request, possible, fits)
        if form is None:
            raise not_acceptable(await services.threads.run(list, filter(fits, possible)))
    return form


@lru_cache(maxsize=256)
def _first_choice(accept: tuple[str, ...], transfer_syntax_uid: str, single: bool) -> Representation | None:
    """Kept, because viewers ask for thousands of frames with the same header."""
    return first_choice(accept, offers(transfer_syntax_uid, single=single))


def _as_stored(transfer_syntax_uid: str) -> list[Representation]:
    return [offer for offer in offers(transfer_syntax_uid, single=True) if not offer.transcoded]


def _fits(found: FrameSet, form: Representation) -> bool:
    return not form.transcoded or found.fits(form.transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN)


def frame_numbers(text: str) -> list[int]:
    """The frame list of a path, numbers from 1. Raises HttpError 400."""
    pieces = text.split(",")
    if len(pieces) > _MAX_FRAMES:
        raise PacsdError(Fault.TOO_MUCH, f"more than {_MAX_FRAMES} frames in one request")
    if not all(piece.isascii() and piece.isdigit() and len(piece) < 10 and int(piece) for piece in pieces):
        raise bad_request("frame numbers are positive integers, separated by commas")
    return [int(piece) for piece in pieces]


@lru_cache(maxsize=128)
def offers(transfer_syntax_uid: str, *, single: bool) -> tuple[Representation, ...]:
    """The forms in which frames stored in this transfer syntax may be given: as they are, then transcoded."""
    kinds = [(*kind, False) for kind in stored_kinds(transfer_syntax_uid)]
    for target in _TARGETS:
        if target != transfer_syntax_uid and is_transcodable(transfer_syntax_uid, target):
            media_type = MEDIA_TYPES.get(target, OCTET_STREAM)
            kinds.append((media_type, target, target not in _DEFAULTS, True))
            kinds += [(name, target, True, True) for name in (_OLDER_NAMES.get(media_type),) if name]
    forms = (True, False) if single else (True,)
    return tuple(
        Representation(kind, multipart, syntax, by_name, made)
        for multipart in forms
        for kind, syntax, by_name, made in kinds
    )


def stored_kinds(transfer_syntax_uid: str) -> list[tuple[str, str, bool]]:
    """Media type, transfer syntax, and whether a client must name it."""
    media_type = MEDIA_TYPES.get(transfer_syntax_uid)
    if media_type is None:               # uncompressed, or what has no media type of its own
        return [(OCTET_STREAM, transfer_syntax_uid, False)]
    kinds = [(media_type, transfer_syntax_uid, False)]
    if older := _OLDER_NAMES.get(media_type):
        kinds.append((older, transfer_syntax_uid, True))
    # What clients ask for as octets with transfer-syntax=*.
    return [*kinds, (OCTET_STREAM, transfer_syntax_uid, True)]


_TARGETS = tuple(uid for uid in TARGETS if uid in MEDIA_TYPES or uid == EXPLICIT_VR_LITTLE_ENDIAN)


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame on its way, out of a set of one."""

    found: FrameSet
    size_bytes: int
    chunks: Iterator[bytes]
    form: Representation
    location: str


async def _first(
    threads: Threads, found: FrameSet, form: Representation, stored_syntax: str
) -> tuple[int, Iterator[bytes]]:
    """Size and bytes of the first frame. Raises HttpError 406 where it cannot be decoded after all."""
    try:
        return await threads.run(next, found.frames)
    except PacsdError as error:
        if not form.transcoded or error.fault not in CANNOT_BE_TRANSCODED:
            raise
        raise not_acceptable(_as_stored(stored_syntax)) from error


async def _send_one(services: Services, request: Request, frame: _Frame, tag: str) -> Response:
    """One frame, alone or in a part. A range of a stored one: the first bytes of an HTJ2K frame are a smaller image."""
    form, size = frame.form, frame.size_bytes
    threads = _threads(services, form)
    writer = MultipartWriter(form.media_type) if form.multipart else None
    body = _single(frame, writer)
    ranged = writer is None and not form.transcoded
    if ranged and (size > _ONE_BODY_BYTES or "range" in request.headers):
        return single_part(services, request, body, form.part_type, size, tag)
    headers = conditional.headers(tag) | ({"Accept-Ranges": "bytes"} if ranged else {})
    media_type = writer.content_type if writer else form.part_type
    if size <= _ONE_BODY_BYTES:
        return PiecesResponse(await threads.run(list, body), media_type=media_type, headers=headers)
    return _stream(services, threads, body, media_type, headers)


def _send_all(
    services: Services, found: FrameSet, form: Representation, locations: list[str], tag: str
) -> Response:
    writer = MultipartWriter(form.media_type)
    body = _multipart(found, form, writer, locations)
    return _stream(services, _threads(services, form), body, writer.content_type, conditional.headers(tag))


def _stream(
    services: Services, threads: Threads, body: Iterator[bytes], media_type: str, headers: dict[str, str]
) -> Response:
    stall_s = services.limits.download_stall_s
    return StreamedResponse(body, threads=threads, media_type=media_type, headers=headers, stall_s=stall_s)


def _threads(services: Services, form: Representation) -> Threads:
    return services.codec_threads if form.transcoded else services.threads


def _single(frame: _Frame, writer: MultipartWriter | None) -> Iterator[bytes]:
    try:
        if writer:
            yield writer.head(frame.form.part_type, location=frame.location, size_bytes=frame.size_bytes)
        yield from frame.chunks
        if writer:
            yield writer.close()
    finally:
        abandon(frame.found.frames)


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
