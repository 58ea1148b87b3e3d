"""The authorization server put together: what every endpoint works with."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from config.settings import OAuthSettings, Settings
from pacsd.access.launch_patient import LaunchPatient
from pacsd.access.principal import PatientKey, Principal
from pacsd.access.tokens import Fetch
from pacsd.index.connect import Pool
from pacsd.oauth.keys import SigningKeys
from pacsd.oauth.passwords import Passwords
from pacsd.oauth.recording import Recording
from pacsd.oauth.sealing import Sealer

PATH = "/oauth"


class Patients(Protocol):
    """Patients as apps are launched with them: by the ids of their FHIR resources."""

    def by_id(self, principal: Principal, patient: str) -> LaunchPatient | None:
        """The patient of a FHIR Patient, if somebody may see them."""

    def of_key(self, organisation: str, key: PatientKey) -> LaunchPatient | None:
        """The same by assigning authority and id."""

    def search(self, principal: Principal, text: str) -> Sequence[LaunchPatient]:
        """Those that somebody may see, by the beginning of a name or an id; a screenful."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """One of ours."""

    name: str
    assigning_authority: str


@dataclass(frozen=True, slots=True)
class Provider:
    """What the endpoints share. `issuer`: scheme and authority, without path."""

    pool: Pool
    settings: OAuthSettings
    issuer: str
    sealer: Sealer
    keys: SigningKeys
    patients: Patients
    organisations: Mapping[str, Organisation]
    fetch: Fetch
    passwords: Passwords = field(default_factory=Passwords)
    clock: Callable[[], float] = time.time
    recording: Recording = field(default_factory=Recording)

    @property
    def audience(self) -> tuple[str, ...]:
        """What its tokens may be meant for; the first unless a client asks for another (RFC 8707)."""
        return self.issuer, self.fhir_base, f"{self.issuer}/dicom-web"

    @property
    def fhir_base(self) -> str:
        """Of the FHIR server (SMART `aud`, `iss` of a launch)."""
        return f"{self.issuer}/fhir"

    @property
    def is_secure(self) -> bool:
        """Whether pages are reached by TLS."""
        return self.issuer.startswith("https://")

    def url(self, name: str) -> str:
        """Of one of the endpoints."""
        return f"{self.issuer}{PATH}/{name}"

    def now(self) -> datetime:
        """By the clock."""
        return datetime.fromtimestamp(self.clock(), UTC)


def issuer_of(settings: Settings) -> str:
    """By which URL the authorization server of the settings is known."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    named = settings.security.oauth.issuer or settings.web.public_url or f"http://{host}:{settings.http_port}"
    scheme, _, rest = named.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def open_provider(
    settings: Settings, pool: Pool, secret: bytes, *, patients: Patients, fetch: Fetch,
    clock: Callable[[], float] = time.time, recording: Recording | None = None,
) -> Provider:  # fmt: skip
    """The authorization server of the settings. Raises PacsdError INVALID for a secret that is none."""
    oauth, sealer = settings.security.oauth, Sealer(secret)
    keys = SigningKeys(pool, sealer, every=timedelta(days=oauth.key_days), now=clock)
    organisations = {one.code: Organisation(one.name, one.assigning_authority) for one in settings.organisations}
    return Provider(
        pool, oauth, issuer_of(settings), sealer, keys, patients, organisations, fetch, clock=clock,
        recording=recording or Recording(),
    )  # fmt: skip
