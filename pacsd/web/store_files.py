"""Parts of a store request that are Part 10 files (PS3.18 10.5.1): into batches that become durable together."""

from collections.abc import Sequence
from typing import Any

from pacsd.access.directory import Peer
from pacsd.faults import Fault, PacsdError
from pacsd.web.media_types import DICOM, media_type
from pacsd.web.multipart import Event, PartData, PartStart
from pacsd.web.services import Batch, Ingest, WebLimits
from pacsd.web.store_commits import named
from pacsd.web.store_response import Outcome, failed, stored


class FileBatch:
    """Files, and what is known of those that failed, in the order they came."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.size_bytes = 0
        self._members: list[Any] = []            # a Reception that was added, or the Outcome of what was not

    def __len__(self) -> int:
        return len(self._members)

    def add(self, reception: Any) -> None:
        """A file that is all there."""
        self.batch.add(reception)
        self._members.append(reception)

    def refuse(self, outcome: Outcome) -> None:
        """A part of which nothing is kept."""
        self._members.append(outcome)

    def commit(self) -> list[Outcome]:
        """Durable and visible, or why not: an outcome for each."""
        answers = iter(self.batch.commit())
        return [one if isinstance(one, Outcome) else _outcome(one, next(answers)) for one in self._members]


class FilesWriter:
    """Applies events to receptions; synchronous, one call at a time. What it returns is to be committed."""

    def __init__(self, ingest: Ingest, peer: Peer, study: str | None, limits: WebLimits) -> None:
        self._ingest = ingest
        self._peer = peer
        self._study = study
        self._limits = limits
        self._batch: FileBatch | None = None
        self._current: Any = None
        self._refused: Outcome | None = None

    def apply(self, events: Sequence[Event]) -> list[FileBatch]:
        """The batches that became full."""
        full: list[FileBatch] = []
        for event in events:
            if isinstance(event, PartData):
                self._write(event.data)
            elif isinstance(event, PartStart):
                self._open(event)
            else:
                self._end(full)
        return full

    def finish(self) -> list[FileBatch]:
        """What is whole and not returned yet; a file that has not ended is forgotten."""
        self._forget()
        batch, self._batch = self._batch, None
        return [batch] if batch is not None else []

    def abort(self) -> None:
        """Forget everything that was not returned."""
        self._forget()
        if self._batch is not None:
            self._batch.batch.abort()
            self._batch = None

    def _open(self, start: PartStart) -> None:
        if self._batch is None:
            self._batch = FileBatch(self._ingest.batch(self._peer))
        kind, _ = media_type(start.headers.get("content-type", DICOM))
        if kind != DICOM:
            self._refused = failed(PacsdError(Fault.MALFORMED, "a part is not application/dicom"))
            return
        try:
            self._current = self._batch.batch.receive_part10(study_instance_uid=self._study)
        except PacsdError as error:
            self._refused = failed(error)

    def _write(self, data: memoryview) -> None:
        if self._current is None or self._batch is None:
            return
        self._batch.size_bytes += len(data)
        try:
            self._current.write(data)
        except PacsdError as error:
            self._refused = failed(error, *named(self._current))
            self._forget()

    def _end(self, full: list[FileBatch]) -> None:
        batch, limits = self._batch, self._limits
        if batch is None:
            return
        if self._refused is not None:
            batch.refuse(self._refused)
        else:
            batch.add(self._current)
        self._current = self._refused = None
        if batch.size_bytes >= limits.batch_bytes or len(batch) >= limits.batch_files:
            full.append(batch)
            self._batch = None

    def _forget(self) -> None:
        if self._current is not None:
            self._current.abort()
            self._current = None


def _outcome(reception: Any, answer: Any) -> Outcome:
    return failed(answer, *named(reception)) if isinstance(answer, PacsdError) else stored(answer)
