"""rest-hook (http://hl7.org/fhir/R4/subscription.html#rest-hook): a request to the subscriber's end point.

An end point is somebody's text: it is looked up once, and asked only where all its addresses are of the public internet
or of networks that the settings open, at the address that was looked at. Redirections are not followed.
"""

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from pacsd.faults import Fault, PacsdError

TIMEOUT_S = 10.0
_MOST_HEADERS = 20
_RESERVED = ("host", "content-length", "content-type", "transfer-encoding", "connection", "expect", "upgrade")
_JSON = ("application/fhir+json", "application/json")
_GONE = 410


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
        raise PacsdError(Fault.UNSUPPORTED, "the channel is rest-hook; others are not supported")
    payload = str(told.get("payload", "")).partition(";")[0].strip()
    if payload not in ("", *_JSON):
        raise PacsdError(Fault.UNSUPPORTED, "the payload is application/fhir+json, or none")
    endpoint = str(told.get("endpoint", ""))
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise PacsdError(Fault.MALFORMED, "the endpoint is an http or https URL without user or fragment")
    return Channel(endpoint, payload, tuple(map(_header, told.get("header", ())[:_MOST_HEADERS])))


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
        except OSError as error:
            raise PacsdError(Fault.UNAVAILABLE, "the endpoint's host is not known") from error
        for one in found:
            if not self._open(ipaddress.ip_address(str(one).partition("%")[0])):
                raise PacsdError(Fault.REFUSED, "the endpoint is in a network that is not opened for subscriptions")
        if not found:
            raise PacsdError(Fault.UNAVAILABLE, "the endpoint's host has no address")
        return str(found[0])

    def _open(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        mapped = getattr(address, "ipv4_mapped", None)
        one = mapped or address
        if any(one in ipaddress.ip_network(network, strict=False) for network in self.networks):
            return True
        return one.is_global and not one.is_multicast


def tell(client: httpx.Client, door: Door, channel: Channel, name: str, body: bytes) -> None:
    """One notification. Raises PacsdError UNAVAILABLE where it did not arrive, REFUSED where it never will."""
    parts = urlsplit(channel.endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = door.address(str(parts.hostname), port)
    shown = f"[{address}]" if ":" in address else address
    path = parts.path.rstrip("/") if channel.payload else parts.path
    url = f"{parts.scheme}://{shown}:{port}{path}" + (f"/{name}" if channel.payload else "")
    headers = [*channel.headers, ("Host", parts.netloc)]
    if channel.payload:
        headers.append(("Content-Type", channel.payload))
    try:
        with client.stream(
            "PUT" if channel.payload else "POST", url + (f"?{parts.query}" if parts.query else ""), headers=headers,
            content=body if channel.payload else b"", extensions={"sni_hostname": str(parts.hostname)},
        ) as answer:  # fmt: skip
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PacsdError(Fault.UNAVAILABLE, f"the endpoint did not answer: {type(error).__name__}") from error
    if status == _GONE:
        raise PacsdError(Fault.REFUSED, "the endpoint is gone (410)")
    if not httpx.codes.is_success(status):
        raise PacsdError(Fault.UNAVAILABLE, f"the endpoint answered {status}")
