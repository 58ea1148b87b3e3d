"""Change Workitem State (PS3.18 11.7)."""

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web.addresses import uid
from pacsd.web.problem import bad_request
from pacsd.web.services import Services
from pacsd.web.worklist.answers import INCONSISTENT_STATE, STATE_TEXTS, answered, reserved
from pacsd.web.worklist.payload import received
from pacsd.workflow.requirements import STATE, TRANSACTION_UID, first
from pacsd.workflow.states import State

_STATES = {state.value: state for state in State}


async def change_state(services: Services, request: Request) -> Response:
    """PUT /workitems/{workitem}/state: Procedure Step State and Transaction UID (PS3.4 Table CC.2.1-1)."""

    async def work() -> Response:
        one = uid(request, "workitem")
        asked = await received(services, request)
        state = _STATES.get(first(asked.get(STATE)))
        if state is None or asked.keys() - {STATE, TRANSACTION_UID, "00080005"}:
            raise bad_request("the body holds Procedure Step State (0074,1000) and Transaction UID (0008,1195)")
        reservation = await services.threads.commit(
            services.worklist().workitems.change_state, services.peer(), one, state,
            transaction_uid=first(asked.get(TRANSACTION_UID)),
        )  # fmt: skip
        base_url = services.addresses.dicom_web(request)
        return Response(status_code=200, headers=reserved(base_url, reservation))

    return await answered(services, request, work, texts=STATE_TEXTS, otherwise=INCONSISTENT_STATE)
