"""Requests whose end a proxy and a server may see in different places (RFC 9112 6, 7; CWE-444), as bytes."""

import socket
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

from conformance.fhir import expect
from conformance.judging import Failed, NotSupported
from conformance.security.suite import Page, Site

FRAMING = Page("framing", "Requests that are two (RFC 9112)")

TIMEOUT_S = 10.0


def exchanged(site: Site, request: bytes) -> bytes:
    """What comes back for bytes as they are, until the server closes or says no more."""
    base = site.nobody.base
    port = base.port or (443 if base.scheme == "https" else 80)
    raw = socket.create_connection((base.host, port), timeout=TIMEOUT_S)
    if base.scheme == "https":
        context: ssl.SSLContext = site.ports[0].context() if site.ports else ssl.create_default_context()
        raw = context.wrap_socket(raw, server_hostname=base.host)
    said = bytearray()
    with raw, suppress(OSError):
        raw.sendall(request)
        raw.settimeout(1.0)
        while piece := raw.recv(65_536):
            said += piece
    return bytes(said)


def head(site: Site, *fields: bytes, method: bytes = b"POST") -> bytes:
    """A request's head, with these fields."""
    path = urlsplit(str(site.nobody.base)).path.encode() + b"/Patient"
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: " + site.nobody.base.netloc, *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


MARK = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"
TWICE = (                                # fields, and what follows: all of them ambiguous (RFC 9112 6.1, 6.3, 7.1)
    ("both lengths", (b"Content-Length: 6", CHUNKED), b"0\r\n\r\n" + MARK),
    ("both, the other way", (CHUNKED, b"Content-Length: 4"), b"5c\r\n" + MARK + b"\r\n0\r\n\r\n"),
    ("two lengths", (b"Content-Length: 0", b"Content-Length: 40"), MARK),
    ("a list of lengths", (b"Content-Length: 0, 40",), MARK),
    ("a length with a sign", (b"Content-Length: +0",), MARK),
    ("a length in hexadecimal", (b"Content-Length: 0x0",), MARK),
    ("a length that is negative", (b"Content-Length: -1",), MARK),
    ("a length with a space", (b"Content-Length : 40",), MARK),
    ("chunked, not last", (b"Transfer-Encoding: chunked, identity",), b"0\r\n\r\n" + MARK),
    ("a coding nobody knows", (b"Transfer-Encoding: xchunked", b"Content-Length: 0"), MARK),
    ("chunked behind a space", (b"Transfer-Encoding : chunked", b"Content-Length: 5"), b"0\r\n\r\n" + MARK),
    ("chunked twice", (CHUNKED, CHUNKED), b"0\r\n\r\n" + MARK),
    ("a field folded away", (b"Transfer-Encoding:\r\n chunked", b"Content-Length: 5"), b"0\r\n\r\n" + MARK),
    ("a chunk that is no number", (CHUNKED,), b"g\r\n\r\n" + MARK),
    ("a chunk larger than any number", (CHUNKED,), b"fffffffffffffffff1\r\n" + MARK),
    ("a chunk with a sign", (CHUNKED,), b"-1\r\n" + MARK),
    ("a chunk that ends too late", (CHUNKED,), b"1\r\nabc\r\n0\r\n\r\n" + MARK),
    ("a NUL in a name", (b"X-\0A: b", b"Content-Length: 0"), MARK),
    ("a bare CR in a value", (b"X-A: b\rContent-Length: 40", b"Content-Length: 0"), MARK),
    ("two hosts", (b"Host: evil.example", b"Content-Length: 0"), MARK),
)


@FRAMING.must("ambiguous", "RFC 9112 6.1, 6.3, 7.1", "A request whose end is in doubt is the last one")
def ambiguous(site: Site) -> None:
    for name, fields, rest in TWICE:
        said = exchanged(site, head(site, *fields, b"Content-Type: application/json") + rest)
        statuses = [line.split(b" ")[1] for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.")]
        first, more = statuses[:1], [one for one in statuses[1:] if one != b"400"]
        if more or not all(one.startswith(b"4") for one in first):
            raise Failed(f"{name}: expected a refusal and the end of the connection, got {statuses}")


@FRAMING.must("host", "RFC 9112 3.2", "A request that names no host is refused")
def no_host(site: Site) -> None:
    said = exchanged(site, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    expect.that(said[9:12] == b"400", "400", said[:40])


@FRAMING.must("alive", "RFC 9112 9.3", "After all that a request is a request")
def alive(site: Site) -> None:
    said = exchanged(site, head(site, b"Connection: close", method=b"GET"))
    expect.that(said[9:12] == b"401", "401", said[:40])


@FRAMING.should("upgrade", "RFC 9113 3.1", "An offer of HTTP/2 in plain text does not take a request past its checks")
def upgrade(site: Site) -> None:
    fields = (b"Connection: Upgrade, HTTP2-Settings, close", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
    said = exchanged(site, head(site, *fields, method=b"GET"))
    if said[9:12] == b"101":
        raise NotSupported("HTTP/2 is spoken there, which this suite does not")
    expect.that(said[9:12] in (b"401", b"400"), "401", said[:40])
