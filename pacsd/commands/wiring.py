"""What the commands need from the rest of the house; main.py hands the real ones in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from config.settings import Settings
from pacsd.access.directory import Peer

Progress = Callable[[int, int | None], None]  # done so far, and of how many where that is known


class Reception(Protocol):
    """A Part 10 file on its way in."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def commit(self) -> Any:
        """Durable and visible on return, as archive.ingest.Accepted. Raises PacsdError."""

    def abort(self) -> None: ...


class Ingest(Protocol):
    """archive.ingest"""

    def receive_part10(self, peer: Peer) -> Reception: ...


class Members(Protocol):
    """access.Directory, as far as commands ask it."""

    def member(self, code: str) -> Peer: ...


class Finding(Protocol):
    """Something wrong with a stored object, or something that could not be brought back."""

    @property
    def key(self) -> str: ...
    @property
    def problem(self) -> str: ...


class Archive(Protocol):
    """The archive, opened for one command."""

    @property
    def ingest(self) -> Ingest: ...
    @property
    def directory(self) -> Members: ...

    def check(self, progress: Progress) -> Iterator[Finding]:
        """Compare every blob with the index, checksums included."""

    def rebuild(self, progress: Progress) -> Iterator[Finding]:
        """Make the index anew from blobs and journal; what could not be read is found."""

    def purge(
        self, organisation: str, study_instance_uid: str, series: str | None = None, sops: Sequence[str] | None = None
    ) -> int:
        """Delete for good; how many instances. Raises PacsdError NOT_FOUND."""

    def purge_non_patient(self, organisation: str, sop_instance_uid: str) -> None:
        """Delete an instance that belongs to no patient for good. Raises PacsdError NOT_FOUND."""

    def backup(self, folder: Path, progress: Progress) -> Iterator[Finding]:
        """Copy blobs and journal there, of which the index can be made; a second time only what is new."""

    def restore(self, folder: Path, progress: Progress) -> Iterator[Finding]:
        """Bring a backup back into an empty data directory."""


class Condition(Protocol):
    """What is wrong with a message (HL7 table 0357)."""

    @property
    def code(self) -> str: ...


class Refusal(Protocol):
    """Why a message was refused: hl7.conditions.Hl7Error."""

    @property
    def condition(self) -> Condition: ...
    @property
    def location(self) -> object: ...
    @property
    def text(self) -> str: ...


class Tried(Protocol):
    """What came, or would come, of a message."""

    @property
    def answers(self) -> Sequence[bytes]: ...
    @property
    def effects(self) -> Sequence[str]: ...
    @property
    def error(self) -> Refusal | None: ...


class Messages(Protocol):
    """HL7 messages, opened for one command; organisations by code. Raises PacsdError NOT_FOUND, CONFLICT."""

    def list(self, organisation: str, *, state: str | None, limit: int) -> Sequence[Any]:
        """The newest messages that came, as pacsd.messages.inbox.Logged."""

    def message(self, organisation: str, number: int) -> Any:
        """One of them with its body and answers."""

    def list_outgoing(self, organisation: str, *, state: str | None, limit: int) -> Sequence[Any]:
        """The newest messages of all queues, as pacsd.messages.outbox.Queued."""

    def outgoing(self, organisation: str, number: int) -> Any:
        """One of them."""

    def replay(self, organisation: str, number: int) -> Tried:
        """Receive a message of the log again."""

    def replay_outgoing(self, organisation: str, number: int) -> int:
        """Queue a settled message once more; its new number."""

    def repair(self, organisation: str, number: int, body: bytes) -> Tried:
        """Receive another message in place of a refused one."""

    def attempt(self, body: bytes, *, address: str) -> Tried:
        """What a message would do if it came from there, of which nothing stays."""

    def send(self, destination: str, body: bytes, *, organisation: str) -> int:
        """Queue a message for a destination; its number."""


class Shelf(Protocol):
    """Reports, opened for one command; organisations by code."""

    def listed(self, organisation: str, *, limit: int) -> Sequence[Any]:
        """Those that changed last, as pacsd.index.reports.ReportRow."""

    def of_study(self, organisation: str, study_instance_uid: str) -> Sequence[Any]:
        """Those about a study, as pacsd.reports.reports.Report."""

    def words(self, report: Any) -> Sequence[str]:
        """How one reads, in lines."""


class Wiring(Protocol):
    """The composition root as the command line sees it."""

    def serve(self, settings: Settings) -> int:
        """Serve until stopped; the exit status."""

    def claims(self) -> Mapping[str, object]:
        """What this build supports, in the types of JSON."""

    def archive(self, settings: Settings, *, alone: bool) -> AbstractContextManager[Archive]:
        """The archive for one command. With `alone`, refused (CONFLICT) while a server runs on the data."""

    def messages(self, settings: Settings) -> AbstractContextManager[Messages]:
        """HL7 messages for one command."""

    def reports(self, settings: Settings) -> AbstractContextManager[Shelf]:
        """Reports for one command."""
