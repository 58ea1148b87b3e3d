"""Search the Worklist (PS3.18 11.9). No match is 200 with an empty array, as in searches for studies."""

from collections.abc import Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web import results
from pacsd.web.media_types import negotiate
from pacsd.web.results import Found
from pacsd.web.search_parameters import WorklistParameters, parse_worklist
from pacsd.web.services import Services

OFFERS = results.OFFERS


async def search(services: Services, request: Request) -> Response:
    """GET /workitems?{&match*}{&includefield}{&fuzzymatching}{&offset}{&limit}"""
    form = negotiate(request, OFFERS)
    parameters = parse_worklist(request.scope["query_string"])
    base_url = services.addresses.dicom_web(request)
    query = parameters.query

    def found(limit: int, offset: int) -> tuple[Sequence[str], Found]:
        return _found(services, parameters, limit, offset)

    return await services.threads.run(
        lambda: results.answer(
            services, found, form, base_url, limit=query.limit, offset=query.offset, warnings=parameters.warnings
        )
    )


def _found(
    services: Services, parameters: WorklistParameters, limit: int, offset: int
) -> tuple[Sequence[str], Found]:
    search = services.worklist().search
    compiled = search.compile(replace(parameters.query, limit=limit, offset=offset))
    return compiled.unsupported, search(compiled, services.scope())
