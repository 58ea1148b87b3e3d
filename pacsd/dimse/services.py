"""What the DIMSE services need from the rest of the house, as small ports."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from config.settings import RemoteAESettings
from pacsd.access.directory import Identity, Peer, Refusal
from pacsd.access.origin import Origin
from pacsd.access.scope import Scope
from pacsd.archive.commitment import Commitments
from pacsd.archive.non_patient.models import InformationModel
from pacsd.archive.non_patient.search import NonPatientQuery
from pacsd.archive.retrieve import DatasetReader, InstanceRef, Selection
from pacsd.dimse.dialling import Dial, plain
from pacsd.dimse.metering import Meters
from pacsd.dimse.occupancy import Alone
from pacsd.dimse.pace import Pace
from pacsd.dimse.recording import Recording
from pacsd.faults import Fault, PacsdError
from pacsd.workflow.modality_worklist import StepQuery
from pacsd.workflow.notifications import Notifications
from pacsd.workflow.performed_steps import PerformedSteps
from pacsd.workflow.services import Workflow


class Reception(Protocol):
    """One object on its way in."""

    def write(self, data: memoryview) -> None:
        """The next bytes of the data set; the view is not kept."""

    def commit(self) -> Any:
        """Durable and visible on return: pacsd.archive.accepted.Accepted. Raises PacsdError."""

    def abort(self) -> None:
        """Forget the object."""


class Ingest(Protocol):
    """Where received objects go."""

    def receive(
        self,
        peer: Peer,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        receiving_ae: str,
    ) -> Reception:
        """Begin to receive one."""


class Match(Protocol):
    """One answer to a query."""

    def dataset(self) -> Mapping[str, Mapping[str, Any]]:
        """Its attributes, those of the levels above included, in the DICOM JSON Model."""


class Search(Protocol):
    """Answers queries as a stream."""

    def __call__(self, query: Any, scope: Scope) -> Iterator[Match]: ...


class Retrieve(Protocol):
    """Finds and opens stored instances."""

    def select(self, scope: Scope, selection: Selection) -> list[InstanceRef]:
        """The visible instances of a selection."""

    def open(self, ref: InstanceRef) -> DatasetReader:
        """The data set as it is given out."""

    def best(self, ref: InstanceRef, transfer_syntax_uid: str) -> InstanceRef:
        """Of an instance and its HTJ2K copy, that which is in a transfer syntax already, or is made into it sooner."""


class WorklistSearch(Protocol):
    """Answers queries of the modality worklist as a stream."""

    def __call__(self, query: StepQuery, scope: Scope) -> Iterator[Mapping[str, Mapping[str, Any]]]: ...


class NonPatientSearch(Protocol):
    """Answers their queries as a stream."""

    def compile(self, query: NonPatientQuery) -> Any: ...
    def __call__(self, compiled: Any, scope: Scope) -> Iterator[Mapping[str, Mapping[str, Any]]]: ...


class NonPatient(Protocol):
    """Instances that belong to no patient."""

    @property
    def ingest(self) -> Ingest: ...
    @property
    def search(self) -> NonPatientSearch: ...

    def select(
        self, scope: Scope, models: tuple[InformationModel, ...], sop_instance_uids: Collection[str]
    ) -> list[InstanceRef]: ...


class Archive(Protocol):
    """The archive as this edge sees it."""

    @property
    def ingest(self) -> Ingest: ...
    @property
    def search(self) -> Search: ...
    @property
    def retrieve(self) -> Retrieve: ...
    @property
    def non_patient(self) -> NonPatient: ...


@dataclass(frozen=True, slots=True)
class Department:
    """Who is to do what, who tells what was done, and is told: worklists, performed steps, storage commitment."""

    performed_steps: PerformedSteps
    commitments: Commitments
    notifications: Notifications
    worklist: WorklistSearch             # of modalities
    workflow: Workflow                   # of unified procedure steps


class Directory(Protocol):
    """Who may talk to us, and whom we may send to."""

    def peer(
        self, *, calling: str, called: str, origin: Origin, identity: Identity | None = None
    ) -> Peer | Refusal: ...
    def renewed(self, peer: Peer) -> Peer: ...
    def remote(self, title: str, asker: Peer | None = None) -> RemoteAESettings | None: ...
    def of_organisation(self, title: str, organisation: int) -> RemoteAESettings | None: ...


def unchanged(criteria: Any) -> Any:
    """For an archive that takes the criteria of this edge as they are."""
    return criteria


@dataclass(frozen=True, slots=True)
class Services:
    """What a handler works with. `move_associations`: how many one C-MOVE opens at most.

    `query` makes the archive's query of a `find.Criteria`.
    """

    archive: Archive
    directory: Directory
    query: Callable[[Any], Any] = unchanged
    move_associations: int = 1
    artim_timeout_s: float = 30.0
    idle_timeout_s: float = 300.0
    connect_timeout_s: float = 15.0
    meters: Meters = field(default_factory=Meters)
    pace: Pace = field(default_factory=lambda: Pace(Alone()))
    department: Department | None = None
    dial: Dial = plain                   # to destinations of C-MOVE
    recording: Recording = field(default_factory=Recording)

    def of_department(self) -> Department:
        """The department. Raises PacsdError UNSUPPORTED where there is none."""
        if self.department is None:
            raise PacsdError(Fault.UNSUPPORTED, "there is no department here")
        return self.department
