"""The server under test, reached over HTTP and nothing else."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from conformance.dicomweb import multipart
from conformance.dicomweb.multipart import Part
from conformance.judging import Failed

JSON = "application/dicom+json"
XML = 'multipart/related; type="application/dicom+xml"'
DICOM = 'multipart/related; type="application/dicom"'
OCTETS = 'multipart/related; type="application/octet-stream"'

MAX_ANSWER_BYTES = 256 << 20
LONG_UID = re.compile(r"(\d\.\d+)[.\d]{14,}(\d{4})")

Model = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    request: str  # method and path, for messages
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def content_type(self) -> str:
        """The header field, empty where there is none."""
        return str(self.headers.get("content-type", ""))

    @property
    def media_type(self) -> str:
        """Type and subtype, in lower case."""
        return multipart.media_type(self.content_type)

    def parts(self) -> list[Part]:
        """The parts of a multipart answer."""
        return multipart.decoded(self.content_type, self.body)

    def json(self) -> Any:
        """The body as JSON. Raises Failed where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failed(f"{self.request}: expected JSON, got {self.body[:80]!r}") from None

    def models(self) -> list[Model]:
        """The DICOM JSON Model objects of an array (PS3.18 F.2.1); none for 204."""
        found = [] if self.status == 204 or not self.body else self.json()
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise Failed(f"{self.request}: expected an array of DICOM JSON objects, got {self.body[:80]!r}")
        return found


class Server:
    """Requests below a base URI, with a bearer token for that origin only."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        uri_service: str | None = None,
        timeout_s: float = 30.0,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base = httpx.URL(url.rstrip("/"))
        self.token = token
        self.uri_service = uri_service
        self._client = httpx.Client(timeout=timeout_s, verify=verify, transport=transport, follow_redirects=False)
        for name in ("accept", "accept-encoding"):  # what a check does not say is not sent
            del self._client.headers[name]

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def get(self, path: str, accept: str | None = JSON, **headers: str) -> Answer:
        """GET; `path` is below the base URI, or an absolute URL. Without `accept` no Accept header is sent."""
        return self.send("GET", path, accept=accept, headers=_fields(headers))

    def post(self, path: str, content_type: str | None, body: bytes | Iterable[bytes], **options: Any) -> Answer:
        """POST of a body of this media type; options as for `send`."""
        headers = {"Content-Type": content_type} if content_type is not None else {}
        headers.update(options.pop("headers", {}))
        return self.send("POST", path, body=body, headers=headers, **options)

    def send(
        self,
        method: str,
        path: str,
        *,
        accept: str | None = JSON,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        raw_path: bytes | None = None,
    ) -> Answer:
        """Any request; `raw_path` is sent as it stands, below the base URI, without any normalisation."""
        url = self.url(path) if raw_path is None else self.base.copy_with(raw_path=self.base.raw_path + raw_path)
        fields = {**({"Accept": accept} if accept is not None else {}), **(headers or {})}
        if self.token and (url.scheme, url.host, url.port) == (self.base.scheme, self.base.host, self.base.port):
            fields["Authorization"] = f"Bearer {self.token}"
        named = _named(method, path if raw_path is None else raw_path.decode("latin-1"))
        try:
            with self._client.stream(method, url, headers=fields, content=body) as response:
                return Answer(named, response.status_code, response.headers, _bounded(named, response))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Failed(f"{named}: expected an HTTP response, got {type(error).__name__}: {error}") from error

    def reachable(self) -> bool:
        """Whether anything still answers, whatever it says."""
        try:
            self.send("GET", "/studies?limit=1")
        except Failed:
            return False
        return True

    def url(self, path: str) -> httpx.URL:
        """The URL of a path below the base URI; absolute URLs, and absolute paths of an answer, stay as they are."""
        if path.startswith(("http:", "https:")):
            return httpx.URL(path)
        return httpx.URL(f"{self.base}{path}")

    def resolved(self, reference: str, of: str) -> str:
        """A URI reference in the answer to the request of this path, as an absolute URL (RFC 3986 5)."""
        return str(self.url(of).join(reference))


def _fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Header fields from keywords: if_none_match is If-None-Match."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _named(method: str, path: str) -> str:
    """A request for messages, with long UIDs shortened."""
    return f"{method} " + LONG_UID.sub(r"\1…\2", path)[:160]


def _bounded(named: str, response: httpx.Response) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise Failed(f"{named}: expected less than {MAX_ANSWER_BYTES} bytes, got more")
    return bytes(body)
