"""The unit of work within which resources are written: facts first, durable, and then rows, all or nothing."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar, cast

from fhir.search.values import Found
from fhir.store import locks, resources, restoring, shared, subscriptions
from fhir.store.keys import Keys
from fhir.store.locks import Locks
from fhir.store.stored import Change, Name, Stored
from pacsd.access.operations import Operation
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, lent, may_run_again
from pacsd.index.work import Saying

T = TypeVar("T")

FACT = "fhir"                            # the word of the journal's FactKind
_ATTEMPTS = 30
_MILLISECOND = timedelta(milliseconds=1)


class SearchRows(Protocol):
    """Where what search finds is kept."""

    def replace(self, connection: Connection, changes: Sequence[Change]) -> None:
        """In place of what stood there for these resources put what `found` says: nothing of what is deleted."""


class Unsearched:
    """Where nothing is searched."""

    def replace(self, connection: Connection, changes: Sequence[Change]) -> None:
        """Keep nothing."""


class Effects(Protocol):
    """What is done beside FHIR where clients write."""

    def takes(self, unit: "Unit", current: Stored) -> bool:
        """Whether a client may write what follows a version that is a feed's."""

    def act(self, unit: "Unit", changes: Sequence[Change]) -> Sequence[Change]:
        """Do what these versions ask for, in the unit's transaction; the versions, each with whose it is.

        What must be durable beside them goes to `unit.facts`. Raises PacsdError: then nothing of the unit stays.
        """


class NoEffects:
    """Where FHIR is all there is."""

    def takes(self, unit: "Unit", current: Stored) -> bool:
        """What a feed keeps it alone changes."""
        return False

    def act(self, unit: "Unit", changes: Sequence[Change]) -> Sequence[Change]:
        """Nothing."""
        return changes


def nothing_to_say(facts: Sequence[tuple[Mapping[str, object], datetime]]) -> None:
    """Where nothing but FHIR is journalled."""


class MoreLocks(Exception):
    """What was found is to be written, and is not held: the unit starts again with these too."""

    def __init__(self, more: Locks) -> None:
        super().__init__("more locks are needed")
        self.more = more


@dataclass(slots=True)
class Unit:
    """One transaction for somebody. What it writes shows when it ends, and is durable then."""

    connection: Connection
    scope: Scope
    organisation: int
    held: Locks
    _keys: Keys
    _rows: SearchRows
    _clock: Callable[[], datetime]
    effects: Effects = field(default_factory=NoEffects)
    changes: list[Change] = field(default_factory=list)
    facts: list[tuple[Mapping[str, object], datetime]] = field(default_factory=list)
    records: list[Callable[[], object]] = field(default_factory=list)        # that write what has no other journal
    base: str = ""                       # [base] as who writes calls this server
    permit: Callable[[Operation], object] = lambda _: None   # raises PacsdError where who writes may not do that

    def keys(self, count: int) -> list[int]:
        """Keys for new resources."""
        return self._keys.take(self.connection, count)

    def now(self) -> datetime:
        """The time, as finely as resources tell it."""
        at = self._clock()
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    def after(self, earlier: Stored | None) -> datetime:
        """The time of a version that follows another: later than that, whatever the clock says."""
        now = self.now()
        return now if earlier is None else max(now, earlier.updated + _MILLISECOND)

    def need(self, wanted: Locks) -> None:
        """Hold these, or start again with them. Raises MoreLocks."""
        more = {key: alone for key, alone in wanted.items()
                if key not in self.held or (alone and not self.held[key])}  # fmt: skip
        if more:
            raise MoreLocks(more)

    def newest(self, names: Sequence[Name]) -> dict[Name, Stored]:
        """Newest versions of resources that are to be written, whoever's they are. Raises MoreLocks."""
        self.need(locks.of_resources(names))
        return dict(resources.held(self.connection, names))

    def shown(self, names: Sequence[Name]) -> dict[Name, Stored]:
        """Newest versions of resources that are only looked at, whoever's they are."""
        return dict(resources.held(self.connection, names))

    @property
    def pool(self) -> Pool:
        """For who reads by a pool: what was written here, before anybody else sees it."""
        return cast(Pool, _Lent(self.connection))

    @contextmanager
    def tried(self, changes: Sequence[Change]) -> Iterator[None]:
        """As if these were written, for who looks meanwhile; then nothing of it is there."""
        with self.connection.transaction(force_rollback=True):
            resources.write(self.connection, changes)
            self._rows.replace(self.connection, changes)
            yield

    def write(self, changes: Sequence[Change]) -> None:
        """Make these the newest versions, each of another resource whose lock is held, with what search finds."""
        done = self.effects.act(self, changes)
        resources.write(self.connection, done)
        self._rows.replace(self.connection, done)
        self.changes += done


