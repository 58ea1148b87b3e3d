"""What a request's TLS connection is, among the extensions of its ASGI scope.

`tls` is the extension of ASGI's own (version 0.2), `pacsd.tls` says the same in words: version, suite, and the
client's certificate as access.peer_certificate.PeerCertificate has it. What is there was verified against the
authorities and revocation lists of the settings.
"""

import ssl
from typing import Any

from pacsd.access.peer_certificate import of_session

EXTENSION = "pacsd.tls"
_VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


def extensions_of(transport: Any) -> dict[str, Any]:
    """Both of them; none without TLS."""
    session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if session is None:
        return {}
    shown, suite, version = of_session(session), session.cipher(), session.version() or ""
    der = session.getpeercert(True) if shown is not None else None
    standard = {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(der)] if isinstance(der, bytes) else [],
        "client_cert_name": shown.subject if shown is not None else None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(version),
        "cipher_suite": None,                # its number is not told here
    }
    return {"tls": standard, EXTENSION: {"version": version, "cipher": suite[0] if suite else "", "certificate": shown}}
