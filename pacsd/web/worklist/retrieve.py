"""Retrieve Workitem (PS3.18 11.5)."""

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.addresses import uid
from pacsd.web.media_types import negotiate
from pacsd.web.services import Services
from pacsd.web.worklist.answers import answered
from pacsd.web.worklist.payload import OFFERS, sent


async def retrieve(services: Services, request: Request) -> Response:
    """GET /workitems/{workitem}: one data set, never with its Transaction UID; 410 if it was deleted."""

    async def work() -> Response:
        form = negotiate(request, OFFERS)
        one = uid(request, "workitem")
        found = await services.threads.run(services.worklist().workitems.retrieve, services.scope(), one)
        location = f"{services.addresses.dicom_web(request)}/workitems/{one}"
        return sent(found, form, {"Content-Location": location, "Cache-Control": "no-store"})

    return await answered(services, request, work)