class _Lent:
    """A pool of the one connection that is in use already: what it reads beside what it writes is the predicate's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def connection(self, **_scope: object) -> Iterator[Connection]:
        yield self._connection


class Units:
    """Makes units of work. `codes`: of organisations by key, as facts name them; `effects`: of what clients write,
    whose facts `say_beside` keeps."""

    def __init__(
        self,
        pool: Pool,
        say: Saying,
        codes: Callable[[int], str],
        *,
        rows: SearchRows | None = None,
        effects: Effects | None = None,
        say_beside: Saying = nothing_to_say,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.pool = pool
        self._say = say
        self._codes = codes
        self._rows: SearchRows = rows if rows is not None else Unsearched()
        self._effects: Effects = effects if effects is not None else NoEffects()
        self._say_beside = say_beside
        self._clock = clock
        self._keys = Keys()

    def run(
        self, act: Callable[[Unit], T], *, scope: Scope, organisation: int, held: Locks | None = None
    ) -> T:
        """What `act` returns, once all that it wrote is journalled and committed. It starts again where it needs more.

        Raises what `act` raises, of which nothing stays; PacsdError UNAVAILABLE where others are always in the way.
        """
        wanted: Locks = dict(held or {})
        for attempt in range(_ATTEMPTS):
            try:
                return self._once(act, scope, organisation, wanted)
            except MoreLocks as missing:
                wanted = locks.joined(wanted, missing.more)
            except PacsdError as error:
                if not may_run_again(error):
                    raise
                time.sleep(0.001 * attempt)
        raise PacsdError(Fault.UNAVAILABLE, "others are changing the same resources; try again")

    def inside(
        self, connection: Connection, *, scope: Scope, organisation: int, held: Locks | None = None
    ) -> Unit:
        """A unit within a transaction of the caller's, who retries on MoreLocks and sees to what must be durable.

        For what is made again from the archive and so is in no journal: projections.
        """
        locks.hold(connection, held or {})
        return self._unit(connection, scope, organisation, held or {})

    def journal(self, changes: Sequence[Change]) -> None:
        """Keep versions for good, before their transaction commits; those of a unit that `run` made are kept by it."""
        if changes:
            self._say([(self._fact(one), one.updated) for one in changes])

    def restore(self, changes: Sequence[Change], found: Callable[[Change], Sequence[Found]]) -> int:
        """Put versions back that the journal tells of, in any order and as often as one likes; how many were missing.

        `pk` and `found` of these count for nothing: what search finds is asked of those that become the newest. They
        are not journalled again.
        """
        names = [one.name for one in changes]
        with lent(self.pool) as connection, connection.transaction():
            missing = restoring.missing(connection, changes, resources.held(connection, names))
            if not missing:
                return 0
            subscriptions.look_back(connection, min(one.updated for one in missing))
            locks.hold(connection, locks.of_resources(names))
            there = resources.held(connection, names)
            missing = restoring.missing(connection, changes, there)
            keys = iter(self._keys.take(connection, len({one.name for one in missing})))
            plan = restoring.planned(missing, there, keys)
            resources.make(connection, plan.made)
            resources.correct(connection, plan.correcting)
            resources.supersede(connection, plan.superseding)
            resources.remember(connection, plan.earlier)
            newest = (*plan.made, *plan.correcting, *plan.superseding)
            self._rows.replace(connection, [replace(one, found=found(one)) for one in newest])
            return len(missing)

    def newest(self) -> datetime | None:
        """When what is there was last changed; None where nothing is."""
        return resources.last_updated(self.pool)

    def _unit(self, connection: Connection, scope: Scope, organisation: int, held: Locks) -> Unit:
        return Unit(connection, scope, organisation, held, self._keys, self._rows, self._clock)

    def _once(self, act: Callable[[Unit], T], scope: Scope, organisation: int, wanted: Locks) -> T:
        with lent(self.pool) as connection, connection.transaction():
            locks.hold(connection, wanted)
            unit = self._unit(connection, scope, organisation, wanted)
            unit.effects = self._effects
            done = act(unit)
            for record in unit.records:          # only now: of what came to nothing none would be taken back
                record()
            if unit.facts:                       # no FHIR journal says them: they are on disk when this ends
                connection.execute("set local synchronous_commit = on")
                self._say_beside(unit.facts)
            self.journal([one for one in unit.changes if not one.owner or shared.is_shared(one.owner)])
            return done

    def _fact(self, change: Change) -> dict[str, object]:
        return {
            "fact": FACT, "organisation": self._codes(change.organisation), "type": change.type, "id": change.id,
            "version": change.version, "method": change.method, "deleted": change.deleted, "owner": change.owner,
            "body": change.body.decode(),
        }  # fmt: skip
