"""`pacsd send`: C-STORE of files as they are (PS3.4 B, PS3.7 9.1.1), in any transfer syntax."""

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom import _config
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

from config.settings import Settings
from pacsd.codec.part10 import read_meta
from pacsd.commands.peers import association, describe, is_success
from pacsd.commands.progress import Bar, progress_bar
from pacsd.commands.wiring import Wiring
from pacsd.faults import Fault, PacsdError

HEAD_BYTES = 1 << 17
MAX_CONTEXTS = 128  # PS3.8 9.3.2.2: odd numbers up to 255


@dataclass(frozen=True)
class Sendable:
    """A file with what its presentation context must say."""

    file: Path
    sop_class_uid: str
    transfer_syntax_uid: str

    @property
    def context(self) -> tuple[str, str]:
        """Abstract and transfer syntax."""
        return self.sop_class_uid, self.transfer_syntax_uid


def send(options: argparse.Namespace, settings: Settings, _wiring: Wiring) -> int:
    """Send every DICOM file of the paths; 3 when some were not sent, each with its reason."""
    _config.STORE_SEND_CHUNKED_DATASET = True  # the bytes of the file, not a data set read and written again
    files = [file for path in options.paths for file in _files(path)]
    counts: Counter[str] = Counter()
    with progress_bar("sent") as bar:
        sendable = list(_look_at(files, bar, counts))
        for batch in batches(sendable):
            contexts = [build_context(*context) for context in sorted({one.context for one in batch})]
            with association(options, settings, contexts) as peer:
                _send_batch(peer, batch, bar, counts, total=len(files))
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
            yield Sendable(file, meta.sop_class_uid, meta.transfer_syntax_uid)
        except (OSError, PacsdError) as error:
            counts["skipped"] += 1
            bar.line(f"not sent {file}: {error}")


def _send_batch(peer: Association, batch: Sequence[Sendable], bar: Bar, counts: Counter[str], *, total: int) -> None:
    accepted = {_names(context) for context in peer.accepted_contexts}
    for one in batch:
        problem = _send_one(peer, one, accepted)
        counts["failed" if problem else "sent"] += 1
        if problem:
            bar.line(f"not sent {one.file}: {problem}")
        bar.show(counts.total(), total)


def _names(context: PresentationContext) -> tuple[str, str]:
    return str(context.abstract_syntax), str(context.transfer_syntax[0])


def _send_one(peer: Association, one: Sendable, accepted: set[tuple[str, str]]) -> str:
    """Why the peer did not take it; empty when it did."""
    if one.context not in accepted:
        return f"the peer does not take {one.sop_class_uid} in transfer syntax {one.transfer_syntax_uid}"
    if not peer.is_established:
        return "the association was lost"
    try:
        status: Dataset = peer.send_c_store(one.file)
    except (ValueError, AttributeError, OSError, RuntimeError) as error:
        return f"cannot be sent: {error}"
    return "" if is_success(status) else describe(status)
