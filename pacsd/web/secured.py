"""What a request's TLS connection is, in its ASGI scope: `scope["extensions"]["pacsd.tls"]`."""

from typing import Any

from pacsd.access.peer_certificate import of_session

EXTENSION = "pacsd.tls"


def described(transport: Any) -> dict[str, Any] | None:
    """Version, suite and the client's certificate (access.peer_certificate.PeerCertificate, or None); None without TLS.

    What is there was verified against the authorities and revocation lists of the settings.
    """
    session = transport.get_extra_info("ssl_object")
    if session is None:
        return None
    suite = session.cipher()
    return {
        "version": session.version() or "",
        "cipher": suite[0] if suite else "",
        "certificate": of_session(session),
    }
