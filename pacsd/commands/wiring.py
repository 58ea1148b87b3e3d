"""What the commands need from the rest of the house; main.py hands the real ones in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from config.settings import Settings
from pacsd.access.directory import Peer
from pacsd.audit.message import AuditMessage
from pacsd.audit.verify import Verify
from pacsd.links.link import Kept
from pacsd.links.links import Made, Wanted

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


class Rejections(Protocol):
    """archive.reject.Rejections. Raises PacsdError NOT_FOUND, CONFLICT."""

    def reject(
        self, organisation: str, study: str, series: str | None, sops: Sequence[str] | None, /, *, code: str,
        reason: str = "",
    ) -> int: ...  # fmt: skip
    def restore(
        self, organisation: str, study: str, series: str | None, sops: Sequence[str] | None, /, *, reason: str = ""
    ) -> int: ...
    def let_come(self, organisation: str, study_instance_uid: str, series: str, sops: Sequence[str]) -> int: ...
    def hold(self, organisation: str, study_instance_uid: str, *, reason: str) -> None: ...
    def release(self, organisation: str, study_instance_uid: str, *, reason: str) -> None: ...


class Retention(Protocol):
    """archive.retention.Retention"""

    def due(self) -> Iterator[Any]:
        """The studies that would go, as index.retention.Due."""

    def let_go(self, study: Any, /) -> int:
        """Delete one; how many instances. Raises PacsdError, and it stays."""


class Export(Protocol):
    """archive.export. Raises PacsdError NOT_FOUND."""

    def instances(self, scope: Any, study: str, series: str | None = None, /) -> Iterator[Any]:
        """Every visible instance, as archive.export.Exported."""


class Archive(Protocol):
    """The archive, opened for one command."""

    @property
    def ingest(self) -> Ingest: ...
    @property
    def directory(self) -> Members: ...
    @property
    def export(self) -> Export: ...

    def check(self, progress: Progress) -> Iterator[Finding]:
        """Compare every blob with the index, checksums included."""

    def rebuild(self, progress: Progress) -> Iterator[Finding]:
        """Make the index anew from blobs and journal; what could not be read is found."""

    def purge(
        self, organisation: str, study_instance_uid: str, series: str | None = None, sops: Sequence[str] | None = None
    ) -> int:
        """Delete for good; how many instances. Raises PacsdError NOT_FOUND."""

    @property
    def rejections(self) -> Rejections: ...

    @property
    def retention(self) -> Retention: ...

    def rejected(self, organisation: str, study_instance_uid: str | None, limit: int) -> Sequence[Any]:
        """The newest rejections, as index.rejections.Rejection."""

    def holds(self, organisation: str) -> Sequence[Any]:
        """The studies on legal hold, as index.holds.Hold."""

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


PatientKey = tuple[str, str]             # assigning authority, patient id


class PatientRecord(Protocol):
    """What is stated of a patient, as pacsd.index.identity_search.Record."""

    @property
    def assigning_authority(self) -> str: ...
    @property
    def patient_id(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def birth_date(self) -> object: ...
    @property
    def sex(self) -> str | None: ...
    @property
    def phone(self) -> str | None: ...
    @property
    def address(self) -> str | None: ...
    @property
    def id_card(self) -> str | None: ...
    @property
    def health_card(self) -> str | None: ...


class Identity(Protocol):
    """Patients' identities, opened for one command; organisations by code. Raises PacsdError NOT_FOUND, CONFLICT."""

    def history(self, organisation: str, one: PatientKey) -> Sequence[Any]:
        """Every step, as pacsd.index.identity_steps.Step."""

    def person(self, organisation: str, one: PatientKey) -> Sequence[PatientRecord]:
        """All records of a person."""

    def review(self, organisation: str, *, limit: int) -> Sequence[Any]:
        """Pairs that nobody decided on, as pacsd.index.identity_search.Doubtful."""

    def decide(self, organisation: str, one: PatientKey, other: PatientKey, *, linked: bool) -> None:
        """Say that two records are one person, or that they are not."""

    def unmerge(self, organisation: str, one: PatientKey) -> PatientKey:
        """Take back a merge; into whom it was."""


class Shelf(Protocol):
    """Reports, opened for one command; organisations by code."""

    def listed(self, organisation: str, *, limit: int) -> Sequence[Any]:
        """Those that changed last, as pacsd.index.reports.ReportRow."""

    def of_study(self, organisation: str, study_instance_uid: str) -> Sequence[Any]:
        """Those about a study, as pacsd.reports.reports.Report."""

    def words(self, report: Any) -> Sequence[str]:
        """How one reads, in lines."""


