"""Requests of ours to a URL that somebody named: an end point to be told, a file to be fetched.

A URL is somebody's text: its host is looked up once, and asked only where all its addresses are of the public internet
or of networks that the settings open, at the address that was looked at. Redirections are not followed.
"""

import ipaddress
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from pacsd.faults import Fault, PacsdError

TIMEOUT_S = 10.0                         # of a connection, a read, a write
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")


def is_endpoint(url: str) -> bool:
    """Whether all that is made of a URL later can be made of it."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and httpx.URL(url).host
    except (ValueError, httpx.InvalidURL):               # brackets, a port that is none, a name that is none
        return False
    return bool(known) and parts.netloc.isascii() and "@" not in parts.netloc and not parts.fragment


@dataclass(frozen=True, slots=True)
class Door:
    """Which addresses may be asked. `networks`: those beside the public internet."""

    networks: Sequence[str] = ()
    resolve: Any = socket.getaddrinfo

    def address(self, host: str, port: int) -> str:
        """The address of a host. Raises PacsdError REFUSED for one that is none of these, UNAVAILABLE for none."""
        try:
            found = [row[4][0] for row in self.resolve(host, port, type=socket.SOCK_STREAM)]
        except (OSError, ValueError) as error:           # of a name that is none by its form, UnicodeError
            raise PacsdError(Fault.UNAVAILABLE, "the host is not known") from error
        for one in found:
            if not self._open(ipaddress.ip_address(str(one).partition("%")[0])):
                raise PacsdError(Fault.REFUSED, "the host is in a network that is not opened")
        if not found:
            raise PacsdError(Fault.UNAVAILABLE, "the host has no address")
        return str(found[0])

    def _open(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        one = _meant(address)
        if any(one in ipaddress.ip_network(network, strict=False) for network in self.networks):
            return True
        return one.is_global and not one.is_multicast and not one.is_reserved


def _meant(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Where packets go in the end: gateways translate addresses that have another one in them (RFC 6052, 3056)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def client() -> httpx.Client:
    """Who asks. Connections are not kept: by its address one would be another name's as well."""
    return httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False,
                        limits=httpx.Limits(max_keepalive_connections=0))  # fmt: skip


class Deadline:
    """Cuts the connection of a request that lasts too long, however slowly bytes come or go."""

    def __init__(self, seconds: float) -> None:
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, told: Mapping[str, Any]) -> None:
        """Notes the connection (httpcore's extension `trace`)."""
        if event in _CONNECTED:
            self._socket = told["return_value"].get_extra_info("socket")

    def _cut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)   # not TLS's, which is the reader's thread's


@contextmanager
def asked(
    client: httpx.Client, door: Door, method: str, url: str, *, who: str, deadline_s: float, below: str = "",
    headers: Sequence[tuple[str, str]] = (), body: bytes = b"",
) -> Iterator[httpx.Response]:
    """The answer to a request, as far as its headers: its content is the caller's to read, or to leave.

    `below` is put behind the URL's path. Raises PacsdError UNAVAILABLE, told of `who`, where there is none or it ends
    early, REFUSED where the host must not be asked.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = door.address(str(parts.hostname), port)
    shown = f"[{address}]" if ":" in address else address
    path = parts.path if not below else parts.path.rstrip("/") + below
    where = f"{parts.scheme}://{shown}:{port}{path}" + (f"?{parts.query}" if parts.query else "")
    try:
        with Deadline(deadline_s) as deadline, client.stream(
            method, where, headers=[*headers, ("Host", parts.netloc)], content=body or None,
            extensions={"sni_hostname": str(parts.hostname), "trace": deadline.trace},
        ) as answer:  # fmt: skip
            yield answer
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise PacsdError(Fault.UNAVAILABLE, f"{who} did not answer: {type(error).__name__}") from error
