"""`pacsd send`: C-STORE of files as they are (PS3.4 B, PS3.7 9.1.1), in any transfer syntax."""

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from config.settings import Settings
from pacsd.codec.part10 import FileMeta, read_meta
from pacsd.commands.peers import category, peer_of, words
from pacsd.commands.progress import Bar, progress_bar
from pacsd.commands.wiring import FileSender, Wiring
from pacsd.faults import Fault, PacsdError

HEAD_BYTES = 1 << 17
MAX_CONTEXTS = 128  # PS3.8 9.3.2.2: odd numbers up to 255
TAKEN = ("Success", "Warning")  # PS3.7 C.1


@dataclass(frozen=True)
class Sendable:
    """A file with what its presentation context and its request must say."""

    file: Path
    sop_class_uid: str
    transfer_syntax_uid: str
    sop_instance_uid: str = ""
    dataset_offset: int = 0

    @property
    def context(self) -> tuple[str, str]:
        """Abstract and transfer syntax."""
        return self.sop_class_uid, self.transfer_syntax_uid


@dataclass(frozen=True, slots=True)
class _DataSet:
    """The data set of a file that is open: the bytes as they are."""

    source: BinaryIO
    offset_bytes: int

    @property
    def size_bytes(self) -> int | None:
        return os.fstat(self.source.fileno()).st_size - self.offset_bytes

    @property
    def file_range(self) -> None:
        return None

    def chunks(self, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        self.source.seek(self.offset_bytes)
        while chunk := self.source.read(chunk_bytes):
            yield chunk


def send(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Send every DICOM file of the paths; 3 when some were not sent, each with its reason."""
    files = [file for path in options.paths for file in _files(path)]
    peer = peer_of(options.peer, settings)
    counts: Counter[str] = Counter()
    with progress_bar("sent") as bar:
        sendable = list(_look_at(files, bar, counts))
        for batch in batches(sendable):
            rest: Sequence[Sendable] = batch
            while rest:                          # where an association is lost, the next file has another one
                contexts = sorted({one.context for one in rest})
                rest = _send_batch(
                    partial(wiring.sender, settings, peer, contexts, timeout_s=options.timeout_s), rest, bar, counts,
                    total=len(files),
                )  # fmt: skip
    print(f"{counts['sent']} sent, {counts['failed']} failed, {counts['skipped']} not DICOM")
    return 3 if counts["failed"] or counts["skipped"] else 0


def batches(files: Sequence[Sendable]) -> Iterator[list[Sendable]]:
    """Files in groups that need at most 128 presentation contexts each."""
    order = sorted({one.context for one in files})
    for start in range(0, len(order), MAX_CONTEXTS):
        group = set(order[start : start + MAX_CONTEXTS])
        yield [one for one in files if one.context in group]


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise PacsdError(Fault.NOT_FOUND, f"{path} is not there")
    if path.is_file():
        yield path
        return
    for parent, folders, names in os.walk(path):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))


def _look_at(files: Sequence[Path], bar: Bar, counts: Counter[str]) -> Iterator[Sendable]:
    for file in files:
        try:
            with file.open("rb") as source:
                meta = read_meta(source.read(HEAD_BYTES))
            if not (meta.sop_class_uid and meta.sop_instance_uid):
                raise PacsdError(Fault.MALFORMED, "no File Meta Information")
            yield _sendable(file, meta)
        except (OSError, PacsdError) as error:
            counts["skipped"] += 1
            bar.line(f"not sent {file}: {error}")


def _sendable(file: Path, meta: FileMeta) -> Sendable:
    return Sendable(
        file, meta.sop_class_uid, meta.transfer_syntax_uid, meta.sop_instance_uid, meta.dataset_offset
    )


def _send_batch(
    connect: Callable[[], AbstractContextManager[FileSender]], batch: Sequence[Sendable], bar: Bar,
    counts: Counter[str], *, total: int,
) -> Sequence[Sendable]:  # fmt: skip
    """Those that are left when the association is lost in the middle; none where there is no other one.

    Raises PacsdError where there never was one.
    """
    begun = 0
    try:
        with connect() as sender:
            for one in batch:
                begun += 1
                _count(one, _send_one(sender, one), bar, counts, total=total)
    except PacsdError as error:
        if not (begun or counts["sent"] or counts["failed"]):
            raise
        lost = batch[begun - 1 : begun] if begun else batch
        begun = begun or len(batch)
        for one in lost:
            _count(one, error.message, bar, counts, total=total)
    return batch[begun:]


def _count(one: Sendable, problem: str, bar: Bar, counts: Counter[str], *, total: int) -> None:
    counts["failed" if problem else "sent"] += 1
    if problem:
        bar.line(f"not sent {one.file}: {problem}")
    bar.show(counts.total(), total)


def _send_one(sender: FileSender, one: Sendable) -> str:
    """Why the peer did not take it; empty when it did. Raises PacsdError UNAVAILABLE when the association is over."""
    if not sender.takes(*one.context):
        return f"the peer does not take {one.sop_class_uid} in transfer syntax {one.transfer_syntax_uid}"
    try:
        with one.file.open("rb") as source:
            answer = sender.store(
                _DataSet(source, one.dataset_offset), sop_class_uid=one.sop_class_uid,
                sop_instance_uid=one.sop_instance_uid, transfer_syntax_uid=one.transfer_syntax_uid,
            )  # fmt: skip
    except OSError as error:
        return f"cannot be sent: {error}"
    return "" if category(answer.status) in TAKEN else words(answer.status, answer.comment)
