"""Asking another server for its keys, or about a token: bounded in time and size, by TLS, without redirects."""

from collections.abc import Mapping
from urllib.parse import quote_plus, urlsplit

import httpx

from pacsd.faults import Fault, PacsdError

TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 262_144
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def fetch(url: str, *, form: Mapping[str, str] | None = None, user: str = "", secret: str = "") -> bytes:
    """As access.tokens.Fetch has it. Raises PacsdError UNAVAILABLE for everything but a good answer."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise PacsdError(Fault.UNAVAILABLE, "another server is asked by https only")
    login = httpx.BasicAuth(quote_plus(user), quote_plus(secret)) if user else None
    headers = {"Accept": "application/json"}
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client,
            client.stream("POST" if form is not None else "GET", url, data=form, auth=login, headers=headers) as answer,
        ):
            if answer.status_code != 200:
                raise PacsdError(Fault.UNAVAILABLE, f"another server answered {answer.status_code}")
            return _bounded(answer)
    except httpx.HTTPError as error:
        raise PacsdError(Fault.UNAVAILABLE, "another server does not answer") from error


def _bounded(answer: httpx.Response) -> bytes:
    taken = bytearray()
    for chunk in answer.iter_bytes():
        taken += chunk
        if len(taken) > MAX_ANSWER_BYTES:
            raise PacsdError(Fault.UNAVAILABLE, "another server's answer is too long")
    return bytes(taken)
