"""How the suites of HTTP services send a request: nothing that a check does not say, and bounded answers."""

import ssl
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import httpx

from conformance.judging import Failed


class Received(NamedTuple):
    """A whole response."""

    status: int
    headers: httpx.Headers
    body: bytes


class HttpClient:
    """Requests below a base URL, with a bearer token for that origin only. Redirects are not followed."""

    most_bytes = 64 << 20                # of an answer

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base = httpx.URL(url.rstrip("/"))
        self.token = token
        self.verify = verify
        self._client = httpx.Client(timeout=timeout_s, verify=verify, transport=transport, follow_redirects=False)
        for name in ("accept", "accept-encoding"):  # what a check does not say is not sent
            del self._client.headers[name]

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def url(self, path: str) -> httpx.URL:
        """The URL of a path below the base URL; absolute URLs stay as they are."""
        if path.startswith(("http:", "https:")):
            return httpx.URL(path)
        return httpx.URL(f"{self.base}{path}")

    def received(
        self,
        method: str,
        url: httpx.URL,
        *,
        named: str,
        accept: str | None,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
    ) -> Received:
        """The answer to a request, which messages call `named`. Raises Failed where no HTTP response comes."""
        fields = {**({"Accept": accept} if accept is not None else {}), **headers}
        if self.token and (url.scheme, url.host, url.port) == (self.base.scheme, self.base.host, self.base.port):
            fields["Authorization"] = f"Bearer {self.token}"
        try:
            with self._client.stream(method, url, headers=fields, content=content) as response:
                body = self._bounded(named, response.iter_bytes())
                return Received(response.status_code, response.headers, body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Failed(f"{named}: expected an HTTP response, got {type(error).__name__}: {error}") from error

    def _bounded(self, named: str, pieces: Iterable[bytes]) -> bytes:
        body = bytearray()
        for piece in pieces:
            body += piece
            if len(body) > self.most_bytes:
                raise Failed(f"{named}: expected less than {self.most_bytes} bytes, got more")
        return bytes(body)


def fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Header fields from keywords: if_none_match is If-None-Match."""
    return {name.replace("_", "-"): value for name, value in headers.items()}
