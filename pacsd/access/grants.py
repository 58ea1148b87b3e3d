"""Opening one study or patient to others, closing it again, and breaking the glass."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pacsd.access.principal import PatientKey, Principal, Role
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError

SHARE, CONSENT, BREAK_GLASS = "share", "consent", "break-glass"
RELATED_DAYS = 90                        # so long after its last order an organisation cares for a patient
BROKEN_H = 12                            # so long a broken glass stays open
MOST_GRANTS = 20_000                     # that one principal may have at a time: all of them stand in its statements
_MOST_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class Grant:
    """What an organisation opens, or denies, of its own data, to whom, how long, by whom and why.

    About one study, or about a patient: all of theirs, or with `images_only` their studies alone, with `modalities`
    those that have no others, of a denial those that have one of them. `grantee` None, `subject`, `roles` and
    `purposes` empty: to anybody.
    """

    name: str                            # stable, and not to be guessed
    organisation: int                    # whose data it is
    kind: str
    grantee: int | None
    subject: str
    study_instance_uid: str
    patient: PatientKey | None
    valid_from: datetime
    valid_until: datetime | None
    said_by: str
    reason: str
    permits: bool = True
    roles: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    images_only: bool = False
    modalities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stub:
    """All that is told of a study that a reader may not see, but may break the glass for."""

    organisation: int
    organisation_code: str
    organisation_name: str
    study_instance_uid: str
    study_date: str                      # YYYY-MM-DD; empty where none is known
    modalities: tuple[str, ...]


class Rows(Protocol):
    """index.access_grants"""

    def add(self, grant: Grant) -> None: ...
    def revoke(self, organisation: int, name: str, *, by: str, reason: str, at: datetime) -> bool: ...
    def of(self, organisation: int, *, limit: int) -> Sequence[Grant]: ...
    def held(self, grantee: int | None) -> int: ...
    def has_study(self, organisation: int, study_instance_uid: str) -> bool: ...
    def has_patient(self, organisation: int, patient: PatientKey) -> bool: ...
    def stubs(self, scope: Scope, *, since: datetime, study: str = "", patient: PatientKey | None = None,
              limit: int) -> Sequence[Stub]: ...  # fmt: skip


class Grants:
    """What administrators open, and readers break."""

    def __init__(self, rows: Rows, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._rows = rows
        self._clock = clock

    def share(
        self, principal: Principal, own: int, *, grantee: int, subject: str = "", study: str = "",
        patient: PatientKey | None = None, since: datetime | None = None, until: datetime | None = None, reason: str,
    ) -> Grant:  # fmt: skip
        """Open a study or patient of the own organisation to another, or to one user of it.

        Raises PacsdError NOT_FOUND for what the organisation does not have, INVALID, TOO_MUCH.
        """
        now = self._clock()
        _check(reason, subject)
        if (study == "") == (patient is None):
            raise PacsdError(Fault.INVALID, "name a study or a patient, and one of them")
        if grantee == own and not subject:
            raise PacsdError(Fault.INVALID, "an organisation sees its own")
        if until is not None and until <= (since or now):
            raise PacsdError(Fault.INVALID, "the end is before the beginning")
        there = self._rows.has_study(own, study) if patient is None else self._rows.has_patient(own, patient)
        if not there:
            raise PacsdError(Fault.NOT_FOUND, "the organisation has no such study or patient")
        if self._rows.held(grantee) >= MOST_GRANTS:
            raise PacsdError(Fault.TOO_MUCH, f"{MOST_GRANTS} studies and patients are open to it already")
        grant = Grant(_name(), own, SHARE, grantee, subject, study, patient, since or now, until, principal.subject,
                      reason)  # fmt: skip
        self._rows.add(grant)
        return grant

    def revoke(self, principal: Principal, own: int, name: str, *, reason: str) -> None:
        """Close again what the own organisation opened. Raises PacsdError NOT_FOUND."""
        _check(reason, "")
        if not self._rows.revoke(own, name, by=principal.subject, reason=reason, at=self._clock()):
            raise PacsdError(Fault.NOT_FOUND, "there is no such grant, or it is revoked already")

    def listed(self, own: int, *, limit: int) -> Sequence[Grant]:
        """What the own organisation opened and did not close, the last first."""
        return self._rows.of(own, limit=limit)

    def stubs(self, scope: Scope, patient: PatientKey, *, limit: int = 100) -> Sequence[Stub]:
        """Studies elsewhere of a patient for whom the own organisation has an order; none where it has none."""
        return self._rows.stubs(scope, since=self._since(), patient=patient, limit=limit)

    def break_glass(self, principal: Principal, scope: Scope, study: str, *, reason: str) -> Grant:
        """Open one study to one user for some hours.

        Raises PacsdError FORBIDDEN for who is no person that treats, INVALID without a reason, NOT_FOUND where there is
        no care relation, and in the same words where there is no such study.
        """
        if not principal.is_a(Role.RADIOLOGIST, Role.CLINICIAN) or not principal.subject:
            raise PacsdError(Fault.FORBIDDEN, "only who treats patients may break the glass")
        _check(reason, principal.subject)
        found = self._rows.stubs(scope, since=self._since(), study=study, limit=1)
        if not found:
            raise PacsdError(Fault.NOT_FOUND, "no such study")
        now = self._clock()
        grant = Grant(_name(), found[0].organisation, BREAK_GLASS, scope.own, principal.subject, study, None, now,
                      now + timedelta(hours=BROKEN_H), principal.subject, reason)  # fmt: skip
        self._rows.add(grant)
        return grant

    def _since(self) -> datetime:
        return self._clock() - timedelta(days=RELATED_DAYS)


def _name() -> str:
    return str(uuid.uuid4())


def _check(reason: str, subject: str) -> None:
    if not reason.strip():
        raise PacsdError(Fault.INVALID, "say why")
    if len(reason) > _MOST_TEXT or len(subject) > _MOST_TEXT or not reason.isprintable():
        raise PacsdError(Fault.INVALID, f"a reason is a line of {_MOST_TEXT} characters at most")