class Terminology(Protocol):
    """Code systems from files, opened for one command; no organisation: everybody's."""

    def load(
        self, path: Path, *, organisation: str = "", url: str = "", version: str = "", name: str = "",
        prefixes: bool = False,
    ) -> tuple[str, str, int]:  # fmt: skip
        """URL, version and number of concepts. Raises PacsdError MALFORMED, UNSUPPORTED, MISMATCH."""

    def listed(self) -> Sequence[Any]:
        """All that were loaded, as fhir.store.concepts.Loaded."""

    def remove(self, url: str, version: str, *, organisation: str = "") -> None:
        """Take one away. Raises PacsdError NOT_FOUND."""


class Linking(Protocol):
    """links.desk.LinkDesk: share links of an organisation. All raise PacsdError NOT_FOUND, INVALID."""

    def make(self, organisation: str, user: str, wanted: Wanted) -> Made: ...
    def listed(self, organisation: str, user: str, *, limit: int) -> Sequence[Kept]: ...
    def revoke(self, organisation: str, user: str, name: str, *, reason: str) -> None: ...
    def close_film(self, organisation: str, user: str, study: str, *, closed: bool, reason: str) -> None: ...


class Administration(Protocol):
    """Users and clients, opened for one command, as pacsd.oauth.administration has it. Raises PacsdError."""

    def users(self) -> Sequence[Any]: ...
    def add_user(
        self, username: str, password: str, *, organisation: str, name: str = "", roles: Sequence[str] = (),
        patient: tuple[str, str] | None = None, fhir_user: str = "",
    ) -> None: ...  # fmt: skip
    def set_password(self, username: str, password: str) -> None: ...
    def set_locked(self, username: str, *, locked: bool) -> None: ...
    def set_roles(self, username: str, roles: Sequence[str]) -> None: ...
    def forget_second_factor(self, username: str) -> None: ...
    def clients(self) -> Sequence[Any]: ...
    def add_client(
        self, client_id: str, *, organisation: str, name: str = "", method: str = "none",
        redirect_uris: Sequence[str] = (), scopes: Sequence[str] = (), roles: Sequence[str] = (),
        keys: bytes | None = None, keys_url: str = "", certificate: str = "", trusted: bool = False,
        launches: bool = False, introspects: bool = False,
    ) -> str: ...  # fmt: skip
    def remove_client(self, client_id: str) -> None: ...


class Stored(Protocol):
    """What a peer answered to C-STORE: dimse.requestor.Answer."""

    @property
    def status(self) -> int: ...
    @property
    def comment(self) -> str: ...


class Address(Protocol):
    """Where a peer listens: commands.peers.Peer."""

    @property
    def title(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def tls(self) -> bool: ...
    @property
    def certificate(self) -> str: ...


class FileSender(Protocol):
    """dimse.file_sender.FileSender"""

    def takes(self, sop_class_uid: str, transfer_syntax_uid: str) -> bool: ...
    def store(
        self, reader: Any, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str
    ) -> Stored: ...


class Wiring(Protocol):
    """The composition root as the command line sees it."""

    def serve(self, settings: Settings) -> int:
        """Serve until stopped; the exit status."""

    def claims(self) -> Mapping[str, object]:
        """What this build supports, in the types of JSON."""

    def archive(self, settings: Settings, *, alone: bool) -> AbstractContextManager[Archive]:
        """The archive for one command. With `alone`, refused (CONFLICT) while a server runs on the data."""

    def sender(
        self, settings: Settings, peer: Address, contexts: Sequence[tuple[str, str]], *, timeout_s: float
    ) -> AbstractContextManager[FileSender]:
        """An association for C-STORE; at most 128 contexts. Raises PacsdError UNAVAILABLE, REFUSED."""

    def record(self, settings: Settings, message: AuditMessage) -> None:
        """Record what a command is about to do. Raises PacsdError UNAVAILABLE: then it does nothing."""

    def records(self, settings: Settings) -> AbstractContextManager[Verify]:
        """What was recorded, to be verified."""

    def identity(self, settings: Settings) -> AbstractContextManager[Identity]:
        """Patients' identities for one command."""

    def messages(self, settings: Settings) -> AbstractContextManager[Messages]:
        """HL7 messages for one command."""

    def reports(self, settings: Settings) -> AbstractContextManager[Shelf]:
        """Reports for one command."""

    def administration(self, settings: Settings) -> AbstractContextManager[Administration]:
        """Users and clients for one command."""

    def links(self, settings: Settings) -> AbstractContextManager[Linking]:
        """Share links."""

    def terminology(self, settings: Settings) -> AbstractContextManager[Terminology]:
        """Code systems from files for one command."""
