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


class Wiring(Protocol):
    """The composition root as the command line sees it."""

    def serve(self, settings: Settings) -> int:
        """Serve until stopped; the exit status."""

    def claims(self) -> Mapping[str, object]:
        """What this build supports, in the types of JSON."""

    def archive(self, settings: Settings, *, alone: bool) -> AbstractContextManager[Archive]:
        """The archive for one command. With `alone`, refused (CONFLICT) while a server runs on the data."""
