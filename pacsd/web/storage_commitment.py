"""Storage Commitment Service (PS3.18 chapter 13): a request is decided while its client waits, and kept.

References come in the Referenced SOP Sequence. Those in a Referenced Study Sequence are refused with 400.
"""

from starlette.requests import Request
from starlette.responses import Response

from pacsd.archive.commitment import Result
from pacsd.archive.commitment_dataset import references, result_dataset
from pacsd.web.addresses import uid
from pacsd.web.media_types import Representation, negotiate
from pacsd.web.problem import bad_request
from pacsd.web.services import Services
from pacsd.web.worklist.payload import OFFERS, received, sent

MAX_DATASET_BYTES = 16 << 20             # some fifty thousand references
_STUDIES = "00081110"


async def request_commitment(services: Services, request: Request) -> Response:
    """POST /commitment-requests/{transactionUID} (13.4): 200 with the result, 409 the Transaction UID is in use."""
    form = negotiate(request, OFFERS)
    transaction_uid = uid(request, "transaction")
    dataset = await received(services, request, most=MAX_DATASET_BYTES)
    if _STUDIES in dataset:
        raise bad_request("name instances in the Referenced SOP Sequence (0008,1199)")
    asked = references(dataset)

    def work() -> Result:
        commitments, reader = services.archive.commitments, services.peer()
        accepted = commitments.request(
            organisation=reader.organisation, requester=reader.title, transaction_uid=transaction_uid,
            references=asked, tell=False,
        )  # fmt: skip
        return commitments.decide(accepted.pk)

    return _answered(await services.threads.commit(work), form)


async def check_result(services: Services, request: Request) -> Response:
    """GET /commitment-requests/{transactionUID} (13.5): 200 with the result, 404 there is no such request."""
    form = negotiate(request, OFFERS)
    transaction_uid = uid(request, "transaction")
    reader = services.peer()
    commitments = services.archive.commitments
    result = await services.threads.run(commitments.result, reader.scope, transaction_uid, requester=reader.title)
    return _answered(result, form)


def _answered(result: Result, form: Representation) -> Response:
    """The Storage Commitment Response Module (PS3.18 J.2)."""
    return sent(result_dataset(result), form, {"Cache-Control": "no-store"})
