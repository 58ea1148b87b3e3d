"""What senders know: every object they sent, and what the server answered."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread

from tests.synthetic import dataset_bytes


@dataclass(slots=True)
class Ledger:
    """Shared by senders and the judge; SHA-256 of data sets by SOP Instance UID."""

    sent: dict[str, bytes] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    failures: list[int] = field(default_factory=list)  # statuses other than success
    lost_associations: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sending(self, path: Path) -> str:
        """Note an object about to leave; its SOP Instance UID."""
        uid = str(dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True).SOPInstanceUID)
        digest = hashlib.sha256(dataset_bytes(path)).digest()
        with self._lock:
            self.sent[uid] = digest
        return uid

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
