"""Who wants the same at the same time: one winner, no failure, histories without gaps. `tests.soak` has a thousand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fhir.house import House, opened
from tests.fhir.races import RACES

ROUNDS = 30


@pytest.mark.parametrize("race", RACES, ids=[one.__name__ for one in RACES])
def test_promises_are_kept(race: Callable[[House, int], None], database: str, tmp_path: Path) -> None:
    with opened(database, tmp_path / "blobs", connections=16) as house:
        for number in range(ROUNDS):
            race(house, number)
