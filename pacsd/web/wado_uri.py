"""The URI service, WADO-URI (PS3.18 chapter 9): one instance, as DICOM or rendered, named by query parameters.

It stands at `/wado`, where Orthanc and dcm4chee have it and viewers expect it, and again below the DICOMweb base, for
reverse proxies that publish nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from pacsd.faults import Fault, PacsdError
from pacsd.web import retrieve
from pacsd.web.media_types import (
    DICOM,
    MediaRange,
    Representation,
    accept_headers,
    choose,
    not_acceptable,
    parse_accept,
)
from pacsd.web.problem import bad_request
from pacsd.web.rendered import Begun, answered, begun
from pacsd.web.services import Renderable, Rendition, Services
from pacsd.web.uri_parameters import UriRequest, uri_request

PATH = "/wado"


async def instance(services: Services, request: Request) -> Response:
    """Retrieve DICOM Instance (9.4) or Retrieve Rendered Instance (9.5), as the media type decides."""
    asked = uri_request(request.query_params.multi_items())
    restful = _restful(request, asked)
    ranges = asked.ranges or parse_accept(",".join(accept_headers(request)))
    location = f"{services.addresses.dicom_web(request)}/studies/{{}}/series/{{}}/instances/{{}}".format(*asked.uids)
    if _wants_dicom(ranges):
        if asked.rendering.window is not None:
            raise bad_request("a window cannot be given with application/dicom")
        response = await retrieve.instance(services, restful)
    else:
        opened = await services.picture_threads.run(_opened, services, request, asked, ranges)
        response = answered(services, request, opened)
        location += "/rendered" if asked.frame_number is None else f"/frames/{asked.frame_number}/rendered"
    response.headers["Content-Location"] = location
    return response


def _restful(request: Request, asked: UriRequest) -> Request:
    """The same question to the RESTful service, which knows how to give an instance in a transfer syntax."""
    syntax = f"; transfer-syntax={asked.transfer_syntax_uid}" if asked.transfer_syntax_uid else ""
    accept = (b"accept", f"{DICOM}{syntax}".encode())
    headers = [one for one in request.scope["headers"] if one[0] != b"accept"]
    path_params = dict(zip(("study", "series", "instance"), asked.uids, strict=True))
    scope = {**request.scope, "headers": [*headers, accept], "query_string": b"", "path_params": path_params}
    return Request(scope, request.receive)


def _wants_dicom(ranges: Sequence[MediaRange]) -> bool:
    """Whether application/dicom is asked for by name. Raises HttpError 400 where rendered types are, too (8.7.5)."""
    named = {one.essence for one in ranges if one.quality > 0 and "*" not in one.essence}
    if DICOM in named and len(named) > 1:
        raise bad_request("either application/dicom or rendered media types are acceptable, not both")
    return DICOM in named


def _opened(services: Services, request: Request, asked: UriRequest, ranges: Sequence[MediaRange]) -> Begun:
    """Found, negotiated and begun in one turn of a thread, as the RESTful service does it."""
    [found] = services.archive.rendered.instances(services.scope(), *asked.uids)
    offers = [Representation(one) for one in found.media_types]
    form = choose(ranges, offers)
    if form is None:
        raise not_acceptable([*offers, Representation(DICOM)])
    return begun(_made(services, asked, found, form.media_type, request), form)


def _made(
    services: Services, asked: UriRequest, found: Renderable, media_type: str, request: Request
) -> Iterator[Rendition]:
    """The rendition asked for. Raises HttpError 400 for a frame or a presentation state that is not there (9.5.2)."""
    rendering = replace(asked.rendering, base_url=services.addresses.dicom_web(request))
    if asked.presentation:
        return found.presented(_state(services, asked), media_type, rendering)
    if found.is_presentation_state and (asked.frame_number or rendering.region or rendering.window):
        raise bad_request("frameNumber, region and a window cannot be given for a presentation state")
    if asked.frame_number is None:
        return found.render(media_type, rendering)
    if not 1 < found.number_of_frames >= asked.frame_number:
        raise bad_request(f"the instance has {found.number_of_frames or 'no'} frames to choose from")
    return found.frames([asked.frame_number], media_type, rendering)


def _state(services: Services, asked: UriRequest) -> Renderable:
    """The presentation state, of the same study as the image."""
    series, instance_uid = asked.presentation or ("", "")
    try:
        [state] = services.archive.rendered.instances(services.scope(), asked.uids[0], series, instance_uid)
    except PacsdError as error:
        if error.fault is not Fault.NOT_FOUND:
            raise
        raise bad_request("there is no such presentation state") from error
    return state
