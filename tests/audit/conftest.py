"""Fixtures of the tests of records."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsd.index.connect import pool
from pacsd.index.organisations import register
from tests.audit.house import House


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    """Records on a real index."""
    connections = pool(database, max_size=4)
    register(connections, [("east", "East", "EAST"), ("west", "West", "WEST")])
    yield House(connections, tmp_path)
    connections.close()
