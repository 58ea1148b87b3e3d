"""The states of a unified procedure step and the legal changes (PS3.4 CC.1.1, Table CC.1.1-2)."""

from collections.abc import Mapping
from enum import Enum

from pacsd.workflow.refusals import Reason, Refusal, Reservation


class State(Enum):
    """Procedure Step State (0074,1000)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"

    @property
    def final(self) -> bool:
        """Whether nothing can follow."""
        return self in (State.COMPLETED, State.CANCELED)


Outcome = State | Reason | Reservation

_S, _P, _D, _X = State.SCHEDULED, State.IN_PROGRESS, State.COMPLETED, State.CANCELED

# (now, asked for) with the correct Transaction UID: the new state, or why there is none
CHANGES: Mapping[tuple[State, State], Outcome] = {
    (_S, _P): _P,
    (_P, _P): Reason.ALREADY_IN_PROGRESS,
    (_D, _P): Reason.NO_LONGER_UPDATABLE,
    (_X, _P): Reason.NO_LONGER_UPDATABLE,
    (_S, _D): Reason.NOT_IN_PROGRESS,
    (_P, _D): _D,
    (_D, _D): Reservation.ALREADY_COMPLETED,
    (_X, _D): Reason.NO_LONGER_UPDATABLE,
    (_S, _X): Reason.NOT_IN_PROGRESS,
    (_P, _X): _X,
    (_D, _X): Reason.NO_LONGER_UPDATABLE,
    (_X, _X): Reservation.ALREADY_CANCELED,
}
# a request to cancel by somebody who does not perform the step (Request UPS Cancel); IN PROGRESS: the performer is told
CANCEL_REQUESTS: Mapping[State, Outcome] = {
    _S: _X,
    _P: _P,
    _D: Reason.ALREADY_COMPLETED,
    _X: Reservation.ALREADY_CANCELED,
}


def change(now: State, asked: State, *, lock: str | None, given: str | None) -> State | Reservation:
    """The state that follows from a request to change it. `lock`: the Transaction UID that claimed the step.

    A step that nobody claimed accepts any Transaction UID. Raises Refusal.
    """
    if asked is State.SCHEDULED:
        raise Refusal(Reason.SCHEDULED_ONLY_BY_CREATE)
    _check_lock(lock, given)
    return _decided(CHANGES[now, asked])


def cancel_request(now: State) -> State | Reservation:
    """What a request to cancel leads to. Raises Refusal."""
    return _decided(CANCEL_REQUESTS[now])


def check_update(now: State, *, lock: str | None, given: str | None) -> None:
    """Whether attributes may be set (PS3.4 CC.2.6.2, CC.2.6.3). Raises Refusal."""
    if now.final:
        raise Refusal(Reason.NO_LONGER_UPDATABLE)
    if now is State.SCHEDULED:
        if given is not None:
            raise Refusal(Reason.NOT_IN_PROGRESS)
        return
    _check_lock(lock, given)


def _check_lock(lock: str | None, given: str | None) -> None:
    if not given:
        raise Refusal(Reason.TRANSACTION_UID_MISSING)
    if lock is not None and given != lock:
        raise Refusal(Reason.TRANSACTION_UID_INCORRECT)


def _decided(outcome: Outcome) -> State | Reservation:
    if isinstance(outcome, Reason):
        raise Refusal(outcome)
    return outcome
