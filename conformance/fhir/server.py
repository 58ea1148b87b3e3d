"""The server under test, reached over HTTP and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx

from conformance.http_client import HttpClient, fields
from conformance.judging import Failed

JSON = "application/fhir+json"
XML = "application/fhir+xml"
JSON_PATCH = "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"

Model = dict[str, Any]
Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    request: str  # method and path, for messages
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def media_type(self) -> str:
        """Type and subtype of the Content-Type, in lower case."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    def resource(self, kind: str = "") -> Model:
        """The body as a resource in JSON, of this type. Raises Failed where it is none."""
        try:
            found = json.loads(self.body, parse_float=Decimal)
        except ValueError:
            raise Failed(f"{self.request}: expected JSON, got {self.body[:80]!r}") from None
        if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
            raise Failed(f"{self.request}: expected a resource, got {self.body[:80]!r}")
        if kind and found["resourceType"] != kind:
            raise Failed(f"{self.request}: expected {kind}, got {found['resourceType']} {self.body[:160]!r}")
        return found


class Server(HttpClient):
    """Requests below a base URL, with a bearer token for that origin only."""

    def get(self, path: str, accept: str | None = JSON, **headers: str) -> Answer:
        """GET below the base URL, or of an absolute URL; `if_none_match` is If-None-Match."""
        return self.send("GET", path, accept=accept, headers=fields(headers))

    def post(self, path: str, body: Model | bytes, content_type: str = JSON, **headers: str) -> Answer:
        """POST of a resource, or of bytes as they are."""
        return self.send("POST", path, body, content_type=content_type, headers=fields(headers))

    def put(self, path: str, body: Model | bytes, content_type: str = JSON, **headers: str) -> Answer:
        """PUT of a resource, or of bytes as they are."""
        return self.send("PUT", path, body, content_type=content_type, headers=fields(headers))

    def patch(self, path: str, body: object, content_type: str = JSON_PATCH, **headers: str) -> Answer:
        """PATCH with a patch document."""
        return self.send("PATCH", path, body, content_type=content_type, headers=fields(headers))

    def delete(self, path: str, **headers: str) -> Answer:
        """DELETE."""
        return self.send("DELETE", path, headers=fields(headers))

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        accept: str | None = JSON,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any request; redirects are not followed. Raises Failed where no HTTP response comes."""
        named, told = f"{method} {path[:160]}", dict(headers or {})
        content = body if body is None or isinstance(body, bytes) else written(body)
        if content is not None and content_type is not None:
            told["Content-Type"] = content_type
        url = self.url(path)
        return Answer(named, *self.received(method, url, named=named, accept=accept, headers=told, content=content))

    def reachable(self) -> bool:
        """Whether anything still answers, whatever it says."""
        try:
            self.get("/metadata")
        except Failed:
            return False
        return True


def query(path: str, parameters: Parameters) -> str:
    """A path with parameters, percent-encoded."""
    return f"{path}?{urlencode(parameters)}" if parameters else path


def written(value: object) -> bytes:
    """JSON in UTF-8; decimals keep their digits (FHIR R4 json#decimal)."""
    return _text(value).encode()


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_text(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
