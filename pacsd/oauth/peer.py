"""Whose TLS certificate is behind a request, through the proxies that are trusted (RFC 9440)."""

import base64
import binascii
from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network

from starlette.requests import HTTPConnection

from config.networks import is_address, plain

_MAX_CERTIFICATE = 32_768


class Peers:
    """`direct`: the certificate that a client showed to this server itself, in DER."""

    def __init__(
        self, trusted_proxies: Iterable[str], *,
        direct: Callable[[HTTPConnection], bytes | None] = lambda _request: None,
    ) -> None:  # fmt: skip
        self._proxies = tuple(ip_network(one, strict=False) for one in trusted_proxies)
        self._direct = direct

    def certificate(self, request: HTTPConnection) -> bytes | None:
        """Of the TLS client, in DER."""
        if not self._proxies or not self._is_proxy(request.client.host if request.client else ""):
            return self._direct(request)
        told = request.headers.getlist("client-cert")
        return _decoded(told[0]) if len(told) == 1 else None

    def _is_proxy(self, address: str) -> bool:
        return is_address(plain(address)) and any(ip_address(plain(address)) in one for one in self._proxies)


def _decoded(header: str) -> bytes | None:
    """A byte sequence of Structured Fields (RFC 8941 3.3.5)."""
    text = header.strip()
    if len(text) > _MAX_CERTIFICATE or not (text.startswith(":") and text.endswith(":") and len(text) > 2):
        return None
    try:
        return base64.b64decode(text[1:-1], validate=True)
    except binascii.Error:
        return None
