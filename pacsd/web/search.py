"""Search for studies, series and instances (PS3.18 10.6)."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.addresses import uid
from pacsd.web.charset import require_utf8
from pacsd.web.content_coding import accepts_gzip
from pacsd.web.media_types import negotiate
from pacsd.web.search_answer import OFFERS, Asked, answered, limited, one_more, unsupported_keys
from pacsd.web.search_parameters import (
    SERIES_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    Level,
    SearchParameters,
    parse,
)
from pacsd.web.services import Match, Services
from pacsd.web.streaming import abandon
from pacsd.web.threads import After

__all__ = ["OFFERS", "instances", "series", "studies"]

_PATH_KEYS = {"study": STUDY_INSTANCE_UID, "series": SERIES_INSTANCE_UID}


async def studies(services: Services, request: Request) -> Response:
    """/studies"""
    return await _answer(services, request, "study")


async def series(services: Services, request: Request) -> Response:
    """/series and /studies/{study}/series"""
    return await _answer(services, request, "series")


async def instances(services: Services, request: Request) -> Response:
    """/instances, /studies/{study}/instances and /studies/{study}/series/{series}/instances"""
    return await _answer(services, request, "instance")


async def _answer(services: Services, request: Request, level: Level) -> Response:
    form = negotiate(request, OFFERS)
    require_utf8(request)
    ancestors = {_PATH_KEYS[name]: uid(request, name) for name in request.path_params}
    parameters = parse(request.scope["query_string"], level, ancestors)
    limit = limited(parameters.query.limit, services.limits.max_results)
    asked = Asked(form, limit, services.addresses.dicom_web(request), parameters.warnings, accepts_gzip(request))
    return await services.threads.run(_on_record, services, request, parameters, asked)


def _on_record(
    services: Services, request: Request, parameters: SearchParameters, asked: Asked
) -> Response | After[Response]:
    """What was found, once it is on record that it was asked: one thread does both, or another writes the record with
    its own."""
    recorded = None
    try:
        answer = _found(services, parameters, asked)
    finally:
        if services.recording is not None:
            recorded = services.recording.settle(request)
    return answer if recorded is None else After(recorded, answer)


def _found(services: Services, parameters: SearchParameters, asked: Asked) -> Response:
    if asked.limit == 0:
        return answered(services, asked, iter(()))
    search = services.archive.search
    compiled = search.compile(replace(parameters.query, limit=one_more(asked.limit)))
    asked = replace(asked, warnings=(*asked.warnings, *unsupported_keys(compiled.unsupported)))
    matches = search(compiled, services.scope())
    with closing(_data_sets(matches, asked.base_url, upper=parameters.upper)) as results:
        return answered(services, asked, results)


def _data_sets(matches: Iterator[Match], base_url: str, *, upper: bool) -> Generator[bytes, None, None]:
    try:
        for match in matches:
            yield ("{" + match.members(base_url, upper=upper) + "}").encode()
    finally:
        abandon(matches)
