"""What clients wrote, brought back from the journal: the last of it after a crash, all of it in a rebuild."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from fhir.format import json
from fhir.interaction.services import Extract
from fhir.search.values import Found
from fhir.store.stored import Change
from fhir.store.unit import Units
from pacsd.archive.journal import Fact, FactKind, Journal
from pacsd.faults import Fault, PacsdError

_AT_ONCE = 200
_SETTLED = timedelta(seconds=30)         # who journalled a fact that long ago has committed it, or never will
_WINDOW = timedelta(minutes=10)          # facts older than that were looked at before

log = logging.getLogger("fhir.restoration")


class Restoration:
    """Puts versions back where they are missing; safe beside whoever writes meanwhile."""

    def __init__(
        self, units: Units, journal: Journal, organisations: Mapping[str, int], extract: Extract, *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._units = units
        self._journal = journal
        self._organisations = organisations
        self._extract = extract
        self._clock = clock
        self._looked: datetime | None = None

    def rebuild(self) -> int:
        """All that was ever written; how many versions. Raises PacsdError: half a truth is worse than none."""
        return self._restored(self._journal.replay())

    def catch_up(self, *, last: datetime | None = None) -> bool:
        """What was journalled lately and not committed: a process ended in between. `last`: look back from then."""
        now = self._clock()
        since = (last or self._looked or now) - _WINDOW
        facts = (one for one in self._journal.replay(since=since) if one.at < now - _SETTLED or last is not None)
        found = self._restored(facts)
        self._looked = now
        if found:
            log.warning("resources were put back from the journal", extra={"versions": found})
        return False

    def settle(self) -> None:
        """What a crash cost: of the server's last moments, whenever these were. A worker does this when it starts."""
        newest = self._units.newest()
        if newest is not None:
            self.catch_up(last=newest)
        else:
            self._restored(self._journal.replay())

    def _restored(self, facts: Iterable[Fact]) -> int:
        changes, restored = self._changes(facts), 0
        while some := list(islice(changes, _AT_ONCE)):
            restored += self._units.restore(some, self._found)
        return restored

    def _changes(self, facts: Iterable[Fact]) -> Iterator[Change]:
        for fact in facts:
            if fact.kind is FactKind.FHIR:
                yield self._change(fact)

    def _change(self, fact: Fact) -> Change:
        told: Mapping[str, Any] = fact.body
        organisation = self._organisations.get(told["organisation"])
        if organisation is None:
            raise PacsdError(Fault.INTERNAL, f"organisation {told['organisation']} is not configured")
        return Change(
            0, organisation, told["type"], told["id"], told["version"], fact.at, told["method"], told["body"].encode(),
            deleted=told["deleted"], owner=told["owner"],
        )  # fmt: skip

    def _found(self, change: Change) -> Sequence[Found]:
        return () if change.deleted else self._extract(json.read(change.body))
