"""rest-hook (http://hl7.org/fhir/R4/subscription.html#rest-hook): a request to the subscriber's end point.

An end point is somebody's text: it is looked up once, and asked only where all its addresses are of the public internet
or of networks that the settings open, at the address that was looked at. Redirections are not followed.
"""

import ipaddress
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from pacsd.faults import Fault, PacsdError

TIMEOUT_S = 10.0                         # of a connection, a read, a write
DEADLINE_S = 30.0                        # of a notification: many short reads are a long one
_MOST_HEADERS = 20
_RESERVED = ("host", "content-length", "content-type", "transfer-encoding", "connection", "expect", "upgrade")
_JSON = ("application/fhir+json", "application/json")
_GONE = 410
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")


@dataclass(frozen=True, slots=True)
class Channel:
    """Where and how a subscriber is told. `payload` empty: only that something changed."""

    endpoint: str
    payload: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def of(resource: Mapping[str, Any]) -> Channel:
    """The channel of a Subscription. Raises PacsdError UNSUPPORTED, MALFORMED."""
    told = resource.get("channel")
    told = told if isinstance(told, dict) else {}
    if told.get("type") != "rest-hook":
        raise PacsdError(Fault.UNSUPPORTED, "the channel is rest-hook or websocket; others are not supported")
    payload = str(told.get("payload", "")).partition(";")[0].strip()
    if payload not in ("", *_JSON):
        raise PacsdError(Fault.UNSUPPORTED, "the payload is application/fhir+json, or none")
    endpoint = str(told.get("endpoint", ""))
    if not is_endpoint(endpoint):
        raise PacsdError(Fault.MALFORMED, "the endpoint is an http or https URL without user or fragment")
    header = told.get("header")
    return Channel(endpoint, payload, tuple(map(_header, header[:_MOST_HEADERS] if isinstance(header, list) else ())))


def is_endpoint(url: str) -> bool:
    """Whether all that is made of a URL later can be made of it."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and httpx.URL(url).host
    except (ValueError, httpx.InvalidURL):               # brackets, a port that is none, a name that is none
        return False
    return bool(known) and parts.netloc.isascii() and "@" not in parts.netloc and not parts.fragment


def _header(text: object) -> tuple[str, str]:
    name, colon, value = str(text).partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not name.isascii() or not all(char.isalnum() or char in "-_" for char in name):
        raise PacsdError(Fault.MALFORMED, "a channel header is `Name: value`")
    if name.lower() in _RESERVED or not value.isascii() or not value.isprintable():
        raise PacsdError(Fault.MALFORMED, f"the header {name[:64]} may not be set")
    return name, value


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
            raise PacsdError(Fault.UNAVAILABLE, "the endpoint's host is not known") from error
        for one in found:
            if not self._open(ipaddress.ip_address(str(one).partition("%")[0])):
                raise PacsdError(Fault.REFUSED, "the endpoint is in a network that is not opened for subscriptions")
        if not found:
            raise PacsdError(Fault.UNAVAILABLE, "the endpoint's host has no address")
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
    """Who asks end points. Connections are not kept: by its address one would be another name's as well."""
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


def tell(client: httpx.Client, door: Door, channel: Channel, name: str, body: bytes) -> None:
    """One notification. Raises PacsdError UNAVAILABLE where it did not arrive, REFUSED where it never will."""
    whole = f"/{name}" if channel.payload else None
    _ask(client, door, channel, "PUT" if channel.payload else "POST", whole, body if channel.payload else b"")


def post(client: httpx.Client, door: Door, channel: Channel, body: bytes) -> None:
    """A notification Bundle of the R5 backport. Raises PacsdError as `tell` does."""
    _ask(client, door, channel, "POST", None, body)


def post_form(client: httpx.Client, door: Door, url: str, headers: Mapping[str, str], body: bytes) -> None:
    """Anything else that is sent under the same rules, its type among the headers. Raises PacsdError as `tell` does."""
    _ask(client, door, Channel(url, headers=tuple(headers.items())), "POST", None, body)


def _ask(client: httpx.Client, door: Door, channel: Channel, method: str, below: str | None, body: bytes) -> None:
    parts = urlsplit(channel.endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = door.address(str(parts.hostname), port)
    shown = f"[{address}]" if ":" in address else address
    path = parts.path if below is None else parts.path.rstrip("/") + below
    url = f"{parts.scheme}://{shown}:{port}{path}"
    headers = [*channel.headers, ("Host", parts.netloc)]
    if channel.payload:
        headers.append(("Content-Type", channel.payload))
    try:
        with Deadline(DEADLINE_S) as deadline, client.stream(
            method, url + (f"?{parts.query}" if parts.query else ""), headers=headers,
            content=body,
            extensions={"sni_hostname": str(parts.hostname), "trace": deadline.trace},
        ) as answer:  # fmt: skip
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise PacsdError(Fault.UNAVAILABLE, f"the endpoint did not answer: {type(error).__name__}") from error
    if status == _GONE:
        raise PacsdError(Fault.REFUSED, "the endpoint is gone (410)")
    if not httpx.codes.is_success(status):
        raise PacsdError(Fault.UNAVAILABLE, f"the endpoint answered {status}")
