"""The machine's part of the master patient index: who was stated anew is compared, paired and linked.

Feeds only mark what they state; this runs behind them, some patients a transaction, one transaction at a time in the
whole platform. Links are recomputed wherever a statement, a merge or a decision changed something; decisions are never
undone.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import combinations

from pacsd.archive.journal import FactKind
from pacsd.faults import PacsdError
from pacsd.identity import blocking
from pacsd.identity.clusters import Key, clusters
from pacsd.identity.matching import Thresholds, compare, contradicts
from pacsd.identity.traits import Traits, traits
from pacsd.index import identity_links as rows
from pacsd.index import identity_steps, organisations, outbox
from pacsd.index.connect import Connection, Pool, may_run_again
from pacsd.index.identity_links import Decision, Found

log = logging.getLogger("pacsd.identity")

PERSON_CHANGED = "person.changed"
MATCHING = "matching"                    # who says so
LINKED, UNLINKED = "linked", "unlinked"  # steps
MOST_CONNECTED = 1000                    # beyond that, of a neighbourhood only decisions count
MUCH = 20_000                            # patients that are due from which on matching no longer gives way
GROWING = 25                             # as many more between two looks: feeds are at work
_SET = 50                                # patients of one transaction
_PIECE, _LARGE_PIECE = 25, 500
_NAMES = ("assigning_authority", "patient_id")

Saying = Callable[[Sequence[tuple[Mapping[str, object], datetime]]], None]


class Linker:
    """Matches what is due. Safe in any number of processes at once."""

    def __init__(
        self,
        pool: Pool,
        say: Saying,
        thresholds: Thresholds,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._say = say
        self._thresholds = thresholds
        self._clock = clock
        self._left = 0                           # of what was due, when this last looked

    def run(self, *, limit: int = _SET, tell: bool = True) -> bool:
        """Match some of what is due; whether there may be more."""
        left = limit
        while left > 0 and rows.due(self._pool, 1):
            asked = min(left, _SET)
            if self._run(asked, tell) < asked:
                return False                     # what is left is in somebody's hand
            left -= asked
        return left <= 0

    def catch_up(self, *, most: int = 200) -> bool:
        """Match all that is due before somebody asks, where it is not too much; whether nothing is left."""
        if len(rows.due(self._pool, most + 1)) > most:
            return False
        return not self.run(limit=most + 1)

    def behind_feeds(self, *, late: bool = False) -> int:
        """A worker's piece: little while feeds are at work, so that they keep their speed, more when it is quiet or so
        much is left, or for so long (`late`), that it no longer waits for them. How many are left; MUCH, or more.
        """
        due = rows.how_many_due(self._pool, MUCH + _LARGE_PIECE)
        at_work = due - self._left > GROWING and due < MUCH and not late
        piece = _PIECE if at_work else _LARGE_PIECE
        self.run(limit=piece)
        self._left = max(due - piece, 0)
        return self._left

    def run_all(self, *, tell: bool = True) -> int:
        """Until nothing is due; how many turns that took. After a rebuild nobody needs to be told of it again."""
        turns = 0
        while self.run(tell=tell):
            turns += 1
        return turns

    def _run(self, limit: int, tell: bool, *, races: int = 3) -> int:
        """One transaction, done once more where another one was in its way; how many it matched."""
        try:
            with rows.turn(self._pool) as connection:
                taken = rows.take(connection, limit)
                self._match(connection, taken, tell)
            return len(taken)
        except PacsdError as error:
            if not races or not may_run_again(error):
                raise
        return self._run(limit, tell, races=races - 1)

    def _match(self, connection: Connection, taken: Sequence[rows.Row], tell: bool) -> None:
        if not taken:
            return
        ones = {one.patient: one for one in map(traits, taken)}
        keys = {row["patient"]: blocking.keys(ones[row["patient"]]) if row["live"] else [] for row in taken}
        rows.set_keys(connection, taken, keys)
        before = {one: self._neighbourhood(connection, [one]) for one in sorted(rows.connected(connection, ones))}
        rows.set_pairs(connection, ones, self._pairs(connection, ones, keys))
        told: dict[int, Traits] = {}
        for one in sorted(before.keys() | rows.connected(connection, ones)):
            told |= self._relink(connection, before.get(one, {one}) | self._neighbourhood(connection, [one]))
        new = [row["patient"] for row in taken if row["live"] and not row["announced"]]
        told = {**{patient: ones[patient] for patient in new}, **told}
        if tell:
            _tell(connection, told.values())

    def found(self, connection: Connection, one: Traits, keys: Sequence[int]) -> Iterable[Found]:
        """Who may be the same person as a patient that these keys lead to."""
        return self._pairs(connection, {one.patient: one}, {one.patient: keys})

    def _pairs(
        self, connection: Connection, ones: Mapping[int, Traits], keys: Mapping[int, Sequence[int]]
    ) -> Collection[Found]:
        """Pairs of each of these patients with whom its keys lead to, each pair once."""
        led = rows.candidates(connection, keys, most_sharing=blocking.MOST_SHARING)
        others = {other for those in led.values() for other in those}
        known = {one.patient: one for one in map(traits, rows.records(connection, others - ones.keys()))}
        known |= {patient: ones[patient] for patient in others & ones.keys() if keys[patient]}
        pairs = {(min(one, other), max(one, other)) for one, those in led.items() for other in those if other in known}
        both = {**known, **ones}
        compared = ((pair, compare(both[pair[0]], both[pair[1]], self._thresholds)) for pair in pairs)
        return [
            Found(*pair, one.automatic, one.score, one.reasons) for pair, one in compared
            if one.score >= self._thresholds.review
        ]  # fmt: skip

    def _relink(self, connection: Connection, everybody: Collection[int]) -> dict[int, Traits]:
        members = rows.members(connection, everybody)
        return self._link(connection, {*everybody, *members}, members)

    def _neighbourhood(self, connection: Connection, start: Collection[int]) -> set[int]:
        """Everybody who is connected with a patient through sure pairs and decisions."""
        found, new = set(start), set(start)
        while new and len(found) <= MOST_CONNECTED:
            ends = [(one.one, one.other) for one in rows.pairs_of(connection, new)]
            ends += [(one.one, one.other) for one in rows.decisions_of(connection, new)]
            new = {end for both in ends for end in both} - found
            found |= new
        return found

    def _link(
        self, connection: Connection, everybody: Collection[int], members: Mapping[int, int]
    ) -> dict[int, Traits]:
        """Put the persons of a neighbourhood together anew; whose company changed."""
        known = {one.patient: one for one in map(traits, rows.records(connection, everybody))}
        decisions = [one for one in rows.decisions_of(connection, everybody) if {one.one, one.other} <= known.keys()]
        pairs = [one for one in rows.pairs_of(connection, everybody) if {one.one, one.other} <= known.keys()]
        if len(everybody) > MOST_CONNECTED:
            log.warning("too many patients are connected to be linked", extra={"patients": len(everybody)})
            pairs = []
        found = clusters(
            {patient: one.key for patient, one in known.items()}, pairs, decisions,
            lambda one, other: contradicts(known[one], known[other]),
        )  # fmt: skip
        old = _grouped(members)
        if {frozenset(one) for one in old.values()} == {frozenset(one) for one in found}:
            return {}
        self._store(connection, found, old)
        return self._note(connection, known, _company(old.values()), _company(found), decisions)

    def _store(self, connection: Connection, found: Sequence[set[int]], old: Mapping[int, set[int]]) -> None:
        """Persons keep their number as far as they can: the largest part of each keeps it."""
        rows.leave(connection, {one for those in old.values() for one in those})
        taken: set[int] = set()
        for cluster in sorted(found, key=lambda one: (-len(one), min(one))):
            shares = [(len(cluster & those), -number) for number, those in old.items() if number not in taken]
            best = max(shares, default=(0, 0))
            number = -best[1] if best[0] else None
            if number is not None:
                taken.add(number)
            rows.join(connection, number, cluster)

    def _note(
        self,
        connection: Connection,
        known: Mapping[int, Traits],
        before: Mapping[int, set[int]],
        after: Mapping[int, set[int]],
        decisions: Sequence[Decision],
    ) -> dict[int, Traits]:
        """Keep what changed in the history and the journal; whom it concerns."""
        at = self._clock()
        decided = {frozenset((one.one, one.other)) for one in decisions}
        changed = sorted(one for one in before.keys() | after.keys() if before.get(one) != after.get(one))
        steps: list[tuple[str, Key, Key, int]] = []
        for one, other in combinations([one for one in changed if one in known], 2):
            is_new, was_there = other in after.get(one, ()), other in before.get(one, ())
            if is_new != was_there and frozenset((one, other)) not in decided:
                first, second = sorted((known[one], known[other]), key=lambda each: each.key)
                steps.append((LINKED if is_new else UNLINKED, first.key, second.key, first.organisation))
        for step, first_key, second_key, organisation in steps:
            identity_steps.note(
                connection, step, first_key, second_key, organisation=organisation, at=at, said_by=MATCHING
            )
        if steps:
            told = [
                [step, *one, *other, organisations.code(connection, whose)] for step, one, other, whose in steps
            ]
            self._say([({"fact": FactKind.PERSON_MATCHED.value, "steps": told}, at)])
        return {patient: known[patient] for patient in changed if patient in known}


def _tell(connection: Connection, those: Iterable[Traits]) -> None:
    outbox.append_all(connection, [
        (one.organisation, PERSON_CHANGED, " ".join(one.key), dict(zip(_NAMES, one.key, strict=True))) for one in those
    ])  # fmt: skip


def _grouped(members: Mapping[int, int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for patient, person in members.items():
        found.setdefault(person, set()).add(patient)
    return found


def _company(groups: Iterable[set[int]]) -> dict[int, set[int]]:
    return {one: group for group in groups for one in group}
