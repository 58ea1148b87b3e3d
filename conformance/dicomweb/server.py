"""The server under test, reached over HTTP and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from conformance.dicomweb import multipart
from conformance.dicomweb.multipart import Part
from conformance.http_client import HttpClient, fields
from conformance.judging import Failed

JSON = "application/dicom+json"
XML = 'multipart/related; type="application/dicom+xml"'
DICOM = 'multipart/related; type="application/dicom"'
OCTETS = 'multipart/related; type="application/octet-stream"'

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


class Server(HttpClient):
    """Requests below a base URI, with a bearer token for that origin only."""

    most_bytes = 256 << 20

    def __init__(self, url: str, *, uri_service: str | None = None, **options: Any) -> None:
        super().__init__(url, **options)
        self.uri_service = uri_service

    def get(self, path: str, accept: str | None = JSON, **headers: str) -> Answer:
        """GET; `path` is below the base URI, or an absolute URL. Without `accept` no Accept header is sent."""
        return self.send("GET", path, accept=accept, headers=fields(headers))

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
        named = _named(method, path if raw_path is None else raw_path.decode("latin-1"))
        told = headers or {}
        return Answer(named, *self.received(method, url, named=named, accept=accept, headers=told, content=body))

    def reachable(self) -> bool:
        """Whether anything still answers, whatever it says."""
        try:
            self.send("GET", "/studies?limit=1")
        except Failed:
            return False
        return True

    def resolved(self, reference: str, of: str) -> str:
        """A URI reference in the answer to the request of this path, as an absolute URL (RFC 3986 5)."""
        return str(self.url(of).join(reference))


def _named(method: str, path: str) -> str:
    """A request for messages, with long UIDs shortened."""
    return f"{method} " + LONG_UID.sub(r"\1…\2", path)[:160]
