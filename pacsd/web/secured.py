"""What a request's TLS connection is: the extension `tls` of its ASGI scope (version 0.2).

What is there of the client was verified against the authorities and revocation lists of the settings.
"""

import ssl
from typing import Any

from pacsd.access.peer_certificate import of_session

_VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


def extensions_of(transport: Any) -> dict[str, Any]:
    """The extension; none without TLS."""
    session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if session is None:
        return {}
    shown = of_session(session)
    der = session.getpeercert(True) if shown is not None else None
    told = {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(der)] if isinstance(der, bytes) else [],
        "client_cert_name": shown.subject if shown is not None else None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(session.version() or ""),
        "cipher_suite": None,                # its number is not told here
    }
    return {"tls": told}
