"""Where a connection comes from: an address, a certificate where one was shown, and how far the network is trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pacsd.access.peer_certificate import PeerCertificate


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection comes from.

    `is_listed`: it came in plain text from one of the networks that may do so. Whoever speaks from there has to be
    known by that address; an AE title alone proves nothing.
    """

    address: str
    certificate: PeerCertificate | None = None
    is_listed: bool = False

    def as_data(self) -> dict[str, Any]:
        """As JSON, from one process to another."""
        certificate = self.certificate.as_data() if self.certificate is not None else None
        return {"address": self.address, "certificate": certificate, "is_listed": self.is_listed}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Origin":
        """The reverse of `as_data`. Raises KeyError, TypeError for what is none."""
        shown = data.get("certificate")
        certificate = PeerCertificate.from_data(shown) if shown is not None else None
        return cls(str(data["address"]), certificate, bool(data.get("is_listed")))
