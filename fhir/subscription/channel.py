"""rest-hook (http://hl7.org/fhir/R4/subscription.html#rest-hook): a request to the subscriber's end point."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from fhir.outgoing import Door, asked, is_endpoint
from pacsd.faults import Fault, PacsdError

DEADLINE_S = 30.0                        # of a notification: many short reads are a long one
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
        raise PacsdError(Fault.UNSUPPORTED, "the channel is rest-hook or websocket; others are not supported")
    payload = str(told.get("payload", "")).partition(";")[0].strip()
    if payload not in ("", *_JSON):
        raise PacsdError(Fault.UNSUPPORTED, "the payload is application/fhir+json, or none")
    endpoint = str(told.get("endpoint", ""))
    if not is_endpoint(endpoint):
        raise PacsdError(Fault.MALFORMED, "the endpoint is an http or https URL without user or fragment")
    header = told.get("header")
    return Channel(endpoint, payload, tuple(map(_header, header[:_MOST_HEADERS] if isinstance(header, list) else ())))


def _header(text: object) -> tuple[str, str]:
    name, colon, value = str(text).partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not name or not name.isascii() or not all(char.isalnum() or char in "-_" for char in name):
        raise PacsdError(Fault.MALFORMED, "a channel header is `Name: value`")
    if name.lower() in _RESERVED or not value.isascii() or not value.isprintable():
        raise PacsdError(Fault.MALFORMED, f"the header {name[:64]} may not be set")
    return name, value


def tell(client: httpx.Client, door: Door, channel: Channel, name: str, body: bytes) -> None:
    """One notification. Raises PacsdError UNAVAILABLE where it did not arrive, REFUSED where it never will."""
    if channel.payload:
        _ask(client, door, channel, "PUT", f"/{name}", body)
    else:
        _ask(client, door, channel, "POST", "", b"")


def post(client: httpx.Client, door: Door, channel: Channel, body: bytes) -> None:
    """A notification Bundle of the R5 backport. Raises PacsdError as `tell` does."""
    _ask(client, door, channel, "POST", "", body)


def post_form(client: httpx.Client, door: Door, url: str, headers: Mapping[str, str], body: bytes) -> None:
    """Anything else that is sent under the same rules, its type among the headers. Raises PacsdError as `tell` does."""
    _ask(client, door, Channel(url, headers=tuple(headers.items())), "POST", "", body)


def _ask(client: httpx.Client, door: Door, channel: Channel, method: str, below: str, body: bytes) -> None:
    kind = [("Content-Type", channel.payload)] if channel.payload else []
    with asked(
        client, door, method, channel.endpoint, who="the endpoint", deadline_s=DEADLINE_S, below=below,
        headers=[*channel.headers, *kind], body=body,
    ) as answer:  # fmt: skip
        status = answer.status_code
    if status == _GONE:
        raise PacsdError(Fault.REFUSED, "the endpoint is gone (410)")
    if not httpx.codes.is_success(status):
        raise PacsdError(Fault.UNAVAILABLE, f"the endpoint answered {status}")
