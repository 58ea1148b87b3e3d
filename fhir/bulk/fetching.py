"""Fetching a file that somebody named by URL (fhir.outgoing); it is taken as it is, without content coding, as far as
it may be long. A source that trickles holds up what is fetched after it, and is let go of.
"""

import time
from collections.abc import Callable

import httpx

from fhir.outgoing import Door, asked, is_endpoint
from pacsd.faults import Fault, PacsdError

MOST_BYTES = 2 << 30                     # of one file
DEADLINE_S = 3600.0
LOOK_S = 30.0                            # as often it is looked at how much came
LEAST_BYTES = 32 << 10                   # a second, on average since the last look
_AGAIN_FROM = 500                        # statuses that may be another one later; 429 is one, too
_TOO_MANY, _OK = 429, 200
_HEADERS = (("Accept-Encoding", "identity"), ("Accept", "application/fhir+ndjson, */*;q=0.1"))


def checked(url: str) -> str:
    """A URL that may be asked, as far as its text tells. Raises PacsdError MALFORMED."""
    if not is_endpoint(url):
        raise PacsdError(Fault.MALFORMED, "a source is an http or https URL without user or fragment")
    return url


def fetch(
    client: httpx.Client, door: Door, url: str, take: Callable[[bytes], object], *,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:  # fmt: skip
    """Give what a URL has to `take`, in pieces.

    Raises PacsdError UNAVAILABLE where it may be had later, REFUSED, TOO_MUCH and NOT_FOUND where it never will.
    """
    with asked(client, door, "GET", url, who="the source", deadline_s=DEADLINE_S, headers=_HEADERS) as answer:
        _may_be_taken(answer)
        _taken(answer, take, monotonic)


def _may_be_taken(answer: httpx.Response) -> None:
    status = answer.status_code
    if status >= _AGAIN_FROM or status == _TOO_MANY:
        raise PacsdError(Fault.UNAVAILABLE, f"the source answered {status}")
    if status != _OK:
        raise PacsdError(Fault.NOT_FOUND, f"the source answered {status}")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise PacsdError(Fault.REFUSED, "the source sends a content coding that was not asked for")


def _taken(answer: httpx.Response, take: Callable[[bytes], object], monotonic: Callable[[], float]) -> None:
    size, seen, looked_at = 0, 0, monotonic()
    for piece in answer.iter_raw():          # as it comes: a read waits for some seconds only
        size += len(piece)
        if size > MOST_BYTES:
            raise PacsdError(Fault.TOO_MUCH, f"a source has more than {MOST_BYTES >> 30} GiB")
        take(piece)
        if (now := monotonic()) - looked_at >= LOOK_S:
            if size - seen < LEAST_BYTES * (now - looked_at):
                raise PacsdError(Fault.UNAVAILABLE, f"the source sends less than {LEAST_BYTES >> 10} KiB a second")
            seen, looked_at = size, now
