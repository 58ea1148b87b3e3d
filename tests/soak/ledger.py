"""What senders know: every object they sent, and what the server answered."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset, dcmread

from tests.synthetic import dataset_bytes


@dataclass(slots=True)
class Ledger:
    """Shared by senders and the judge; SHA-256 of data sets by SOP Instance UID."""

    sent: dict[str, bytes] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    rejects: dict[str, frozenset[str]] = field(default_factory=dict)  # what notes that were sent name
    failures: list[int] = field(default_factory=list)  # statuses other than success
    lost_associations: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sending(self, path: Path) -> str:
        """Note an object about to leave; its SOP Instance UID."""
        tags = ["SOPInstanceUID", "CurrentRequestedProcedureEvidenceSequence"]
        header = dcmread(path, specific_tags=tags, stop_before_pixels=True)
        uid = str(header.SOPInstanceUID)
        digest = hashlib.sha256(dataset_bytes(path)).digest()
        with self._lock:
            self.sent[uid] = digest
            if "CurrentRequestedProcedureEvidenceSequence" in header:
                self.rejects[uid] = frozenset(_named(header))
        return uid

    @property
    def shown(self) -> set[str]:
        """Objects that are to be seen: acknowledged, no notes, and named by no note."""
        return self.acknowledged.difference(self.rejects, *self.rejects.values())

    @property
    def hidden(self) -> set[str]:
        """Objects that nobody may see: notes, and what notes that were acknowledged name."""
        return set(self.rejects).union(*(self.rejects[uid] for uid in self.acknowledged & self.rejects.keys()))

    def answered(self, uid: str, status: int) -> None:
        """Note the status of a C-STORE response (PS3.7 Annex C)."""
        with self._lock:
            if status == 0x0000:
                self.acknowledged.add(uid)
            else:
                self.failures.append(status)

    def lost(self) -> None:
        """Note an association that ended without an answer, or could not begin."""
        with self._lock:
            self.lost_associations += 1


def _named(note: Dataset) -> Iterator[str]:
    for of_study in note.CurrentRequestedProcedureEvidenceSequence:
        for series in of_study.ReferencedSeriesSequence:
            yield from (str(one.ReferencedSOPInstanceUID) for one in series.ReferencedSOPSequence)
