"""A log and queues on real PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, pool
from pacsd.index.organisations import register


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def index(database: str) -> Iterator[Pool]:
    with pool(database, min_size=1, max_size=8) as made:
        assert register(made, [("east", "East", "EAST"), ("west", "West", "WEST")]) == {"east": 1, "west": 2}
        yield made


EAST, WEST = Scope((1,), 1), Scope((2,), 2)
