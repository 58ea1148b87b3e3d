"""Retrieve rendered resources (PS3.18 10.4.1.1.3): pictures of images, pages of documents, single or in parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from starlette.requests import Request
from starlette.responses import Response

from pacsd.codec.render.parameters import NAMES, Parameters, parameters
from pacsd.faults import Fault, PacsdError
from pacsd.web.addresses import uid
from pacsd.web.frames import frame_numbers
from pacsd.web.media_types import Representation, negotiate, not_acceptable
from pacsd.web.multipart import MultipartWriter
from pacsd.web.problem import HttpError, bad_request
from pacsd.web.retrieve import instance_url
from pacsd.web.services import Renderable, Rendition, Services
from pacsd.web.streaming import StreamedResponse

_CAN_RUN = frozenset(("text/html", "text/xml", "image/svg+xml"))
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_CANNOT = frozenset((Fault.UNSUPPORTED, Fault.MALFORMED, Fault.TOO_MUCH))


async def study(services: Services, request: Request) -> Response:
    """Every instance of a study that can be rendered, in parts."""
    return await _instances(services, request, uid(request, "study"))


async def series(services: Services, request: Request) -> Response:
    """Every instance of a series that can be rendered, in parts."""
    return await _instances(services, request, uid(request, "study"), uid(request, "series"))


async def instance(services: Services, request: Request) -> Response:
    """One instance: a picture, an animation or a page; the pictures of a presentation state are several parts."""
    uids = uid(request, "study"), uid(request, "series"), uid(request, "instance")
    return await _instances(services, request, *uids)


async def frames(services: Services, request: Request) -> Response:
    """The frames of a list, one picture each."""
    asked = parameters_of(request)
    numbers = frame_numbers(request.path_params["frames"])
    uids = uid(request, "study"), uid(request, "series"), uid(request, "instance")
    opened = await services.picture_threads.run(_opened_frames, services, request, uids, numbers, asked)
    return answered(services, request, opened)


def parameters_of(request: Request) -> Parameters:
    """The rendering parameters of a query. Raises HttpError 400 for one given twice, PacsdError MALFORMED."""
    given = {}
    for name, value in request.query_params.multi_items():
        if name in given and name in NAMES:
            raise bad_request(f"{name} is given twice")
        given[name] = value
    return parameters(given)


def representations(media_types: Sequence[str], *, single: bool) -> tuple[Representation, ...]:
    """Single part first: what a browser or an `Accept: */*` gets of one picture is the picture."""
    alone = [Representation(one) for one in media_types] if single else []
    return (*alone, *(Representation(one, multipart=True) for one in media_types))


def begun(made: Iterator[Rendition], form: Representation, *, partial: bool = False) -> "Begun":
    """An answer whose first rendition is made, so that until then it may still fail. In a thread."""
    first = next(made, None)
    if first is None:
        raise PacsdError(Fault.NOT_FOUND, "nothing of this can be rendered")
    return Begun(first, [] if form.multipart else list(islice(first.content, 2)), made, form, partial)


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer whose first rendition is made."""

    first: Rendition
    pieces: list[bytes]                  # of the first, so far as they are read: no more than one where that is all
    rest: Iterator[Rendition]
    form: Representation
    partial: bool


def answered(services: Services, request: Request, opened: Begun) -> Response:
    """The renditions as one body or in parts."""
    first, pieces, made, form = opened.first, opened.pieces, opened.rest, opened.form
    headers = guards(form.media_type)
    if first.warning:
        headers["Warning"] = f'299 - "{first.warning}"'
    if form.multipart:
        writer = MultipartWriter(form.media_type)
        base_url = services.addresses.dicom_web(request)
        body, media_type = _parts(chain((first,), made), writer, base_url), writer.content_type
    else:
        if len(pieces) < 2:
            return Response(b"".join(pieces), media_type=first.media_type, headers=headers)
        body, media_type = chain(pieces, first.content), first.media_type
    return StreamedResponse(
        body,
        threads=services.picture_threads,
        media_type=media_type,
        status_code=206 if opened.partial else 200,
        headers=headers,
        stall_s=services.limits.download_stall_s,
    )


def guards(media_type: str) -> dict[str, str]:
    """What keeps a browser from running a document: nothing is loaded, no script, no frame, no guess of its type."""
    policy = {"Content-Security-Policy": _POLICY} if media_type in _CAN_RUN else {}
    return {"X-Content-Type-Options": "nosniff", **policy}


async def _instances(services: Services, request: Request, *uids: str) -> Response:
    asked = parameters_of(request)
    return answered(services, request, await services.picture_threads.run(_opened, services, request, uids, asked))


def _opened(services: Services, request: Request, uids: Sequence[str], asked: Parameters) -> Begun:
    """Found, negotiated and begun in one turn of a thread: each hop costs as much as the search."""
    by_types, single = _found(services, uids)
    wanted = _acceptable(request, by_types, single=single)
    return begun(_each(wanted, asked), wanted[0][1], partial=len(wanted) < len(by_types))


def _opened_frames(
    services: Services, request: Request, uids: Sequence[str], numbers: Sequence[int], asked: Parameters
) -> Begun:
    """The same for frames of one instance."""
    [(found, offered)], _ = _found(services, uids)
    form = negotiate(request, representations(offered, single=len(numbers) == 1))
    return begun(found.frames(numbers, form.media_type, asked), form)


def _found(services: Services, uids: Sequence[str]) -> tuple[list[tuple[Renderable, tuple[str, ...]]], bool]:
    """The instances with what each can be given in, and whether they are one picture."""
    found = services.archive.rendered.instances(services.scope(), *uids)
    alone = len(uids) == 3
    return [(one, _media_types(one, strict=alone)) for one in found], alone and found[0].parts == 1


def _acceptable(
    request: Request, by_types: Sequence[tuple[Renderable, tuple[str, ...]]], *, single: bool
) -> list[tuple[Renderable, Representation]]:
    """The instances that can be given as the client accepts, each with its form. Raises HttpError 406."""
    chosen: dict[tuple[str, ...], Representation] = {}
    offered: list[Representation] = []
    for media_types in dict.fromkeys(media_types for _, media_types in by_types):
        possible = representations(media_types, single=single)
        offered += possible
        try:
            chosen[media_types] = negotiate(request, possible)
        except HttpError:
            continue
    wanted = [(one, chosen[media_types]) for one, media_types in by_types if media_types in chosen]
    if not wanted:
        raise not_acceptable(offered)
    return wanted


def _each(wanted: Sequence[tuple[Renderable, Representation]], asked: Parameters) -> Iterator[Rendition]:
    """What can be made of each. One of several that turns out not to be renderable is left out; if all do, the last
    one's fault is told."""
    fault: PacsdError | None = None
    made = 0
    for one, form in wanted:
        try:
            for rendition in one.render(form.media_type, asked):
                made += 1
                yield rendition
        except PacsdError as error:
            if error.fault not in _CANNOT:
                raise
            fault = error
    if fault is not None and not made:
        raise fault


def _media_types(one: Renderable, *, strict: bool) -> tuple[str, ...]:
    """What an instance can be given in; none for a broken one, whose fault is told only where it is asked for alone."""
    try:
        return one.media_types
    except PacsdError:
        if strict:
            raise
        return ()


def _parts(made: Iterator[Rendition], writer: MultipartWriter, base_url: str) -> Iterator[bytes]:
    for one in made:
        frame = "" if one.frame is None else f"/frames/{one.frame}"
        yield writer.head(one.media_type, location=f"{instance_url(base_url, one.ref)}{frame}/rendered")
        yield from one.content
    yield writer.close()
