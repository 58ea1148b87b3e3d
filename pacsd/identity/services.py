"""Patients' identities put together over one index, as every process opens them."""

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic

from config.settings import IdentitySettings
from pacsd.access.directory import Directory
from pacsd.access.scope import Scope
from pacsd.archive.journal import Fact, FactKind, Journal
from pacsd.events.pace import MOST_LATE_S, Pace
from pacsd.faults import Fault, PacsdError
from pacsd.identity import patients as patients_module
from pacsd.identity import person
from pacsd.identity.linking import MUCH, Linker
from pacsd.identity.matching import Thresholds
from pacsd.identity.patients import PERSON, PatientKey, Patients
from pacsd.identity.person import Persons
from pacsd.identity.work import working
from pacsd.index import identity_search as search
from pacsd.index import identity_steps, messages
from pacsd.index.connect import Pool
from pacsd.index.identity_search import Doubtful, Record
from pacsd.index.identity_steps import Key, Step


def appliers(pool: Pool) -> dict[FactKind, Callable[[Fact], None]]:
    """How all facts of this room take effect again, after a crash or in a rebuild."""
    return {**patients_module.appliers(pool), **person.appliers(pool)}


class Identity:
    """What the worker and the commands ask of patients' identities; organisations by code.

    A command looks at what its organisation may see and changes what is its organisation's own.
    """

    def __init__(self, settings: IdentitySettings, pool: Pool, journal: Journal, directory: Directory) -> None:
        thresholds = Thresholds(settings.review_score, settings.automatic_score, settings.proofs)
        self.linker = Linker(pool, journal.append_all, thresholds)
        self._pool = pool
        self._journal = journal
        self._directory = directory
        self._patients = Patients()
        self._persons = Persons()
        self._pace = Pace(partial(messages.newest, pool))
        self._caught_up = monotonic()            # when all that was due was last matched

    def chores(self) -> tuple[tuple[str, float, Callable[[], bool]], ...]:
        """What a worker does for it."""
        return (("match patients", 0.5, self._match),)

    def history(self, organisation: str, one: Key) -> Sequence[Step]:
        """Every step in the life of a patient's identity, the first one first."""
        return identity_steps.history(self._pool, self._directory.scope(organisation), one)

    def person(self, organisation: str, one: Key) -> Sequence[Record]:
        """All records of the person that a patient is. Raises PacsdError NOT_FOUND."""
        scope = self._directory.scope(organisation)
        self.linker.catch_up()
        found = self._record(scope, one)
        return search.persons(self._pool, scope, [found.patient])[found.patient]

    def review(self, organisation: str, *, limit: int) -> Sequence[Doubtful]:
        """Pairs that nobody decided on, the likeliest first."""
        self.linker.catch_up()
        return search.review(self._pool, self._directory.scope(organisation), limit=limit)

    def decide(self, organisation: str, one: Key, other: Key, *, linked: bool) -> None:
        """Say that two records are one person, or that they are not.

        An organisation decides where one of the two is its own. Raises PacsdError NOT_FOUND, CONFLICT, REFUSED.
        """
        scope = self._directory.scope(organisation)
        if scope.own not in {self._record(scope, key).organisation for key in (one, other)}:
            raise PacsdError(Fault.REFUSED, "neither patient is the organisation's own")
        with working(self._pool, self._journal.append_all, scope.own) as work:
            self._persons.decide(work, PatientKey(*one), PatientKey(*other), linked=linked, said_by=PERSON)
        self.linker.catch_up()

    def unmerge(self, organisation: str, one: Key) -> Key:
        """Take back the merge of a patient into another; into whom. Raises PacsdError NOT_FOUND.

        What the organisation may only read stays as its own people have it.
        """
        own = self._directory.scope(organisation).own
        with working(self._pool, self._journal.append_all, own) as work:
            if not search.is_merged_within(work.connection, Scope((own,), own), one):
                raise PacsdError(Fault.NOT_FOUND, "no such patient that is merged into another")
            into = self._patients.unmerge(work, PatientKey(*one))
        self.linker.catch_up()
        return into

    def _match(self) -> bool:
        """A piece of what is due, where it is time for one; whether so much or so old things are left that it waits for
        no feed, until it has caught up with them."""
        if self._pace.rests():
            return False
        began = monotonic()
        late_s = began - self._caught_up
        left = self.linker.behind_feeds(late=late_s > MOST_LATE_S)
        if left == 0:
            self._caught_up = began
        self._pace.worked(began, late_s=late_s)
        if left >= MUCH:
            self._pace.hurries()
        return left >= MUCH or (left > 0 and late_s > MOST_LATE_S)

    def _record(self, scope: Scope, key: Key) -> Record:
        found = search.record(self._pool, scope, key)
        if found is None:
            raise PacsdError(Fault.NOT_FOUND, "no feed has stated such a patient, or it was merged into another")
        return found
