"""A unit of work of its own for what people decide, durable on leaving: facts first, then the index."""

from collections.abc import Generator
from contextlib import contextmanager

from pacsd.index.connect import Pool, lent
from pacsd.index.work import Saying, Work


@contextmanager
def working(pool: Pool, say: Saying, organisation: int) -> Generator[Work]:
    """One transaction: all that is done within, or nothing."""
    with lent(pool) as connection, connection.transaction():
        work = Work(connection, organisation)
        yield work
        if work.facts:
            say(work.facts)
