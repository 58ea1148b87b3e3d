"""What was registered while the server ran, beside what stands in the settings: organisations and their AEs.

An AE is two things, each registered for itself: who calls (a FHIR `Device`), and where it is reached (an `Endpoint`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.interfaces import SERVICES, OrganisationSettings, RemoteAESettings
from config.networks import overlap
from config.security import is_thumbprint, thumbprint


@dataclass(frozen=True, slots=True)
class Caller:
    """An AE that opens associations: whose it is, what it may ask for, and from where."""

    title: str
    organisation: str
    assigning_authority: str | None = None
    character_set: str | None = None
    services: tuple[str, ...] = SERVICES
    addresses: tuple[str, ...] = ()
    rejected: str | None = None
    certificate: str | None = None       # thumbprint or name that it must show


@dataclass(frozen=True, slots=True)
class Tells:
    """By what an AE is told from others of its title."""

    addresses: Sequence[str] = ()
    certificate: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Tells":
        """Those of what is registered of who calls."""
        return cls(tuple(told.get("addresses") or ()), str(told.get("certificate") or ""))

    def is_apart_from(self, other: "Tells") -> bool:
        """Whether nobody can be both: their networks do not overlap, or each has a certificate of its own.

        By thumbprints that is seen; of two names, or a name and a thumbprint, one certificate may be both.
        """
        if self.addresses and other.addresses and not overlap(self.addresses, other.addresses):
            return True
        mine, its = thumbprint(self.certificate), thumbprint(other.certificate)
        return mine != its and is_thumbprint(mine) and is_thumbprint(its)


@dataclass(frozen=True, slots=True)
class Registered:
    """An entry with whose word it is: `keeper` is the code of the organisation that registered it."""

    keeper: str


@dataclass(frozen=True, slots=True)
class RegisteredOrganisation(Registered):
    """An organisation beside those of the settings. Of one that is not `active` no AE is served or reached."""

    settings: OrganisationSettings
    active: bool = True


@dataclass(frozen=True, slots=True)
class RegisteredAE(Registered):
    """An AE beside those of the settings, as far as it is registered."""

    caller: Caller | None
    remote: RemoteAESettings | None


@dataclass(frozen=True)
class Register:
    """All of it, in the order in which it was registered."""

    organisations: Sequence[RegisteredOrganisation] = ()
    entities: Sequence[RegisteredAE] = ()


def caller_of(remote: RemoteAESettings) -> Caller:
    """An AE of the settings is both."""
    return Caller(
        remote.title, remote.organisation, remote.assigning_authority, remote.character_set, remote.services,
        remote.addresses, remote.rejected, remote.certificate,
    )  # fmt: skip
