"""Update Workitem (PS3.18 11.6)."""

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.addresses import uid
from pacsd.web.problem import bad_request
from pacsd.web.services import Services
from pacsd.web.worklist.answers import INCONSISTENT_UPDATE, UPDATE_STATUS, UPDATE_TEXTS, answered, reserved
from pacsd.web.worklist.parameters import named_or_bare
from pacsd.web.worklist.payload import received
from pacsd.workflow.requirements import SOP_INSTANCE_UID, TRANSACTION_UID, first


async def update(services: Services, request: Request) -> Response:
    """POST /workitems/{workitem}?{transaction-uid}; the Transaction UID may also stand in the data set."""

    async def work() -> Response:
        one = uid(request, "workitem")
        named = named_or_bare(request, "transaction-uid")
        changes = await received(services, request)
        inside = first(changes.pop(TRANSACTION_UID, None))
        if named is not None and inside not in (None, named):
            raise bad_request("the Transaction UID of the query contradicts that of the data set")
        if first(changes.pop(SOP_INSTANCE_UID, None)) not in (None, one):
            raise bad_request("the data set is that of another workitem")
        reservation = await services.threads.commit(
            services.worklist().workitems.update, services.peer(), one, changes,
            transaction_uid=named or inside,
        )  # fmt: skip
        base_url = services.addresses.dicom_web(request)
        location = {"Content-Location": f"{base_url}/workitems/{one}"}
        return Response(status_code=200, headers={**location, **reserved(base_url, reservation)})

    return await answered(
        services, request, work, texts=UPDATE_TEXTS, statuses=UPDATE_STATUS, otherwise=INCONSISTENT_UPDATE
    )
