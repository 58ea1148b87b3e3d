"""Refusals and reservations of the workflow as HTTP statuses and Warning texts (PS3.18 11.4 to 11.12)."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from pacsd.faults import PacsdError
from pacsd.web.problem import HttpError, of_fault, problem
from pacsd.web.services import Services
from pacsd.workflow.refusals import Reason, Refusal, Reservation

Texts = Mapping[Reason, str]

STATUS: Mapping[Reason, int] = {         # PS3.18 Tables 11.4.3-1, 11.5.3-1, 11.7.3-1, 11.8.3-1, 11.10.3-1, 11.12.3-1
    Reason.NO_LONGER_UPDATABLE: 409,
    Reason.TRANSACTION_UID_MISSING: 400,
    Reason.TRANSACTION_UID_INCORRECT: 400,
    Reason.ALREADY_IN_PROGRESS: 409,
    Reason.SCHEDULED_ONLY_BY_CREATE: 400,
    Reason.FINAL_STATE_NOT_MET: 409,
    Reason.UNKNOWN: 404,
    Reason.GONE: 410,
    Reason.NOT_SUBSCRIBED: 404,
    Reason.NOT_CREATED_SCHEDULED: 400,
    Reason.NOT_IN_PROGRESS: 409,
    Reason.ALREADY_COMPLETED: 409,
    Reason.PERFORMER_UNREACHABLE: 409,
    Reason.OF_ANOTHER_ORGANISATION: 403,
    Reason.DUPLICATE: 409,
    Reason.RESERVED_UID: 400,
    Reason.INVALID_VALUE: 400,
    Reason.NOT_ALLOWED: 400,
    Reason.MISSING_ATTRIBUTE: 400,
    Reason.MISSING_VALUE: 400,
}
UPDATE_STATUS: Mapping[Reason, int] = {Reason.NO_LONGER_UPDATABLE: 400}          # Table 11.6.3-1

_NOT_CLAIMED = "The target URI did not reference a claimed Workitem."
INCONSISTENT_UPDATE = "The submitted request is inconsistent with the current state of the Workitem."
UPDATE_TEXTS: Texts = {                  # 11.6.3.2: every failure has one of two
    **dict.fromkeys(Reason, INCONSISTENT_UPDATE),
    **dict.fromkeys((Reason.NOT_IN_PROGRESS, Reason.UNKNOWN, Reason.GONE), _NOT_CLAIMED),
}
INCONSISTENT_STATE = "The submitted request is inconsistent with the state of the UPS Instance."
STATE_TEXTS: Texts = {                   # 11.7.3.2: every failure has one of three
    **dict.fromkeys(Reason, INCONSISTENT_STATE),
    Reason.TRANSACTION_UID_MISSING: "The Transaction UID is missing.",
    Reason.TRANSACTION_UID_INCORRECT: "The Transaction UID is incorrect.",
}
CANCEL_TEXTS: Texts = {                  # 11.8.3.2
    Reason.ALREADY_COMPLETED: "The UPS is already COMPLETED.",
    Reason.PERFORMER_UNREACHABLE: "The performer cannot be contacted.",
}
RESERVATION_TEXTS: Mapping[Reservation, str] = {
    Reservation.CREATED_WITH_MODIFICATIONS: "The Workitem was created with modifications.",
    Reservation.UPDATED_WITH_MODIFICATIONS: "The Workitem was updated with modifications.",
    Reservation.LOCK_NOT_GRANTED: "Deletion Lock not granted.",
    Reservation.ALREADY_CANCELED: "The UPS is already in the requested state of CANCELED.",
    Reservation.ALREADY_COMPLETED: "The UPS is already in the requested state of COMPLETED.",
}

Handler = Callable[[Services, Request], Awaitable[Response]]


async def answered(
    services: Services,
    request: Request,
    work: Callable[[], Awaitable[Response]],
    *,
    texts: Texts | None = None,
    statuses: Mapping[Reason, int] | None = None,
    otherwise: str | None = None,
) -> Response:
    """What `work` answers, or its refusal in the words of the transaction. `otherwise`: Warning of other failures."""
    base_url = services.addresses.dicom_web(request)
    try:
        return await work()
    except Refusal as refusal:
        return refused(refusal, base_url, texts or {}, statuses or {})
    except (HttpError, PacsdError) as error:
        if otherwise is None:
            raise
        response = error.response() if isinstance(error, HttpError) else of_fault(error)
        response.headers.update(warning(base_url, otherwise))
        return response


def refused(refusal: Refusal, base_url: str, texts: Texts, statuses: Mapping[Reason, int]) -> Response:
    """The answer to a refused request: problem details, a Warning, and the DIMSE status for who knows those."""
    status = statuses.get(refusal.reason, STATUS[refusal.reason])
    text = texts.get(refusal.reason)
    members = {"fault": refusal.fault.value, "dimse_status": f"{refusal.reason.status:04X}"}
    headers = {} if text is None else warning(base_url, text)
    return problem(status, HTTPStatus(status).phrase, refusal.message, headers=headers, members=members)


def reserved(base_url: str, reservation: Reservation | None) -> dict[str, str]:
    """The Warning of what was done with a reservation."""
    return {} if reservation is None else warning(base_url, RESERVATION_TEXTS[reservation])


def warning(base_url: str, text: str) -> dict[str, str]:
    """A Warning header field (PS3.18 8.4, RFC 7234 5.5)."""
    return {"Warning": f"299 {base_url}: {text}"}
