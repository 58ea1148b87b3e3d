"""Fetching a file that somebody named by URL: by the rules of subscriptions' end points (fhir.subscription.channel).

Its host is looked up once, and asked only in the public internet or opened networks, at the address that was looked at.
Redirections are not followed; a file is taken as it is, without content coding, as far as it may be long.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from fhir.subscription.channel import Deadline, Door, is_endpoint
from pacsd.faults import Fault, PacsdError

MOST_BYTES = 2 << 30                     # of one file
DEADLINE_S = 3600.0
_CHUNK_BYTES = 1 << 20
_AGAIN_FROM = 500                        # statuses that may be another one later; 429 is one, too
_TOO_MANY, _OK = 429, 200


def checked(url: str) -> str:
    """A URL that may be asked, as far as its text tells. Raises PacsdError MALFORMED."""
    if not is_endpoint(url):
        raise PacsdError(Fault.MALFORMED, "a source is an http or https URL without user or fragment")
    return url


def fetch(client: httpx.Client, door: Door, url: str, take: Callable[[bytes], object]) -> None:
    """Give what a URL has to `take`, in pieces.

    Raises PacsdError UNAVAILABLE where it may be had later, REFUSED, TOO_MUCH and NOT_FOUND where it never will.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = door.address(str(parts.hostname), port)
    shown = f"[{address}]" if ":" in address else address
    asked = f"{parts.scheme}://{shown}:{port}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc, "Accept-Encoding": "identity", "Accept": "application/fhir+ndjson, */*;q=0.1"}
    try:
        with Deadline(DEADLINE_S) as deadline, client.stream(
            "GET", asked, headers=headers, extensions={"sni_hostname": str(parts.hostname), "trace": deadline.trace},
        ) as answer:  # fmt: skip
            _may_be_taken(answer)
            _taken(answer, take)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise PacsdError(Fault.UNAVAILABLE, f"the source did not answer: {type(error).__name__}") from error


def _may_be_taken(answer: httpx.Response) -> None:
    status = answer.status_code
    if status >= _AGAIN_FROM or status == _TOO_MANY:
        raise PacsdError(Fault.UNAVAILABLE, f"the source answered {status}")
    if status != _OK:
        raise PacsdError(Fault.NOT_FOUND, f"the source answered {status}")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise PacsdError(Fault.REFUSED, "the source sends a content coding that was not asked for")


def _taken(answer: httpx.Response, take: Callable[[bytes], object]) -> None:
    size = 0
    for piece in answer.iter_raw(_CHUNK_BYTES):
        size += len(piece)
        if size > MOST_BYTES:
            raise PacsdError(Fault.TOO_MUCH, f"a source has more than {MOST_BYTES >> 30} GiB")
        take(piece)
