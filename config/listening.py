"""Where a server listens, worked out from its settings before anything does: what would be unsafe is refused.

Beyond this machine nothing listens in plain text, but to the networks of old devices that are listed for it; and HTTP
is answered to nobody who need not say who they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from config.networks import is_loopback
from config.reading import SettingsError
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Opening:
    """One address and port of a role.

    `clients`: which certificates are asked for inside TLS. `networks`: the only ones that may connect; None for any.
    """

    role: str
    host: str
    port: int
    is_secure: bool = False
    clients: str = "none"
    networks: tuple[str, ...] | None = None

    @property
    def is_exposed(self) -> bool:
        """Whether other machines can reach it."""
        return not is_loopback(self.host)


# role: its ports without and with TLS, whose plain networks, whose clients
_ROLES = (
    ("web", "http_port", "https_port", "web", "web_clients"),
    ("dimse", "dicom_port", "dicom_port", "dimse", "dicom_clients"),
    ("hl7", "mllp_port", "mllp_port", "hl7", "mllp_clients"),
)


def openings(settings: Settings) -> tuple[Opening, ...]:
    """Where the roles of this machine listen. Raises SettingsError where that would be unsafe."""
    found = tuple(_openings(settings))
    for role in settings.roles:
        if role != "worker" and not any(one.role == role for one in found):
            section = next(section for name, _, _, section, _ in _ROLES if name == role)
            raise SettingsError(
                "host",
                f"{settings.host} is reached from other machines: {role} does not listen there without TLS; set "
                f"security.tls.certificate and key, or {section}.plain_networks for old devices, or host = 127.0.0.1",
            )
    _refuse_unasked(settings, found)
    return found


def openings_of(settings: Settings, role: str) -> tuple[Opening, ...]:
    """Those of one role, the plain ones first."""
    return tuple(one for one in openings(settings) if one.role == role)


def _openings(settings: Settings) -> Iterator[Opening]:
    tls = settings.security.tls
    for role, plain_port, secure_port, section, clients in _ROLES:
        if role not in settings.roles:
            continue
        networks = getattr(settings, section).plain_networks
        if is_loopback(settings.host):
            yield Opening(role, settings.host, getattr(settings, plain_port))
        elif networks:
            yield Opening(role, settings.host, getattr(settings, plain_port), networks=networks)
        if tls.is_on:
            host, port = tls.host or settings.host, getattr(tls, secure_port)
            yield Opening(role, host, port, is_secure=True, clients=getattr(tls, clients))


def _refuse_unasked(settings: Settings, found: tuple[Opening, ...]) -> None:
    if settings.security.authentication == "required":
        return
    for one in found:
        if one.role == "web" and one.is_exposed and one.clients != "required":
            raise SettingsError(
                "security.authentication",
                f"{one.host} is reached from other machines, and off lets everybody there read and store: set required",
            )
