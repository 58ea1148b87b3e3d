"""Search the Worklist (PS3.18 11.9)."""

from contextlib import closing
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.charset import require_utf8
from pacsd.web.content_coding import accepts_gzip
from pacsd.web.media_types import negotiate
from pacsd.web.search_answer import OFFERS, Asked, answered, data_sets, limited, one_more, unsupported_keys
from pacsd.web.search_parameters import WorklistParameters, parse_worklist
from pacsd.web.services import Services

__all__ = ["OFFERS", "search"]


async def search(services: Services, request: Request) -> Response:
    """GET /workitems?{&match*}{&includefield}{&fuzzymatching}{&offset}{&limit}"""
    form = negotiate(request, OFFERS)
    require_utf8(request)
    parameters = parse_worklist(request.scope["query_string"])
    limit = limited(parameters.query.limit, services.limits.max_results)
    asked = Asked(form, limit, services.addresses.dicom_web(request), parameters.warnings, accepts_gzip(request))
    response = await services.threads.run(_found, services, parameters, asked)
    response.headers["Cache-Control"] = "no-store"
    return response


def _found(services: Services, parameters: WorklistParameters, asked: Asked) -> Response:
    worklist = services.worklist().search
    compiled = worklist.compile(replace(parameters.query, limit=one_more(asked.limit)))
    asked = replace(asked, warnings=(*asked.warnings, *unsupported_keys(compiled.unsupported)))
    with closing(data_sets(worklist(compiled, services.scope()))) as results:
        return answered(services, asked, results)
