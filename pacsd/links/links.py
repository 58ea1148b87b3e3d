"""Making links, listing and ending them; closing what they show of a study, as while a printed film is unpaid."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from config.links import LinkSettings
from pacsd.access.principal import PatientKey, Principal, Role
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.links import records
from pacsd.links.link import PATH, Kept, Link, digest_of, new_token
from pacsd.links.notices import Notices, NoticeTo
from pacsd.links.pins import Pins, new_pin
from pacsd.links.records import LinkRecords
from pacsd.links.rows import Rows

MOST_STUDIES = 100                       # of one link; more are a patient's history
_MOST_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A link that somebody asks for. `pin` empty: none; None: one is made up. `until` None: as the settings have it."""

    studies: tuple[str, ...] = ()
    patient: PatientKey | None = None
    until: datetime | None = None
    download: bool = False
    pin: str | None = None
    max_views: int | None = None
    notice: NoticeTo | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A new link, and what is told of it this once."""

    link: Link
    url: str = field(repr=False)
    pin: str = field(repr=False)


class Links:
    """What those who may make links do with them. `base`: how browsers reach this server."""

    def __init__(
        self, rows: Rows, settings: LinkSettings, *, base: str, pins: Pins | None = None,
        notices: Notices | None = None, recording: LinkRecords | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._rows = rows
        self._settings = settings
        self._base = base.rstrip("/")
        self._pins = pins or Pins()
        self._notices = notices
        self._recording = recording or LinkRecords()
        self._clock = clock

    def make(self, principal: Principal, scope: Scope, wanted: Wanted) -> Made:
        """A new link to what the own organisation has, a person's to what is released to them.

        Raises PacsdError NOT_FOUND for what its maker does not see, INVALID.
        """
        now = self._clock()
        until = wanted.until or now + timedelta(days=self._settings.default_days)
        self._check(wanted, until, now)
        patient, released = wanted.patient, principal.is_a(Role.PATIENT)
        if released:
            patient = self._own(principal, wanted)
        seen = self._rows.visible(
            scope, organisation=None if released else scope.own, studies=wanted.studies, patient=patient,
        )  # fmt: skip
        if not seen or set(wanted.studies) - set(seen):
            raise PacsdError(Fault.NOT_FOUND, "the organisation has no such study or patient")
        pin = new_pin() if wanted.pin is None else wanted.pin
        hashed, token = self._pins.hash(pin) if pin else "", new_token()
        link = Link(
            str(uuid.uuid4()), scope.own, wanted.studies, patient, principal.subject, now, until,
            digest=digest_of(token) or b"", pin=hashed, download=wanted.download, released=released,
            max_views=wanted.max_views,
        )  # fmt: skip
        return self._given(principal, link, wanted, f"{self._base}{PATH}{token}", pin)

    def _given(self, principal: Principal, link: Link, wanted: Wanted, url: str, pin: str) -> Made:
        send = self._sending(wanted.notice, link, url)       # what cannot be sent makes no link
        self._recording.by(principal, records.MADE, link)
        self._rows.add(link)
        send()
        return Made(link, url, pin if wanted.pin is None else "")

    def _sending(self, notice: NoticeTo | None, link: Link, url: str) -> Callable[[], None]:
        """What has a link sent, where it is to be. Raises PacsdError UNSUPPORTED, INVALID."""
        if notice is None:
            return lambda: None
        if self._notices is None:
            raise PacsdError(Fault.UNSUPPORTED, "no links are sent from here")
        return partial(self._notices.put, self._notices.written(notice, link, url))

    def listed(self, principal: Principal, own: int, *, limit: int) -> Sequence[Kept]:
        """Links that are not over: an administrator's those of the organisation, else the asker's own."""
        return self._rows.listed(own, made_by=_maker(principal), limit=limit)

    def revoke(self, principal: Principal, own: int, name: str, *, reason: str) -> None:
        """End a link, and what was opened with it. Raises PacsdError NOT_FOUND."""
        _check_reason(reason)
        self._recording.named(principal, records.REVOKED, name[:64], reason=reason)
        if not self._rows.revoke(own, name, made_by=_maker(principal), by=principal.subject, reason=reason,
                                 at=self._clock()):  # fmt: skip
            raise PacsdError(Fault.NOT_FOUND, "there is no such link, or it is over already")

    def close_film(self, principal: Principal, own: int, study: str, *, closed: bool, reason: str) -> None:
        """No link shows this study until it is reopened, whenever the link was made. Raises PacsdError NOT_FOUND."""
        _check_reason(reason)
        kind = records.CLOSED if closed else records.REOPENED
        self._recording.by(principal, kind, study=study[:64], reason=reason)
        if not self._rows.close_film(own, study, closed=closed, by=principal.subject, reason=reason, at=self._clock()):
            raise PacsdError(Fault.NOT_FOUND, "the organisation has no such study, or it stands so already")

    def _check(self, wanted: Wanted, until: datetime, now: datetime) -> None:
        if not wanted.studies and wanted.patient is None:
            raise PacsdError(Fault.INVALID, "name studies, or a patient")
        if len(wanted.studies) > MOST_STUDIES or len(set(wanted.studies)) < len(wanted.studies):
            raise PacsdError(Fault.INVALID, f"a link names {MOST_STUDIES} studies at most, each once")
        if not now < until <= now + timedelta(days=self._settings.max_days):
            raise PacsdError(Fault.INVALID, f"a link ends later than now, in {self._settings.max_days} days at most")
        if wanted.max_views is not None and not 1 <= wanted.max_views <= 1_000_000:
            raise PacsdError(Fault.INVALID, "a link is viewed once at least")

    @staticmethod
    def _own(principal: Principal, wanted: Wanted) -> PatientKey:
        """The person themselves: nobody makes links to another's."""
        if principal.patient is None or wanted.patient not in (None, principal.patient):
            raise PacsdError(Fault.NOT_FOUND, "the organisation has no such study or patient")
        return principal.patient


def _maker(principal: Principal) -> str | None:
    return None if principal.is_a(Role.ADMINISTRATOR) else principal.subject


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise PacsdError(Fault.INVALID, "say why")
    if len(reason) > _MOST_TEXT or not reason.isprintable():
        raise PacsdError(Fault.INVALID, f"a reason is a line of {_MOST_TEXT} characters at most")
