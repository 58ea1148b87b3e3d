"""Subscribe, Unsubscribe and Suspend Global Subscription (PS3.18 11.10, 11.11, 11.12)."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.addresses import uid
from pacsd.web.problem import bad_request
from pacsd.web.services import Services
from pacsd.web.worklist.answers import answered, reserved
from pacsd.web.worklist.parameters import SubscribeParameters, ae_title, subscribe_parameters
from pacsd.workflow.refusals import Reservation
from pacsd.workflow.reports import FILTERED_GLOBAL, WORKLISTS


async def subscribe(services: Services, request: Request) -> Response:
    """POST /workitems/{workitem}/subscribers/{aetitle}: 201, with the URL of the channel to open."""

    async def work() -> Response:
        target, title = uid(request, "workitem"), ae_title(request)
        parameters = subscribe_parameters(request)
        if bool(parameters.keys) != (target == FILTERED_GLOBAL):
            raise bad_request("matching keys belong to a subscription to the filtered worklist, and only there")
        reservation = await services.threads.commit(_subscribe, services, title, target, parameters)
        base_url = services.addresses.dicom_web(request)
        channel = f"ws{base_url.removeprefix('http')}/ws/subscribers/{quote(title, safe='')}"
        return Response(status_code=201, headers={"Content-Location": channel, **reserved(base_url, reservation)})

    return await answered(services, request, work)


async def unsubscribe(services: Services, request: Request) -> Response:
    """DELETE /workitems/{workitem}/subscribers/{aetitle}; from the worklist: from everything."""

    async def work() -> Response:
        target, title = uid(request, "workitem"), ae_title(request)
        service = services.worklist().subscriptions
        call = service.unsubscribe_worklist if target in WORKLISTS else service.unsubscribe
        await services.threads.commit(call, services.peer(), title, target)
        return Response(status_code=200)

    return await answered(services, request, work)


async def suspend(services: Services, request: Request) -> Response:
    """POST /workitems/{workitem}/subscribers/{aetitle}/suspend, of a worklist's UID."""

    async def work() -> Response:
        target, title = uid(request, "workitem"), ae_title(request)
        if target not in WORKLISTS:
            raise bad_request("only a subscription to a worklist can be suspended")
        service = services.worklist().subscriptions
        await services.threads.commit(service.suspend, services.peer(), title, target)
        return Response(status_code=200)

    return await answered(services, request, work)


def _subscribe(
    services: Services, title: str, target: str, parameters: SubscribeParameters
) -> Reservation | None:
    service, peer = services.worklist().subscriptions, services.peer()
    if target not in WORKLISTS:
        return service.subscribe(peer, title, target, lock=parameters.lock)
    service.subscribe_worklist(peer, title, target, lock=parameters.lock, keys=parameters.keys or None)
    return None
