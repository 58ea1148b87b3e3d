"""Unified Procedure Steps as SCP: N-CREATE, N-SET, N-GET, N-ACTION of UPS Push, Watch, Pull (PS3.4 CC.2.1 to CC.2.7).

Instances are all of the class UPS Push, whatever class was negotiated (CC.3.1). What may be done is decided in
`pacsd.workflow`; its refusals and reservations carry the statuses of PS3.4 already.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

from pacsd.codec.json_dataset import checked
from pacsd.dimse.command import N_ACTION_RQ, N_CREATE_RQ, N_GET_RQ, N_SET_RQ
from pacsd.dimse.datasets import Dataset
from pacsd.dimse.normalized import NormalizedClass, Reply, Request
from pacsd.dimse.services import Services
from pacsd.dimse.sop_classes import UPS_PULL, UPS_PUSH, UPS_WATCH
from pacsd.dimse.statuses import (
    INVALID_ARGUMENT_VALUE,
    INVALID_SOP_INSTANCE,
    MISSING_ATTRIBUTE,
    NO_SUCH_ACTION_TYPE,
    NO_SUCH_ARGUMENT,
    OPTIONAL_ATTRIBUTES_NOT_SUPPORTED,
    SUCCESS,
    OperationError,
)
from pacsd.workflow.attributes import ROW_BY_TAG
from pacsd.workflow.refusals import Reason, Refusal, Reservation
from pacsd.workflow.reports import FILTERED_GLOBAL, WORKLISTS
from pacsd.workflow.requirements import SOP_INSTANCE_UID, STATE, TRANSACTION_UID, first
from pacsd.workflow.states import State

CHANGE_STATE, REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = 1, 2, 3, 4, 5    # Action Type IDs, PS3.4 CC.2.1 to 2.3

_CHARACTER_SET, _RECEIVING_AE, _DELETION_LOCK = "00080005", "00741234", "00741230"
_LOCKS = {"TRUE": True, "FALSE": False}
_STATES = {state.value: state for state in State}
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")

# Failures of this edge alone (PS3.4 Table CC.2.3-3)
RECEIVING_AE_UNKNOWN = 0xC308
ACTION_NOT_APPROPRIATE = 0xC314


def create(request: Request, services: Services) -> Reply:
    """N-CREATE: a new step, SCHEDULED (CC.2.5). A UID that the SCU leaves out is made."""
    named = first(request.dataset.get(SOP_INSTANCE_UID))
    if request.sop_instance_uid and named not in (None, request.sop_instance_uid):
        raise OperationError(INVALID_SOP_INSTANCE, "(0008,0018) contradicts the Affected SOP Instance UID")
    uid = request.sop_instance_uid or named or f"2.25.{uuid4().int}"
    dataset = checked(_without(request.dataset, _CHARACTER_SET))
    with _told():
        reservation = services.of_department().workflow.workitems.create(request.peer, uid, dataset)
    return _reply(reservation, uid if not request.sop_instance_uid else "")


def set_attributes(request: Request, services: Services) -> Reply:
    """N-SET: what its performer says of a step, or anybody of one that nobody has begun (CC.2.6)."""
    if first(request.dataset.get(SOP_INSTANCE_UID)) not in (None, request.sop_instance_uid):
        raise OperationError(INVALID_SOP_INSTANCE, "(0008,0018) contradicts the Requested SOP Instance UID")
    given = checked(_without(request.dataset, _CHARACTER_SET, SOP_INSTANCE_UID))
    transaction_uid = first(given.pop(TRANSACTION_UID, None))
    with _told():
        return _reply(services.of_department().workflow.workitems.update(
            request.peer, request.sop_instance_uid, given, transaction_uid=transaction_uid
        ))  # fmt: skip


def get_attributes(request: Request, services: Services) -> Reply:
    """N-GET: the attributes that are named, or all; never the Transaction UID, which is a lock (CC.2.7).

    One of Table CC.2.5-3 that the step does not have is answered empty; others are left out, with the warning 0001H.
    """
    with _told():
        found = services.of_department().workflow.workitems.retrieve(request.peer.scope, request.sop_instance_uid)
    asked = {f"{tag:08X}" for tag in request.tags} or found.keys()
    served = {tag for tag in asked if tag in found or (tag in ROW_BY_TAG and tag != TRANSACTION_UID)}
    status = SUCCESS if served >= asked - {_CHARACTER_SET} else OPTIONAL_ATTRIBUTES_NOT_SUPPORTED
    return Reply(status, {tag: found.get(tag, {}) for tag in sorted(served)})


def act(request: Request, services: Services, *, types: frozenset[int]) -> Reply:
    """N-ACTION: the action types of the class that was negotiated (Tables CC.2-1 to CC.2-3)."""
    if request.type_id not in types:
        raise OperationError(NO_SUCH_ACTION_TYPE, f"action type {request.type_id} is not one of this SOP class")
    with _told():
        return _ACTIONS[request.type_id](request, services)


def _change_state(request: Request, services: Services) -> Reply:
    """CC.2.1"""
    information = checked(_without(request.dataset, _CHARACTER_SET))
    state = _STATES.get(first(information.get(STATE)))
    if state is None:
        raise _invalid(STATE, "Procedure Step State is missing or none")
    return _reply(services.of_department().workflow.workitems.change_state(
        request.peer, request.sop_instance_uid, state, transaction_uid=first(information.get(TRANSACTION_UID))
    ))  # fmt: skip


def _request_cancel(request: Request, services: Services) -> Reply:
    """CC.2.2"""
    details = checked(_without(request.dataset, _CHARACTER_SET))
    workitems = services.of_department().workflow.workitems
    return _reply(workitems.request_cancel(request.peer, request.sop_instance_uid, details))


def _subscribe(request: Request, services: Services) -> Reply:
    """CC.2.3, to one step, to all, or to those that pass a filter; events go to AEs that are configured."""
    title, target = _receiving_ae(request), request.sop_instance_uid
    remote = services.directory.remote(title, request.peer)
    if remote is None or remote.organisation != request.peer.organisation_code:
        raise OperationError(RECEIVING_AE_UNKNOWN, "the Receiving AE is not known here")
    lock = _LOCKS.get(str(first(request.dataset.get(_DELETION_LOCK))))
    if lock is None:
        raise _invalid(_DELETION_LOCK, "Deletion Lock is neither TRUE nor FALSE")
    keys = dict(_matching_keys(_without(request.dataset, _CHARACTER_SET, _RECEIVING_AE, _DELETION_LOCK)))
    if keys and target != FILTERED_GLOBAL:
        raise OperationError(NO_SUCH_ARGUMENT, "matching keys belong to the filtered global subscription")
    subscriptions = services.of_department().workflow.subscriptions
    if target in WORKLISTS:
        filter_ = keys if target == FILTERED_GLOBAL else None
        subscriptions.subscribe_worklist(request.peer, title, target, lock=lock, keys=filter_)
        return Reply()
    return _reply(subscriptions.subscribe(request.peer, title, target, lock=lock))


def _unsubscribe(request: Request, services: Services) -> Reply:
    """CC.2.3; from the worklist: from everything."""
    title, target = _receiving_ae(request), request.sop_instance_uid
    subscriptions = services.of_department().workflow.subscriptions
    call = subscriptions.unsubscribe_worklist if target in WORKLISTS else subscriptions.unsubscribe
    return _idempotent(lambda: call(request.peer, title, target))


def _suspend(request: Request, services: Services) -> Reply:
    """CC.2.3; only of a subscription to the worklist."""
    title, target = _receiving_ae(request), request.sop_instance_uid
    if target not in WORKLISTS:
        raise OperationError(ACTION_NOT_APPROPRIATE, "only a global subscription can be suspended")
    return _idempotent(lambda: services.of_department().workflow.subscriptions.suspend(request.peer, title, target))


_ACTIONS: Mapping[int, Callable[[Request, Services], Reply]] = {
    CHANGE_STATE: _change_state,
    REQUEST_CANCEL: _request_cancel,
    SUBSCRIBE: _subscribe,
    UNSUBSCRIBE: _unsubscribe,
    SUSPEND: _suspend,
}


def _served(action_types: tuple[int, ...], **operations: Any) -> NormalizedClass:
    more = {_FIELDS[name]: operation for name, operation in operations.items()}
    return NormalizedClass({**more, N_ACTION_RQ: partial(act, types=frozenset(action_types))}, (UPS_PUSH,))


_FIELDS = {"n_create": N_CREATE_RQ, "n_set": N_SET_RQ, "n_get": N_GET_RQ}
CLASSES: Mapping[str, NormalizedClass] = {       # Tables CC.2-1 to CC.2-3
    UPS_PUSH: _served((REQUEST_CANCEL,), n_create=create, n_get=get_attributes),
    UPS_WATCH: _served((REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND), n_get=get_attributes),
    UPS_PULL: _served((CHANGE_STATE,), n_get=get_attributes, n_set=set_attributes),
}


@contextmanager
def _told() -> Iterator[None]:
    """The workflow's refusals with the statuses they have in PS3.4."""
    try:
        yield
    except Refusal as refusal:
        raise _operation_error(refusal) from refusal


