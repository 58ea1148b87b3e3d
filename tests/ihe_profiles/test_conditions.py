"""Our errors in HL7's terms."""

import pytest

from hl7.conditions import Hl7Error, Location
from ihe_profiles.exchange.conditions import CONDITIONS, located
from pacsd.faults import Fault, PacsdError


def test_every_fault_has_a_condition() -> None:
    assert set(CONDITIONS) == set(Fault)


@pytest.mark.parametrize("fault", list(Fault))
def test_what_is_not_the_messages_fault_has_no_place_and_may_be_sent_again(fault: Fault) -> None:
    with pytest.raises(Hl7Error) as caught, located(Location("PID", 1, 3)):
        raise PacsdError(fault, "why")
    later = fault in (Fault.FULL, Fault.UNAVAILABLE, Fault.INTERNAL)
    assert caught.value.rejected is later and (caught.value.location is None) is later
    assert caught.value.text == "why"
