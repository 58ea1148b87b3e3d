"""Opening a link: its token, its PIN, one view, and the session that begins with it.

Tries of a PIN are counted before they are looked at, so that many at once are no more than one after the other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from pacsd.links.link import Kept, Link, digest_of
from pacsd.links.pins import Pins
from pacsd.links.records import LinkRecords
from pacsd.links.rows import Rows
from pacsd.links.sessions import Session, Sessions

FREE_TRIES = 3                           # wrong PINs in a row without a wait; then 2, 4, 8 … 60 s
MOST_TRIES = 10                          # then the link is over
_MOST_SHOWN = 2                          # studies: is it one, or several


class Outcome(Enum):
    """What comes of opening a link."""

    OPENED = "opened"
    GONE = "no such link, or it is over"
    WRONG_PIN = "wrong PIN"
    WAIT = "too many wrong PINs"
    CLOSED = "viewing is closed"


@dataclass(frozen=True, slots=True)
class Opened:
    """The outcome; with a session its study where there is one alone, else empty. `wait_s`: until the next try."""

    outcome: Outcome
    session: Session | None = field(default=None, repr=False)
    study: str = ""
    wait_s: float = 0.0


class Visits:
    """Opens links for whoever knows their tokens."""

    def __init__(
        self, rows: Rows, sessions: Sessions, *, pins: Pins | None = None, recording: LinkRecords | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._rows = rows
        self._sessions = sessions
        self._pins = pins or Pins()
        self._recording = recording or LinkRecords()
        self._clock = clock

    def look(self, token: str, *, address: str) -> Kept | None:
        """The link of a token, if it is not over; looking at it is no view."""
        digest = digest_of(token)
        kept = self._rows.found(digest) if digest is not None else None
        if kept is None or not kept.is_live(self._clock()):
            self._recording.refused(None if kept is None else kept.link, address=address, reason=Outcome.GONE.value)
            return None
        return kept

    def open(self, token: str, pin: str, *, address: str) -> Opened:
        """Open a link: one view of it. Raises PacsdError UNAVAILABLE, FULL where that cannot be kept or recorded."""
        kept = self.look(token, address=address)
        if kept is None:
            return Opened(Outcome.GONE)
        refused = self._refused(kept.link, pin, address) if kept.link.pin else None
        if refused is not None:
            return refused
        shown = self._rows.shows(kept.link, limit=_MOST_SHOWN)
        if not shown:
            self._rows.forget_tries(kept.link.name)
            return self._refuse(kept.link, Outcome.CLOSED, address)
        session = self._sessions.begun(kept.link)
        if session is None or not self._rows.view(kept.link.name, at=self._clock()):
            return self._refuse(kept.link, Outcome.GONE, address)
        self._recording.opened(kept.link, session.organisation_code, address=address)
        return Opened(Outcome.OPENED, session, shown[0] if len(shown) == 1 else "")

    def _refused(self, link: Link, pin: str, address: str) -> Opened | None:
        """Why a PIN does not open; None where it does."""
        now = self._clock()
        tried = self._rows.claim_try(link.name, free=FREE_TRIES, most=MOST_TRIES, at=now)
        if tried is None:
            return self._refuse(link, Outcome.WAIT, address, wait_s=max(1.0, self._rows.wait_s(link.name, at=now)))
        if self._pins.is_right(link.pin, pin):
            return None
        if tried >= MOST_TRIES:
            self._recording.ended(link, address=address, reason=Outcome.WAIT.value)
            self._rows.revoke(link.organisation, link.name, made_by=None, by="pacsd", reason=Outcome.WAIT.value, at=now)
        return self._refuse(link, Outcome.WRONG_PIN, address)

    def _refuse(self, link: Link, outcome: Outcome, address: str, *, wait_s: float = 0.0) -> Opened:
        self._recording.refused(link, address=address, reason=outcome.value)
        return Opened(outcome, wait_s=wait_s)