def _operation_error(refusal: Refusal) -> OperationError:
    """The elements at fault go where PS3.7 C.5 has a place for them: with 0120H, and with statuses of PS3.4."""
    status, tags = refusal.reason.status, refusal.offending
    attributes = tags if status == MISSING_ATTRIBUTE else ()
    return OperationError(status, refusal.message, offending=tags if status >> 12 else (), attributes=attributes)


def _reply(reservation: Reservation | None, sop_instance_uid: str = "") -> Reply:
    if reservation is None:
        return Reply(sop_instance_uid=sop_instance_uid)
    comment = reservation.name.replace("_", " ").lower()
    return Reply(reservation.value, comment=comment, sop_instance_uid=sop_instance_uid)


def _idempotent(call: Callable[[], None]) -> Reply:
    """Whoever is not subscribed stays so, and that is a success (Table CC.2.3-2)."""
    try:
        call()
    except Refusal as refusal:
        if refusal.reason is not Reason.NOT_SUBSCRIBED:
            raise
    return Reply()


def _receiving_ae(request: Request) -> str:
    title = str(first(request.dataset.get(_RECEIVING_AE)) or "").strip()
    if not title:
        raise _invalid(_RECEIVING_AE, "Receiving AE is missing")
    return title


def _matching_keys(dataset: Dataset, above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted paths and values of keys that have any; those without are universal (PS3.4 CC.2.3.3.1, C.2.2.2)."""
    for tag, attribute in dataset.items():
        values = attribute.get("Value") or ()
        if attribute["vr"] == "SQ":
            for item in values:
                yield from _matching_keys(item, f"{above}{tag}.")
        elif text := "\\".join(map(_text, values)):
            yield f"{above}{tag}", text


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "=".join(value.get(group, "") for group in _NAME_GROUPS).rstrip("=")
    return "" if value is None else str(value)


def _invalid(tag: str, comment: str) -> OperationError:
    return OperationError(INVALID_ARGUMENT_VALUE, f"{comment}: ({tag[:4]},{tag[4:]})")


def _without(dataset: Dataset, *tags: str) -> Dataset:
    return {tag: attribute for tag, attribute in dataset.items() if tag not in tags}
