"""Retrieve thumbnails (PS3.18 10.4.1.1.4): one small picture that stands for a study, series, instance or frame."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from pacsd.codec.render.parameters import Parameters, Viewport
from pacsd.faults import Fault, PacsdError
from pacsd.web.addresses import uid
from pacsd.web.frames import frame_numbers
from pacsd.web.media_types import negotiate
from pacsd.web.problem import bad_request
from pacsd.web.rendered import parameters_of, representations
from pacsd.web.services import Renderable, Rendition, Services

MEDIA_TYPES = ("image/jpeg", "image/png", "image/gif", "image/jp2")
DEFAULT_SIDE = 128
MAX_SIDE = 1024


async def study(services: Services, request: Request) -> Response:
    """A picture from the middle of the series that has the most instances."""
    return await _answer(services, request, None, uid(request, "study"))


async def series(services: Services, request: Request) -> Response:
    """A picture from the middle of a series."""
    return await _answer(services, request, None, uid(request, "study"), uid(request, "series"))


async def instance(services: Services, request: Request) -> Response:
    """The frame that stands for an instance."""
    uids = uid(request, "study"), uid(request, "series"), uid(request, "instance")
    return await _answer(services, request, None, *uids)


async def frames(services: Services, request: Request) -> Response:
    """One frame."""
    numbers = frame_numbers(request.path_params["frames"])
    if len(numbers) != 1:
        raise bad_request("a thumbnail shows one frame")
    uids = uid(request, "study"), uid(request, "series"), uid(request, "instance")
    return await _answer(services, request, numbers[0], *uids)


async def _answer(services: Services, request: Request, frame: int | None, *uids: str) -> Response:
    asked = _sized(parameters_of(request))
    form = negotiate(request, representations(MEDIA_TYPES, single=True)[: len(MEDIA_TYPES)])
    content = await services.picture_threads.run(_drawn, services, uids, frame, form.media_type, asked)
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"}      # another may not see it
    if tag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=form.media_type, headers=headers)


def _sized(asked: Parameters) -> Parameters:
    """Thumbnails know a viewport of two values only (PS3.18 8.3.5.2)."""
    viewport = asked.viewport or Viewport(DEFAULT_SIDE, DEFAULT_SIDE)
    if viewport != Viewport(viewport.width, viewport.height):
        raise bad_request("the viewport of a thumbnail is vw,vh")
    if max(viewport.width, viewport.height) > MAX_SIDE:
        raise bad_request(f"a thumbnail has at most {MAX_SIDE} pixels a side")
    return replace(asked, viewport=viewport)


def _drawn(services: Services, uids: Sequence[str], frame: int | None, media_type: str, asked: Parameters) -> bytes:
    """Found and drawn in one turn of a thread."""
    return _first(services.archive.rendered.representatives(services.scope(), *uids), frame, media_type, asked)


def _first(found: Sequence[Renderable], frame: int | None, media_type: str, asked: Parameters) -> bytes:
    """The first that can be drawn. Raises PacsdError NOT_FOUND where none can."""
    fault = PacsdError(Fault.NOT_FOUND, "nothing of this has a picture")
    for one in found:
        try:
            made = one.thumbnail(media_type, asked) if frame is None else one.frames([frame], media_type, asked)
            return _content(made)
        except PacsdError as error:
            fault = error
    raise fault


def _content(made: Iterator[Rendition]) -> bytes:
    return b"".join(next(made).content)
