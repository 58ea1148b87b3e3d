"""Anchors: where every chain stood, chained among themselves and kept apart from the chains.

Whoever shortens a chain, or takes a whole file or process's chain away, contradicts an anchor. With a key, which the
one who could change the files should not have, anchors cannot be made anew either.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from pacsd.audit.trail import now
from pacsd.blobs.port import BlobStore
from pacsd.faults import Fault, PacsdError
from pacsd.index.audit_events import AuditEvents

PREFIX = "audit-anchors/"


@dataclass(frozen=True, slots=True)
class Anchor:
    """One anchor: `heads` are chains that moved since the one before, each its number of records and last hash."""

    number: int
    previous: str
    at: str
    heads: Mapping[str, tuple[int, str]]
    digest: bytes
    signed: str = ""

    def is_signed_by(self, key: bytes, text: bytes) -> bool:
        """Whether that key made it."""
        return hmac.compare_digest(self.signed, _signature(key, text))


class Anchors:
    """Makes anchors of what was read into the index, one process at a time."""

    def __init__(
        self, blobs: BlobStore, events: AuditEvents, *, key: bytes | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:  # fmt: skip
        self._blobs = blobs
        self._events = events
        self._key = key
        self._clock = clock
        self._told: dict[str, int] = {}

    def run(self) -> bool:
        """Anchor the chains that moved. False: there is nothing more for now."""
        places = self._events.places().values()
        moved = {one.writer: (one.number, one.digest.hex()) for one in places
                 if one.number and self._told.get(one.writer) != one.number}  # fmt: skip
        if not moved:
            return False
        number, digest = self._last()
        at = self._clock()
        text = orjson.dumps({"number": number + 1, "previous": digest.hex(), "at": at.isoformat(), "heads": moved})
        if self._put(number + 1, text, at):
            self._told.update({writer: head[0] for writer, head in moved.items()})
        return False

    def _put(self, number: int, text: bytes, at: datetime) -> bool:
        signature = b"" if self._key is None else _signature(self._key, text).encode()
        try:
            self._blobs.put(f"{PREFIX}{number:012d}.json", text + b"\n" + signature)
        except PacsdError as error:
            if error.fault is Fault.CONFLICT:            # another worker did, and the next turn knows of it
                self._events.anchored(number, read(self._blobs, number)[0].digest, at)
                return False
            raise
        self._events.anchored(number, hashlib.sha256(text).digest(), at)
        return True

    def _last(self) -> tuple[int, bytes]:
        """The last anchor, by the index, or by the blobs where an index is made anew."""
        found = self._events.anchor()
        if found is not None:
            return found
        last = max(numbers(self._blobs), default=0)
        return (last, read(self._blobs, last)[0].digest) if last else (0, bytes(32))


def numbers(blobs: BlobStore) -> Iterator[int]:
    """The numbers of the anchors that are there, in order."""
    for info in blobs.list(PREFIX):
        digits = info.key.removeprefix(PREFIX).removesuffix(".json")
        if digits.isdigit():
            yield int(digits)


def read(blobs: BlobStore, number: int) -> tuple[Anchor, bytes]:
    """An anchor, and its signed text. Raises PacsdError NOT_FOUND, MALFORMED."""
    text, _, signed = blobs.read(f"{PREFIX}{number:012d}.json").partition(b"\n")
    try:
        told = orjson.loads(text)
        heads = {writer: (int(count), str(digest)) for writer, (count, digest) in told["heads"].items()}
        anchor = Anchor(told["number"], told["previous"], told["at"], heads, hashlib.sha256(text).digest(),
                        signed.decode("ascii", "replace").strip())  # fmt: skip
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise PacsdError(Fault.MALFORMED, f"anchor {number} cannot be read") from error
    return anchor, text


def _signature(key: bytes, text: bytes) -> str:
    return hmac.new(key, text, hashlib.sha256).hexdigest()
