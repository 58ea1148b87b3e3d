"""PINs: what is one, and that a hash tells nothing."""

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.links.pins import Pins, new_pin
from tests.oauth.house import QUICK


def test_a_pin_is_right_or_wrong() -> None:
    pins = Pins(QUICK)
    hashed = pins.hash("271828")
    assert hashed.startswith("$argon2id$") and "271828" not in hashed and pins.hash("271828") != hashed
    assert pins.is_right(hashed, "271828")
    for wrong in ("271829", "", "27182", "2718281", "271828\n", "２７１８２８", "x" * 100_000):
        assert not pins.is_right(hashed, wrong)
    assert not pins.is_right("no hash", "271828")


@pytest.mark.parametrize("pin", ["", "123", "1234567890123", "12a4", "0000", "1234", "987654", "56789", "１２４３"])
def test_pins_that_are_none_or_too_easy_are_refused(pin: str) -> None:
    with pytest.raises(PacsdError) as refused:
        Pins(QUICK).hash(pin)
    assert refused.value.fault is Fault.INVALID


def test_made_up_pins_are_good_ones() -> None:
    pins, made = Pins(QUICK), {new_pin() for _ in range(500)}
    assert len(made) > 490 and all(len(one) == 6 for one in made)
    assert pins.hash(made.pop())
