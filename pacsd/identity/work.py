"""A unit of work of its own for what people decide, durable on leaving: facts first, then the index."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pacsd.index.connect import Connection, Pool, lent

Saying = Callable[[Sequence[tuple[Mapping[str, object], datetime]]], None]
"""Makes facts durable outside of the database: pacsd.archive.journal.Journal.append_all."""


@dataclass(frozen=True, slots=True)
class OwnWork:
    """pacsd.identity.patients.Work on behalf of an organisation."""

    connection: Connection
    organisation: int
    facts: list[tuple[Mapping[str, object], datetime]] = field(default_factory=list)

    def say(self, fact: Mapping[str, object]) -> datetime:
        """Have a fact journalled before all this is committed; when it was said."""
        at = datetime.now(UTC)
        self.facts.append((fact, at))
        return at


@contextmanager
def working(pool: Pool, say: Saying, organisation: int) -> Generator[OwnWork]:
    """One transaction: all that is done within, or nothing."""
    with lent(pool) as connection, connection.transaction():
        work = OwnWork(connection, organisation)
        yield work
        if work.facts:
            say(work.facts)
