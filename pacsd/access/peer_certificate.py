"""The certificate that a TLS peer showed, as data for those who decide by it."""

import hashlib
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from config.security import thumbprint


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A certificate whose chain was verified. `names`: its subject alternative names (RFC 5280 4.2.1.6)."""

    subject: str                         # RFC 4514, the most specific part first
    names: tuple[str, ...]
    thumbprint: str                      # SHA-256 of the DER form, 64 small hexadecimal digits
    issuer: str = ""
    serial_number: str = ""

    def answers_to(self, name: str) -> bool:
        """Whether it is the one meant by a thumbprint, or has that subject alternative name."""
        wanted = name.lower()
        return thumbprint(name) == self.thumbprint or wanted in (one.lower() for one in self.names)

    def as_data(self) -> dict[str, Any]:
        """As JSON, from one process to another."""
        return {
            "subject": self.subject, "names": list(self.names), "thumbprint": self.thumbprint,
            "issuer": self.issuer, "serial_number": self.serial_number,
        }  # fmt: skip

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "PeerCertificate":
        """The reverse of `as_data`."""
        names = tuple(str(one) for one in data["names"])
        return cls(data["subject"], names, data["thumbprint"], data["issuer"], data["serial_number"])


def of_session(session: ssl.SSLObject | ssl.SSLSocket) -> PeerCertificate | None:
    """The peer's certificate; None where it showed none, or one that was not verified."""
    der = session.getpeercert(True)
    told: Mapping[str, Any] | None = session.getpeercert()
    if not isinstance(der, bytes) or not told:
        return None
    return PeerCertificate(
        subject=_distinguished(told.get("subject", ())),
        names=tuple(value for kind, value in told.get("subjectAltName", ()) if isinstance(value, str)),
        thumbprint=hashlib.sha256(der).hexdigest(),
        issuer=_distinguished(told.get("issuer", ())),
        serial_number=told.get("serialNumber", ""),
    )


_SHORT = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C",
          "localityName": "L", "stateOrProvinceName": "ST", "domainComponent": "DC", "userId": "UID"}  # fmt: skip


def _distinguished(name: Any) -> str:
    return ",".join(reversed(list(_parts(name))))


def _parts(name: Any) -> Iterator[str]:
    for relative in name:
        yield "+".join(f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in relative)


def _escaped(value: str) -> str:
    """RFC 4514 2.4."""
    escaped = "".join(f"\\{one}" if one in '"+,;<>\\' else one for one in value)
    return f"\\{escaped}" if escaped[:1] in ("#", " ") else escaped
