"""Blobs that can be made again: kept while there is room, the oldest deleted first."""

import os
import time
from collections.abc import Iterable
from threading import Lock

from pacsd.blobs.local import LocalBlobs, LocalWriter
from pacsd.faults import Fault, PacsdError

IN_USE_S = 600.0                         # so long after its last use nothing is deleted that somebody may be reading
_LOOK_S = 60.0                           # how often it is seen what other processes keep


class Cache:
    """Bounds a store of blobs that hold nothing else; several processes may share it."""

    def __init__(self, blobs: LocalBlobs, *, max_bytes: int) -> None:
        self.blobs = blobs
        self._max_bytes = max_bytes
        self._known_bytes = 0
        self._looked_at = 0.0
        self._lock = Lock()

    def use(self, key: str) -> bool:
        """Whether it is there; it stays for some minutes then."""
        try:
            os.utime(self.blobs.path(key))
        except OSError:
            return False
        return True

    def keep(self, key: str, chunks: Iterable[bytes]) -> None:
        """Keep what is made; of two that make the same at once either counts.

        Raises PacsdError TOO_MUCH for more than there is room for, UNAVAILABLE where all that is kept is in use, FULL.
        """
        writer = self.blobs.create(key)
        try:
            for chunk in chunks:
                writer.write(chunk)
                if writer.size_bytes > self._max_bytes:
                    raise PacsdError(Fault.TOO_MUCH, "the object is larger than all the room for made objects")
            self._make_room(writer.size_bytes)
            _commit(writer)
        finally:
            writer.abort()

    def _make_room(self, size_bytes: int) -> None:
        with self._lock:
            now = time.time()
            if self._known_bytes + size_bytes > self._max_bytes or now - self._looked_at > _LOOK_S:
                self._known_bytes, self._looked_at = self._shrunk(self._max_bytes - size_bytes, now), now
            self._known_bytes += size_bytes

    def _shrunk(self, most_bytes: int, now: float) -> int:
        """Bytes that are kept after the oldest went."""
        found = sorted(self.blobs.list(""), key=lambda one: one.modified_at)
        total, gone = sum(one.size_bytes for one in found), []
        for one in found:
            if total <= most_bytes or one.modified_at > now - IN_USE_S:
                break
            gone.append(one.key)
            total -= one.size_bytes
        if gone:
            self.blobs.delete(gone)
        if total > most_bytes:
            raise PacsdError(Fault.UNAVAILABLE, "the room for made objects is in use; ask again later")
        return total


def _commit(writer: LocalWriter) -> None:
    """Have it kept, unless another one made the same; what its maker raises is no such thing."""
    try:
        writer.commit()
    except PacsdError as error:
        if error.fault is not Fault.CONFLICT:
            raise
