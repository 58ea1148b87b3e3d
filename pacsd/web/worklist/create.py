"""Create Workitem (PS3.18 11.4)."""

from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response

from pacsd.codec.json_dataset import Dataset
from pacsd.web.problem import bad_request
from pacsd.web.services import Services
from pacsd.web.worklist.answers import answered, reserved
from pacsd.web.worklist.parameters import is_uid, named_or_bare
from pacsd.web.worklist.payload import received
from pacsd.workflow.requirements import SOP_INSTANCE_UID, first


async def create(services: Services, request: Request) -> Response:
    """POST /workitems?{workitem}: 201 created, 409 the UID is taken.

    The UID comes in the query or in the data set; where there is none it is made.
    """

    async def work() -> Response:
        named = named_or_bare(request, "workitem")
        dataset = await received(services, request)
        uid = _uid(named, dataset)
        base_url = services.addresses.dicom_web(request)
        worklist = services.worklist().workitems
        reservation = await services.threads.commit(worklist.create, services.peer(), uid, dataset)
        url = f"{base_url}/workitems/{uid}"
        return Response(
            status_code=201, headers={"Location": url, "Content-Location": url, **reserved(base_url, reservation)}
        )

    return await answered(services, request, work)


def _uid(named: str | None, dataset: Dataset) -> str:
    inside = first(dataset.get(SOP_INSTANCE_UID))
    if named is not None and inside not in (None, named):
        raise bad_request("the UID of the query contradicts that of the data set")
    uid = named or inside or f"2.25.{uuid4().int}"
    if not is_uid(uid):
        raise bad_request("the workitem's UID is none")
    return str(uid)
