"""Writes what happened, before it is answered: many requests share one flush of the disk."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Protocol

from pacsd.audit import chain
from pacsd.audit.message import AuditMessage, encoded
from pacsd.audit.repeats import Repeats
from pacsd.blobs.append_log import AppendFile, AppendFolder
from pacsd.blobs.ulid import Ulids
from pacsd.faults import Fault, PacsdError

SWEEP_S = 30.0                           # so often the counts of ended windows are written
_MOST_BYTES = chain.MAX_RECORD_BYTES // 2     # of one record: who reads the chain takes no larger ones
_BATCH_BYTES = 1 << 20

log = logging.getLogger("pacsd.audit")


def no_room(error: PacsdError) -> bool:
    """Whether an access cannot be recorded because the disk is full."""
    return isinstance(error.__cause__, PacsdError) and error.__cause__.fault is Fault.FULL


def now() -> datetime:
    """The time of an event."""
    return datetime.now(UTC)


class Recorder(Protocol):
    """Where edges record what is done."""

    def write(self, *messages: AuditMessage) -> tuple[str, int]:
        """Record; on the disk on return. Raises PacsdError UNAVAILABLE: then nothing may be answered.

        Which record the last of them is: the chain's writer and its number; 0 where nothing is recorded.
        """

    def begin(
        self, make: Callable[[], Sequence[AuditMessage]], *, key: Hashable | None = None
    ) -> "Future[None] | None":
        """Begin to record: None where it need not be waited for. With a key the same again is only counted."""


class Unrecorded:
    """The recorder of those who keep no record."""

    def write(self, *messages: AuditMessage) -> tuple[str, int]:
        """Nothing."""
        del messages
        return "", 0

    def begin(
        self, make: Callable[[], Sequence[AuditMessage]], *, key: Hashable | None = None
    ) -> "Future[None] | None":
        """Nothing."""
        del make, key
        return None

    def close(self) -> None:
        """Nothing."""


class _Waiting:
    """Records that wait to be written, and who waits for it."""

    __slots__ = ("done", "payloads", "place")

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self.payloads = payloads
        self.place = ("", 0)             # of the last of them, when it is done
        self.done: Future[None] = Future()
        self.done.set_running_or_notify_cancel()     # whoever waits may be gone: the others' records are written


class Trail:
    """The recorder of one process: a chain of its own, in files of its own. Used by many threads; made after a fork.

    Whoever comes first writes what all wait for; what comes meanwhile is the next one's. A chain whose write failed is
    ended there, and another one begun: what of the failed write is on the disk, nobody knows.
    """

    def __init__(
        self, folder: AppendFolder, *, segment_bytes: int, repeat_s: float = 0.0, ulids: Callable[[], str] | None = None
    ) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._ulids = ulids or Ulids()
        self._repeats = Repeats(repeat_s)
        self._waiting: deque[_Waiting] = deque()
        self._turn = threading.Lock()    # whose turn it is to write
        self._file: AppendFile | None = None
        self._writer, self._segment, self._head = "", 0, chain.START
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def write(self, *messages: AuditMessage) -> tuple[str, int]:
        """As Recorder.write."""
        waiting = self._put(messages)
        self._drain()
        waiting.done.result()
        return waiting.place

    def begin(
        self, make: Callable[[], Sequence[AuditMessage]], *, key: Hashable | None = None
    ) -> "Future[None] | None":
        """As Recorder.begin; the future raises PacsdError UNAVAILABLE."""
        if key is not None and (recorded := self._repeats.repeated(key)) is not None:
            return None if recorded.done() else recorded
        messages = make()
        waiting = self._put(messages)
        if key is not None and (counts := self._repeats.began(key, messages[0], waiting.done)):
            self._put(counts)
        self._in_background()
        return waiting.done

    def close(self) -> None:
        """Write the counts, and end the chain."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5.0)
        if counts := self._repeats.ended(now(), every=True):
            self._put(counts)
        self._drain()
        with self._turn:
            self._end()

    def _put(self, messages: Sequence[AuditMessage]) -> _Waiting:
        payloads = [encoded(one) for one in messages]
        if any(len(one) > _MOST_BYTES for one in payloads):
            raise PacsdError(Fault.TOO_MUCH, "the access is too large to be recorded")
        waiting = _Waiting(payloads)
        self._waiting.append(waiting)
        return waiting

    def _in_background(self) -> None:
        if self._thread is None:
            with self._turn:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, daemon=True, name="audit")
                    self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        sweep_at = time.monotonic() + SWEEP_S
        while not self._closed:
            self._wake.wait(SWEEP_S)
            self._wake.clear()
            if time.monotonic() >= sweep_at:
                sweep_at = time.monotonic() + SWEEP_S
                if counts := self._repeats.ended(now()):
                    self._put(counts)
            try:
                self._drain()
            except Exception:                # whoever waits was told; the next are written
                log.exception("records could not be written")

    def _drain(self) -> None:
        with self._turn:
            while batch := self._batch():
                self._write(batch)

    def _batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and size < _BATCH_BYTES:
            one = self._waiting.popleft()
            batch.append(one)
            size += sum(map(len, one.payloads))
        return batch

    def _write(self, batch: Sequence[_Waiting]) -> None:
        error: PacsdError | None = PacsdError(Fault.UNAVAILABLE, "the access cannot be recorded")
        try:
            number = self._append([payload for one in batch for payload in one.payloads])
            for one in batch:
                number += len(one.payloads)
                one.place = self._writer, number
            error = None
        except PacsdError as problem:
            log.error("accesses cannot be recorded", extra={"fault": problem.fault.value, "reason": problem.message})
            error = PacsdError(Fault.UNAVAILABLE, "the access cannot be recorded")
            error.__cause__ = problem
        finally:
            for one in batch:
                if error is None:
                    one.done.set_result(None)
                else:
                    one.done.set_exception(error)

    def _append(self, payloads: Sequence[bytes]) -> int:
        """Write records; the number of the one before them."""
        file = self._current()
        before, head, lines = self._head.number, self._head, []
        for payload in payloads:
            line, head = chain.appended(head, payload)
            lines.append(line)
        try:
            file.append(b"".join(lines))
        finally:
            if not file.usable:
                self._file = None
        self._head = head
        return before

    def _current(self) -> AppendFile:
        if self._file is not None and self._file.size_bytes < self._segment_bytes:
            return self._file
        return self._following() if self._file is not None else self._first()

    def _first(self) -> AppendFile:
        """The first file of a new chain."""
        self._writer, self._segment, self._head = self._ulids(), 1, chain.START
        file = self._folder.create(chain.file_name(self._writer, 1))
        try:
            return self._opened(file)
        except PacsdError:
            self._folder.discard(file.name)
            raise

    def _following(self) -> AppendFile:
        """The next file of the chain; it is there before the one before names it."""
        file = self._folder.create(chain.file_name(self._writer, self._segment + 1))
        try:
            self._end(self._segment + 1)
        except PacsdError:
            file.close()
            self._folder.discard(file.name)
            raise
        self._segment += 1
        return self._opened(file)

    def _opened(self, file: AppendFile) -> AppendFile:
        line, head = chain.appended(self._head, chain.opening(self._writer, self._segment))
        try:
            file.append(line)
        except PacsdError:
            file.close()
            raise
        self._file, self._head = file, head
        return file

    def _end(self, following: int | None = None) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        line, head = chain.appended(self._head, chain.closing(self._writer, following))
        try:
            file.append(line)
            self._head = head
        except PacsdError:
            if following:
                raise
            log.warning("a chain of records was left without its end")
        finally:
            file.close()
