"""PS3.4 Table CC.1.1-2, row by row, as the standard has it."""

import pytest

from pacsd.workflow.refusals import Refusal
from pacsd.workflow.states import State, cancel_request, change, check_update

S, P, D, X = State.SCHEDULED, State.IN_PROGRESS, State.COMPLETED, State.CANCELED
NOW = (S, P, D, X)
LOCK, OTHER = "1.2.3", "1.2.4"

CORRECT = {P: (P, 0xC302, 0xC300, 0xC300), D: (0xC310, D, 0xB306, 0xC300), X: (0xC310, X, 0xC300, 0xB304)}
CASES = [
    *((now, asked, LOCK, outcome) for asked, row in CORRECT.items() for now, outcome in zip(NOW, row, strict=True)),
    *((now, S, LOCK, 0xC303) for now in NOW),
    *((now, asked, None, 0xC301) for asked in (P, D, X) for now in NOW),
    *((now, asked, OTHER, 0xC301) for asked in (P, D, X) for now in (P, D, X)),
]


def outcome_of(call):
    try:
        outcome = call()
    except Refusal as refusal:
        return refusal.reason.status
    return outcome if isinstance(outcome, State) or outcome is None else outcome.value


@pytest.mark.parametrize(("now", "asked", "given", "expected"), CASES)
def test_change_of_state(now, asked, given, expected):
    lock = None if now is S else LOCK
    assert outcome_of(lambda: change(now, asked, lock=lock, given=given)) == expected


@pytest.mark.parametrize(("now", "expected"), list(zip(NOW, (X, P, 0xC311, 0xB304), strict=True)))
def test_request_to_cancel(now, expected):
    assert outcome_of(lambda: cancel_request(now)) == expected


@pytest.mark.parametrize(
    ("now", "given", "expected"),
    [(S, None, None), (S, LOCK, 0xC310), (P, LOCK, None), (P, None, 0xC301), (P, OTHER, 0xC301), (D, LOCK, 0xC300),
     (X, LOCK, 0xC300), (X, None, 0xC300)],
)  # fmt: skip
def test_update(now, given, expected):
    assert outcome_of(lambda: check_update(now, lock=None if now is S else LOCK, given=given)) == expected
