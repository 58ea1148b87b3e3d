"""Request Cancellation (PS3.18 11.8)."""

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.addresses import uid
from pacsd.web.services import Services
from pacsd.web.worklist.answers import CANCEL_TEXTS, answered, reserved
from pacsd.web.worklist.payload import received


async def request_cancellation(services: Services, request: Request) -> Response:
    """POST /workitems/{workitem}/cancelrequest: 202, which does not say that it is cancelled."""

    async def work() -> Response:
        one = uid(request, "workitem")
        details = await received(services, request, required=False)
        reservation = await services.threads.commit(
            services.worklist().workitems.request_cancel, services.peer(), one, details
        )
        base_url = services.addresses.dicom_web(request)
        return Response(status_code=202, headers=reserved(base_url, reservation))

    return await answered(services, request, work, texts=CANCEL_TEXTS)
