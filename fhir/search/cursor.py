"""Where a page of results ended, in a form that clients hand back but cannot make (http.html#paging).

A cursor tells the last result, by what results are sorted by and its key: the next page has what comes after it in
that order, however much is written in between. Nothing is kept for it on the server.
"""

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import sha256

from pacsd.faults import Fault, PacsdError

SortValue = str | int | Decimal | None
_SIGNATURE_BYTES = 12


def written(values: Sequence[SortValue], pk: int, *, secret: bytes, search: str) -> str:
    """A cursor of one search, which `search` tells with all that decides its results and their order."""
    told = json.dumps([*values, pk], separators=(",", ":"), default=_decimal).encode()
    return base64.urlsafe_b64encode(_signature(told, secret, search) + told).decode().rstrip("=")


def read(text: str, *, secret: bytes, search: str) -> tuple[tuple[SortValue, ...], int]:
    """The values and the key in it. Raises PacsdError MISMATCH for one that was not made here for this search."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise _not_ours() from error
    signature, told = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not told or not hmac.compare_digest(signature, _signature(told, secret, search)):
        raise _not_ours()
    *values, pk = json.loads(told, object_hook=_of_decimal)
    return tuple(values), int(pk)


def _decimal(value: object) -> dict[str, str]:
    return {"decimal": str(value)}


def _of_decimal(told: Mapping[str, str]) -> Decimal:
    return Decimal(told["decimal"])


def _signature(told: bytes, secret: bytes, search: str) -> bytes:
    return hmac.digest(secret, sha256(search.encode("utf-8", "surrogatepass")).digest() + told, "sha256")[
        :_SIGNATURE_BYTES]


def _not_ours() -> PacsdError:
    return PacsdError(Fault.MISMATCH, "the link to this page is not one that this server gave out for this search")
