"""Research projects: whose studies, which of them, by what policy, under whose pseudonyms, for whom."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock

from config.research import ResearchProjectSettings, read_studies, state_of
from config.settings import SettingsError
from pacsd.access.principal import Principal
from pacsd.access.scope import Rejected, Scope
from pacsd.deidentify import Deidentified
from pacsd.faults import Fault, PacsdError

FRESH_S = 5.0                            # so late, at most, a study that was taken off the list is gone
_KNOWN_UIDS = 1 << 17
log = logging.getLogger("pacsd.archive")


class Names:
    """New UIDs of old ones, and the way back for those that were asked for lately."""

    def __init__(self, new_uid: Callable[[str], str]) -> None:
        self._new_uid = lru_cache(maxsize=_KNOWN_UIDS)(new_uid)
        self._back: dict[str, str] = {}

    def __call__(self, uid: str) -> str:
        """What a study, series or instance is called in the project."""
        new = self._new_uid(uid)
        if new not in self._back:
            if len(self._back) >= _KNOWN_UIDS:
                self._back.clear()
            self._back[new] = uid
        return new

    def stored_as(self, new: str) -> str | None:
        """What it was before; None where that is not known, which says nothing of whether it is there."""
        return self._back.get(new)


class Listed:
    """The studies of a list, by the UIDs that they have in the project."""

    def __init__(
        self, settings: ResearchProjectSettings, new_uid: Callable[[str], str], now: Callable[[], float]
    ) -> None:
        self._file = settings.studies
        self._new_uid = new_uid
        self._now = now
        self._read: tuple[int, int, int] | None = None
        self._looked_at = float("-inf")
        self._studies: Mapping[str, str] = {}
        self._lock = Lock()

    def studies(self) -> Mapping[str, str]:
        """New UID -> Study Instance UID. Raises PacsdError UNAVAILABLE where the list cannot be read: then nothing is
        open."""
        with self._lock:
            if self._now() - self._looked_at >= FRESH_S:
                self._look()
            return self._studies

    def _look(self) -> None:
        state = state_of(self._file)
        if state != self._read or not any(state):
            self._read, self._studies = None, {}
            try:
                self._studies = {self._new_uid(uid): uid for uid in read_studies(self._file)}
            except SettingsError as error:
                log.error("the list of a research project cannot be read", extra={"problem": error.problem})
                raise PacsdError(Fault.UNAVAILABLE, "the project's list of studies cannot be read") from error
            self._read = state
        self._looked_at = self._now()


@dataclass(frozen=True, eq=False)
class ResearchProject:
    """One project, ready to make objects; `organisation`: the key of that whose studies it reads."""

    settings: ResearchProjectSettings
    organisation: int
    organisation_code: str
    making: Deidentified
    now: Callable[[], float] = time.monotonic
    listed: Listed = field(init=False)
    uid: Names = field(init=False)

    def __post_init__(self) -> None:
        uid = Names(self.making.new_uid)
        object.__setattr__(self, "uid", uid)
        object.__setattr__(self, "listed", Listed(self.settings, uid, self.now))

    @property
    def name(self) -> str:
        """As settings and tokens call it."""
        return self.settings.project

    def original(self, study_instance_uid: str) -> str | None:
        """The study that is called so in the project; None for one that is not of it."""
        return self.listed.studies().get(study_instance_uid)

    def scope(self, scope: Scope) -> Scope:
        """What the project may be made of: its organisation's own studies, less what is denied to who asks."""
        return Scope((self.organisation,), self.organisation, Rejected.HIDE, scope.opened and scope.opened.denials())

    def is_for(self, principal: Principal) -> bool:
        """Whether somebody reads for it: a token that names it says so, else the settings."""
        if principal.organisation != self.organisation_code:
            return False
        if principal.project:
            return principal.project == self.name
        return principal.subject in self.settings.members


class Projects:
    """All of them."""

    def __init__(self, projects: Mapping[str, ResearchProject]) -> None:
        self._projects = projects

    def of(self, principal: Principal) -> ResearchProject:
        """For which somebody reads. Raises PacsdError FORBIDDEN where that is none, or not said of several."""
        found = [one for one in self._projects.values() if one.is_for(principal)]
        if len(found) == 1:
            return found[0]
        if found:
            raise PacsdError(Fault.FORBIDDEN, "the asker is of several research projects, and the token names none")
        raise PacsdError(Fault.FORBIDDEN, "the asker is of no research project of this server")
