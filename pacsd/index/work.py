"""The unit of work within which somebody's word takes effect: facts first, durable, and then the index."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pacsd.index.connect import Connection
from pacsd.index.pipelined import Asked

Said = tuple[Mapping[str, object], datetime]
"""A fact, and when it was said."""

Saying = Callable[[Sequence[Said]], None]
"""Makes facts durable outside of the database: pacsd.archive.journal.Journal.append_all."""


@dataclass(frozen=True, slots=True)
class Work:
    """A transaction on behalf of an organisation. Of a `trial` nothing may stay, beside it neither."""

    connection: Connection
    organisation: int
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    facts: list[Said] = field(default_factory=list)
    trial: bool = False
    last: list[Asked] = field(default_factory=list)      # what is written with the commit, where it takes that

    def say(self, fact: Mapping[str, object]) -> datetime:
        """Have a fact journalled before all this is committed; when it was said.

        Said while what it is about is locked, so that facts of one subject follow each other.
        """
        at = self.clock()
        self.facts.append((fact, at))
        return at
