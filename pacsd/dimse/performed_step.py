"""Modality Performed Procedure Step as SCP: N-CREATE, N-SET, and N-GET of what was told (PS3.4 F.7, F.8)."""

from collections.abc import Callable, Mapping
from functools import wraps

from pacsd.dimse.command import N_CREATE_RQ, N_GET_RQ, N_SET_RQ
from pacsd.dimse.normalized import NormalizedClass, Operation, Reply, Request
from pacsd.dimse.services import Services
from pacsd.dimse.sop_classes import MPPS, MPPS_RETRIEVE
from pacsd.dimse.statuses import NOT_AUTHORIZED, OPTIONAL_ATTRIBUTES_NOT_SUPPORTED, SUCCESS, OperationError
from pacsd.workflow.performed_step_refusals import StepRefusal

MAX_DATASET_BYTES = 8 << 20              # names every instance of a step: some fifty thousand
_CHARACTER_SET = 0x00080005              # of the answer, as the answer needs it


def _refusing(operation: Operation) -> Operation:
    """What the service refuses, in the words of DIMSE."""

    @wraps(operation)
    def answer(request: Request, services: Services) -> Reply:
        if "mpps" not in request.peer.services:
            raise OperationError(NOT_AUTHORIZED, "this AE may not tell of performed steps here")
        try:
            return operation(request, services)
        except StepRefusal as error:
            reason = error.reason
            raise OperationError(
                reason.status, error.message, error_id=reason.error_id, attributes=error.tags
            ) from error

    return answer


@_refusing
def create(request: Request, services: Services) -> Reply:
    """A step begins (PS3.4 F.7.2.1); answered when it is durable."""
    steps = services.of_department().performed_steps
    return Reply(sop_instance_uid=steps.create(request.peer, request.sop_instance_uid, request.dataset))


@_refusing
def set_attributes(request: Request, services: Services) -> Reply:
    """A step goes on, or ends (PS3.4 F.7.2.2); answered when that is durable."""
    services.of_department().performed_steps.set(request.peer, request.sop_instance_uid, request.dataset)
    return Reply()


@_refusing
def get(request: Request, services: Services) -> Reply:
    """What is known of a step (PS3.4 F.8.2): what was asked for, all where nothing was named."""
    kept = services.of_department().performed_steps.retrieve(request.peer.scope, request.sop_instance_uid)
    if not request.tags:
        return Reply(dataset=kept)
    asked = {f"{tag:08X}" for tag in request.tags if tag != _CHARACTER_SET}
    found = {tag: attribute for tag, attribute in kept.items() if tag in asked}
    lacking = tuple(sorted(int(tag, 16) for tag in asked - found.keys()))
    return Reply(OPTIONAL_ATTRIBUTES_NOT_SUPPORTED if lacking else SUCCESS, found, tags=lacking)


_OPERATIONS: Mapping[int, Callable[[Request, Services], Reply]] = {N_CREATE_RQ: create, N_SET_RQ: set_attributes}

CLASSES: Mapping[str, NormalizedClass] = {
    MPPS: NormalizedClass(_OPERATIONS, (MPPS,), MAX_DATASET_BYTES),
    MPPS_RETRIEVE: NormalizedClass({N_GET_RQ: get}, (MPPS_RETRIEVE, MPPS)),
}
