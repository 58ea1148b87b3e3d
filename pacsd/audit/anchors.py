"""Anchors: where every chain stood, chained among themselves and kept apart from the chains.

Whoever shortens a chain, or takes a whole file or process's chain away, contradicts an anchor. With a key, which the
one who could change the files should not have, anchors cannot be made anew either.
"""

import hashlib
import hmac
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from pacsd.audit import anchor_bundles
from pacsd.audit.trail import now
from pacsd.blobs.port import BlobStore
from pacsd.faults import Fault, PacsdError
from pacsd.index.audit_events import AuditEvents

BUNDLE = 1_000                           # anchors of one blob


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
    """Makes anchors of what was read into the index, one process at a time; of old ones `bundle` stand in one blob."""

    def __init__(
        self, blobs: BlobStore, events: AuditEvents, *, key: bytes | None = None,
        clock: Callable[[], datetime] = now, bundle: int = BUNDLE,
    ) -> None:  # fmt: skip
        self._blobs = blobs
        self._events = events
        self._key = key
        self._clock = clock
        self._bundle = bundle

    def run(self) -> bool:
        """Anchor the chains that moved. False: there is nothing more for now."""
        moved = self._events.moved()
        if not moved:
            return False
        last, digest = self._last()
        number, at = last + 1, self._clock()
        text = orjson.dumps({"number": number, "previous": digest.hex(), "at": at.isoformat(), "heads": moved})
        self._put(number, text)
        if number % self._bundle == 0:
            anchor_bundles.bundle(self._blobs, self._bundle)
        return False

    def _put(self, number: int, text: bytes) -> None:
        """Where another worker made that anchor it is the other's that counts; the next turn makes the next one."""
        signature = b"" if self._key is None else _signature(self._key, text).encode()
        content = text + b"\n" + signature
        try:
            self._blobs.put(anchor_bundles.name(number), content)
        except PacsdError as error:
            if error.fault is not Fault.CONFLICT:
                raise
            content = self._blobs.read(anchor_bundles.name(number))
        anchor, _ = read(number, content)
        self._events.anchored(number, anchor.digest, {writer: head[0] for writer, head in anchor.heads.items()})

    def _last(self) -> tuple[int, bytes]:
        """The last anchor, by the index, or by the blobs where an index is made anew."""
        found = self._events.anchor()
        if found is not None:
            return found
        for number, content in deque(anchor_bundles.stored(self._blobs), maxlen=1):
            return number, read(number, content)[0].digest
        return 0, bytes(32)


def read(number: int, content: bytes) -> tuple[Anchor, bytes]:
    """An anchor of its content, and its signed text. Raises PacsdError MALFORMED."""
    text, _, signed = content.partition(b"\n")
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
