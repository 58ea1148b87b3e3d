"""Every fault has a status in every service, of the class its table of PS3.4 names."""

import pytest

from pacsd.dimse.statuses import ARGUMENT_STATUS, FIND_STATUS, NORMALIZED_STATUS, RETRIEVE_STATUS, STORE_STATUS
from pacsd.faults import Fault


@pytest.mark.parametrize(
    "table", [STORE_STATUS, FIND_STATUS, RETRIEVE_STATUS, NORMALIZED_STATUS, ARGUMENT_STATUS]
)
def test_tables_are_total(table: dict[Fault, int]) -> None:
    assert set(table) == set(Fault)


@pytest.mark.parametrize("table", [STORE_STATUS, FIND_STATUS, RETRIEVE_STATUS])
def test_every_status_is_a_failure(table: dict[Fault, int]) -> None:
    for status in table.values():
        assert status >> 12 in (0xA, 0xC) or status in (0x0110, 0x0122, 0x0124)


@pytest.mark.parametrize("table", [NORMALIZED_STATUS, ARGUMENT_STATUS])
def test_statuses_of_normalized_operations_are_those_of_annex_c(table: dict[Fault, int]) -> None:
    for status in table.values():
        assert status in range(0x0105, 0x0125) or status in range(0x0210, 0x0214)
        assert status not in (0x0107, 0x0116)        # warnings
