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
from pacsd.audit.message import AuditMessage, Encoded, Recordable, encoded
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
        self, make: Callable[[], Sequence[Recordable]], *, key: Hashable | None = None, later: bool = False
    ) -> "Future[None] | None":
        """Begin to record: None where it need not be waited for. With a key the same again is only counted.

        `later`: it is written when somebody calls `settle` or `soon`, with whatever else waits by then.
        """

    def settle(self, recorded: "Future[None]", *, wait: bool = True) -> bool:
        """Write what waits, in this thread: on return it is known what came of a record that was begun.

        Without `wait` that is false, and comes at once, where another is already about to write it.
        """

    def soon(self) -> None:
        """Have what waits written by another thread."""


class Unrecorded:
    """The recorder of those who keep no record."""

    def write(self, *messages: AuditMessage) -> tuple[str, int]:
        """Nothing."""
        del messages
        return "", 0

    def begin(
        self, make: Callable[[], Sequence[Recordable]], *, key: Hashable | None = None, later: bool = False
    ) -> "Future[None] | None":
        """Nothing."""
        del make, key, later
        return None

    def settle(self, recorded: "Future[None]", *, wait: bool = True) -> bool:
        """Nothing."""
        del recorded, wait
        return True

    def soon(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class _Batch(Future[None]):
    """Records that are written at once, and what those wait for who want them to be.

    `is_somebodys`: a thread is about to write it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.payloads: list[bytes] = []
        self.size_bytes = 0
        self.writer, self.before = "", 0             # the chain, and its number of records before these, once written
        self.is_somebodys = False
        self.set_running_or_notify_cancel()          # whoever waits may be gone: the others' records are written


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
        self._waiting: deque[_Batch] = deque()       # the last one takes more
        self._lock = threading.Lock()    # of the batches that wait
        self._turn = threading.Lock()    # whose turn it is to write
        self._file: AppendFile | None = None
        self._writer, self._segment, self._head = "", 0, chain.START
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def write(self, *messages: AuditMessage) -> tuple[str, int]:
        """As Recorder.write."""
        batch, number = self._put(messages)
        self.settle(batch)
        batch.result()
        return batch.writer, batch.before + number

    def begin(
        self, make: Callable[[], Sequence[Recordable]], *, key: Hashable | None = None, later: bool = False
    ) -> "Future[None] | None":
        """As Recorder.begin; the future raises PacsdError UNAVAILABLE. What nobody settles is written with the next
        record, or within SWEEP_S."""
        if key is not None and (recorded := self._repeats.repeated(key)) is not None:
            return None if recorded.done() else recorded
        messages = make()
        batch, _ = self._put(messages)
        if key is not None and (counts := self._repeats.began(key, messages[0], batch)):
            self._count(counts)
        if later:
            self._has_thread()
        else:
            self.soon()
        return batch

    def settle(self, recorded: "Future[None]", *, wait: bool = True) -> bool:
        """As Recorder.settle. Whose turn it is writes one batch: the next is another's who waits for it."""
        if isinstance(recorded, _Batch):
            if recorded.is_somebodys and not wait:
                return recorded.done()
            recorded.is_somebodys = True
        try:
            while not recorded.done():
                with self._turn:
                    if recorded.done() or (batch := self._batch()) is None:
                        break
                    self._write(batch)
        except BaseException:
            self.soon()                                  # who counts on this thread is not left to wait
            raise
        return recorded.done()

    def soon(self) -> None:
        """As Recorder.soon."""
        self._has_thread()
        self._wake.set()

    def close(self) -> None:
        """Write the counts, and end the chain."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5.0)
        if counts := self._repeats.ended(now(), every=True):
            self._count(counts)
        self._drain()
        with self._turn:
            self._end()

    def _count(self, counts: Sequence[AuditMessage]) -> None:
        """Their first records were not too large; the counts make them a little longer."""
        self._put(counts, most_bytes=chain.MAX_RECORD_BYTES)

    def _put(self, messages: Sequence[Recordable], *, most_bytes: int = _MOST_BYTES) -> tuple[_Batch, int]:
        """What they will be written with, and the last one's number in it. Raises PacsdError TOO_MUCH."""
        payloads = [one.payload if isinstance(one, Encoded) else encoded(one) for one in messages]
        size_bytes = sum(map(len, payloads))
        if size_bytes > most_bytes and max(map(len, payloads)) > most_bytes:
            raise PacsdError(Fault.TOO_MUCH, "the access is too large to be recorded")
        with self._lock:
            if not self._waiting or self._waiting[-1].size_bytes > _BATCH_BYTES:
                self._waiting.append(_Batch())
            batch = self._waiting[-1]
            batch.payloads += payloads
            batch.size_bytes += size_bytes
            return batch, len(batch.payloads)

    def _has_thread(self) -> None:
        if self._thread is None:
            with self._turn:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, daemon=True, name="audit")
                    self._thread.start()

    def _run(self) -> None:
        sweep_at = time.monotonic() + SWEEP_S
        while not self._closed:
            self._wake.wait(SWEEP_S)
            self._wake.clear()
            try:
                if time.monotonic() >= sweep_at:
                    sweep_at = time.monotonic() + SWEEP_S
                    if counts := self._repeats.ended(now()):
                        self._count(counts)
                self._drain()
            except Exception:                # whoever waits was told; the next are written
                log.exception("records could not be written")

    def _drain(self) -> None:
        while self._waiting:
            with self._turn:
                if (batch := self._batch()) is not None:
                    self._write(batch)

    def _batch(self) -> _Batch | None:
        """Everything that waits, up to a size; nothing is added to it any more."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def _write(self, batch: _Batch) -> None:
        error: PacsdError | None = PacsdError(Fault.UNAVAILABLE, "the access cannot be recorded")
        try:
            batch.before = self._append(batch.payloads)
            batch.writer = self._writer
            error = None
        except PacsdError as problem:
            log.error("accesses cannot be recorded", extra={"fault": problem.fault.value, "reason": problem.message})
            error = PacsdError(Fault.UNAVAILABLE, "the access cannot be recorded")
            error.__cause__ = problem
        finally:
            batch.payloads = []                          # the future may be kept longer than anybody needs them
            if error is None:
                batch.set_result(None)
            else:
                batch.set_exception(error)

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
        try:
            file = self._created(self._segment + 1)
        except PacsdError as error:
            if error.fault is Fault.CONFLICT:            # whatever that is, nothing is put into it: another chain
                self._end()
                return self._first()
            raise
        try:
            self._end(self._segment + 1)
        except PacsdError:
            file.close()
            self._folder.discard(file.name)
            raise
        self._segment += 1
        return self._opened(file)

    def _created(self, segment: int) -> AppendFile:
        """A file of the chain; an empty one of this name is left of an attempt that failed. Raises as `create` does."""
        name = chain.file_name(self._writer, segment)
        self._folder.discard(name)
        return self._folder.create(name)

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
