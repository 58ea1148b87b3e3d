"""Part 10 files of one sender that become durable, and visible, together."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pacsd.access.directory import Peer
from pacsd.archive.accepted import Accepted, accepted
from pacsd.archive.part10_reception import Expecting, Part10Reception
from pacsd.blobs.spool_batch import SpoolBatch
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Arrival, Stored

log = logging.getLogger("pacsd.archive")


class Arrivals(Protocol):
    """Where durable objects become visible."""

    def admit_all(self, arrivals: Sequence[Arrival], durable: Callable[[], None]) -> list[Stored | PacsdError]:
        """Index them, `durable` first: an answer for each, in order."""


class Sealing(Expecting, Protocol):
    """A reception whose object becomes durable with others."""

    def seal(self) -> Arrival:
        """The object is whole. Raises PacsdError for what is wrong with it."""


class File(Part10Reception):
    """A file of a batch."""

    def __init__(self, reception: Sealing, study_instance_uid: str | None) -> None:
        super().__init__(reception, study_instance_uid)
        self._sealing = reception

    def seal(self) -> Arrival:
        """As the reception; MALFORMED also when this is no Part 10 file."""
        self.end()
        return self._sealing.seal()


class Batch:
    """Receives files one after the other; `commit` answers for all of them, in the order they were added.

    One flush of the disk and one statement of the index do for all. Used by one thread at a time.
    """

    def __init__(self, spool: SpoolBatch, arrivals: Arrivals, reception: Callable[[], Sealing]) -> None:
        self._spool = spool
        self._arrivals = arrivals
        self._reception = reception
        self._added: list[Arrival | PacsdError] = []

    def receive_part10(self, *, study_instance_uid: str | None = None) -> File:
        """Begin to receive a file; the one before was added or aborted. As Ingest.receive_part10."""
        return File(self._reception(), study_instance_uid)

    def add(self, reception: File) -> None:
        """The file is all there; what is wrong with it is told by `commit`."""
        try:
            self._added.append(reception.seal())
        except PacsdError as error:
            self._added.append(error.alone())
        except Exception as error:
            self._added.append(_defect(error))

    def commit(self) -> list[Accepted | PacsdError]:
        """Make the files durable, then visible. What becomes of each is as with Ingest's receptions one by one."""
        arrivals = [one for one in self._added if isinstance(one, Arrival)]
        try:
            stored = iter(self._arrivals.admit_all(arrivals, self._spool.commit) if arrivals else ())
        finally:
            self._spool.abort()                      # nothing happens where it was made durable
        return [one if isinstance(one, PacsdError) else _answer(one, next(stored)) for one in self._added]

    def abort(self) -> None:
        """Forget the files."""
        self._spool.abort()


class Opening(Protocol):
    """An ingest whose files become durable one by one."""

    def receive_part10(self, peer: Peer, *, study_instance_uid: str | None = None) -> Any:
        """Begin to receive a file."""


class OneByOne:
    """The same face for files that do not share a flush."""

    def __init__(self, ingest: Opening, peer: Peer) -> None:
        self._ingest = ingest
        self._peer = peer
        self._added: list[Any] = []

    def receive_part10(self, *, study_instance_uid: str | None = None) -> Any:
        """As Batch.receive_part10."""
        return self._ingest.receive_part10(self._peer, study_instance_uid=study_instance_uid)

    def add(self, reception: Any) -> None:
        """As Batch.add."""
        self._added.append(reception)

    def commit(self) -> list[Any]:
        """As Batch.commit."""
        return [_committed(one) for one in self._added]

    def abort(self) -> None:
        """As Batch.abort."""
        for one in self._added:
            one.abort()


def _answer(arrival: Arrival, stored: Stored | PacsdError) -> Accepted | PacsdError:
    return stored if isinstance(stored, PacsdError) else accepted(arrival, stored)


def _committed(reception: Any) -> Any:
    try:
        return reception.commit()
    except PacsdError as error:
        return error.alone()
    except Exception as error:
        reception.abort()
        return _defect(error)


def _defect(error: Exception) -> PacsdError:
    log.error("store failed", extra={"fault": "internal", "error": type(error).__name__})
    return PacsdError(Fault.INTERNAL, "processing failure")
