"""The requestor of the suites stands still while an answer is waited for."""

import sys
import threading

import pytest
from pynetdicom.association import Association

from conformance.requestor import Gate, attentive


def test_who_is_told_to_stand_still_does_so_before_it_is_taken_for_granted() -> None:
    gate, ends, passed = Gate(), threading.Event(), [0]

    def reactor() -> None:
        while not ends.is_set():
            gate.wait()
            passed[0] += 1

    thread = threading.Thread(target=reactor)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        for _ in range(300):
            gate.clear()
            before = passed[0]
            threading.Event().wait(0.0002)
            assert passed[0] == before and not gate.is_set()
            gate.set()
    finally:
        ends.set()
        gate.set()
        sys.setswitchinterval(interval)
        thread.join(10)
    assert not thread.is_alive() and passed[0] > 0


def test_nobody_waits_for_ever_for_a_reactor_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.requestor._MOST_S", 0.01)
    gate = Gate()
    gate.clear()
    assert not gate.is_set() and not gate.wait(0.01)


def test_an_association_that_was_refused_is_left_as_it_is() -> None:
    class Refused:
        is_established = False

    refused = Refused()
    assert attentive(refused) is refused and not hasattr(refused, "_reactor_checkpoint")     # type: ignore[arg-type,comparison-overlap]
    assert "_reactor_checkpoint" in Association.__init__.__code__.co_names, "pynetdicom stands still at another place"
