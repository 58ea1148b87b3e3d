"""What the tests of records work with: messages, a folder, an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pacsd.audit.anchors import Anchors
from pacsd.audit.codes import Action, Event, Kind
from pacsd.audit.loading import Loading
from pacsd.audit.message import Agent, AuditMessage, AuditObject
from pacsd.audit.trail import Trail
from pacsd.audit.verify import Verify
from pacsd.blobs import LocalBlobs
from pacsd.blobs.append_log import AppendFolder
from pacsd.blobs.thin import ThinBlobs
from pacsd.codec.refill import native_frame
from pacsd.index.audit_events import AuditEvents
from pacsd.index.connect import Pool

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)


def access(study: str = "1.2.3", *, user: str = "li", at: datetime = AT, code: str = "east") -> AuditMessage:
    """Somebody reads a study."""
    agent = Agent(user, requestor=True, organisation=code, address="10.1.0.7")
    return AuditMessage(Event.TRANSFERRED, Action.READ, at, agents=(agent,), objects=(AuditObject(Kind.STUDY, study),))


@dataclass
class House:
    """Records, their index, and the blobs beside them."""

    pool: Pool
    root: Path
    key: bytes | None = None

    def __post_init__(self) -> None:
        self.folder = AppendFolder(self.root / "audit")
        self.blobs = ThinBlobs(LocalBlobs(self.root / "blobs", reserve_bytes=0), native_frame)
        self.events = AuditEvents(self.pool)
        self.loading = Loading(self.folder, self.events)
        self.anchors = Anchors(self.blobs, self.events, key=self.key)

    def trail(self, *, segment_bytes: int = 1 << 20, repeat_s: float = 0.0) -> Trail:
        """A recorder."""
        return Trail(self.folder, segment_bytes=segment_bytes, repeat_s=repeat_s)

    def load(self) -> None:
        """Read all of it."""
        while self.loading.run():
            pass

    def findings(self, key: bytes | None = None) -> list[str]:
        """What a verification says."""
        return [f"{one.where}: {one.problem}"
                for one in Verify(self.folder, self.blobs, self.events, key=key or self.key).run()]  # fmt: skip

    def files(self) -> list[Path]:
        """The files of records."""
        return sorted((self.root / "audit").iterdir())
