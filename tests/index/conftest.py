"""An index with three organisations: a and b have the same assigning authority, c its own."""

from collections.abc import Iterator

import pytest

from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, pool
from pacsd.index.ingest import Ingest
from pacsd.index.organisations import register

A, B, C = Scope((1,), 1), Scope((2,), 2), Scope((3,), 3)


@pytest.fixture
def index(database: str) -> Iterator[Pool]:
    """A pool on a fresh database with organisations 1 (a), 2 (b), 3 (c)."""
    made = pool(database, min_size=1, max_size=12, synchronous_commit="off")
    keys = register(made, [("a", "A", "A"), ("b", "B", "A"), ("c", "C", "C")])
    assert keys == {"a": 1, "b": 2, "c": 3}
    yield made
    made.close()


@pytest.fixture
def ingest(index: Pool) -> Iterator[Ingest]:
    """A writer on it."""
    made = Ingest(index)
    yield made
    made.close()
