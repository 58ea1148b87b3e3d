"""The port to the index: what this room keeps there (index.links)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pacsd.access.principal import PatientKey
from pacsd.access.scope import Scope
from pacsd.links.link import Kept, Link


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What a session of a link rests on."""

    name: str
    organisation_code: str
    download: bool
    expires_at: datetime
    revoked: bool
    key: bytes = field(repr=False)


class Rows(Protocol):
    """index.links.LinkRows"""

    def add(self, link: Link) -> None:
        """Keep a new link, its fact first. Raises PacsdError UNAVAILABLE, FULL: then there is none."""

    def listed(self, organisation: int, *, made_by: str | None, limit: int) -> Sequence[Kept]:
        """Links that are not over, the last first; of one maker, or all of the organisation."""

    def revoke(self, organisation: int, name: str, *, made_by: str | None, by: str, reason: str, at: datetime) -> bool:
        """End a link; whether there was one to end."""

    def found(self, digest: bytes) -> Kept | None:
        """The link of a token."""

    def claim_try(self, name: str, *, free: int, most: int, at: datetime) -> int | None:
        """Which try of a PIN this is, counted before it is looked at; None where none may be made now."""

    def wait_s(self, name: str, *, at: datetime) -> float:
        """How long until a PIN may be tried."""

    def forget_tries(self, name: str) -> None:
        """Forget wrong PINs: the right one came, and is no view."""

    def view(self, name: str, *, at: datetime) -> bool:
        """Count a view, its fact first, and forget wrong PINs; whether there was one left."""

    def session(self, name: str) -> SessionRow | None:
        """What sessions of a link rest on."""

    def shows(self, kept: Link, *, limit: int) -> Sequence[str]:
        """Study Instance UIDs that a link opens now, the newest first."""

    def visible(
        self, scope: Scope, *, organisation: int | None, studies: Sequence[str], patient: PatientKey | None
    ) -> Sequence[str]:
        """Which of these studies, or of the person's, the scope sees; of one organisation, where one is given."""

    def close_film(self, organisation: int, study: str, *, closed: bool, by: str, reason: str, at: datetime) -> bool:
        """Close or reopen what links show of a study; whether the organisation has it, and it was otherwise before."""
