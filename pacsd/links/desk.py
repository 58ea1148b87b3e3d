"""Links as the command line makes them: for a whole organisation, as its administrator."""

from collections.abc import Sequence
from dataclasses import dataclass

from pacsd.access.directory import Directory
from pacsd.access.principal import Principal, Proof, Role
from pacsd.faults import Fault, PacsdError
from pacsd.links.link import Kept
from pacsd.links.links import Links, Made, Wanted


@dataclass(frozen=True, slots=True)
class LinkDesk:
    """As pacsd.commands.wiring.Linking has it. All raise PacsdError NOT_FOUND, INVALID."""

    links: Links
    directory: Directory

    def make(self, organisation: str, user: str, wanted: Wanted) -> Made:
        """A link to what an organisation has."""
        return self.links.make(self._who(organisation, user), self.directory.scope(organisation), wanted)

    def listed(self, organisation: str, user: str, *, limit: int) -> Sequence[Kept]:
        """Those that are not over, the last first."""
        who = self._who(organisation, user)
        return self.links.listed(who, self.directory.organisation_key(organisation), limit=limit)

    def revoke(self, organisation: str, user: str, name: str, *, reason: str) -> None:
        """End one."""
        who = self._who(organisation, user)
        self.links.revoke(who, self.directory.organisation_key(organisation), name, reason=reason)

    def close_film(self, organisation: str, user: str, study: str, *, closed: bool, reason: str) -> None:
        """Keep links from showing a study, or let them again."""
        who = self._who(organisation, user)
        self.links.close_film(who, self.directory.organisation_key(organisation), study, closed=closed, reason=reason)

    def _who(self, organisation: str, user: str) -> Principal:
        if not self.directory.knows(organisation):
            raise PacsdError(Fault.NOT_FOUND, f"there is no organisation {organisation!r}")
        return Principal(f"command {user}", organisation, frozenset({Role.ADMINISTRATOR}), Proof.ADDRESS)
