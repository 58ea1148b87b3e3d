"""What the web edge needs from the rooms behind it; main.py hands the real ones in, tests their own."""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from starlette.requests import HTTPConnection
from starlette.responses import Response

from pacsd.access.asking import Access
from pacsd.access.directory import Peer
from pacsd.access.operations import Operation
from pacsd.access.scope import Scope
from pacsd.archive.commitment import Commitments
from pacsd.archive.non_patient.models import InformationModel
from pacsd.archive.non_patient.search import Search as NonPatientSearch
from pacsd.archive.retrieve import Piece
from pacsd.archive.search import Query
from pacsd.codec.render.parameters import Parameters
from pacsd.faults import Fault, PacsdError
from pacsd.links.visit import Visits
from pacsd.web.addresses import Addresses
from pacsd.web.metering import Counted, Unmeasured
from pacsd.web.multipart import Limits
from pacsd.web.threads import Threads, codec_threads, picture_threads
from pacsd.workflow.services import Workflow

_MOST_BOUND = 512


class Match(Protocol):
    """One search result."""

    def members(self, retrieve_base: str, *, upper: bool) -> str:
        """Its attributes as the members of a DICOM JSON object, without the braces; `upper`: those above it too."""


class Search(Protocol):
    """archive.search"""

    def compile(self, query: Query) -> Any: ...
    def __call__(self, query: Any, scope: Scope) -> Iterator[Match]: ...


class InstanceRef(Protocol):
    """A visible instance."""

    @property
    def study_instance_uid(self) -> str: ...
    @property
    def series_instance_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def transfer_syntax_uid(self) -> str: ...
    @property
    def digest(self) -> bytes: ...
    @property
    def overlay(self) -> Mapping[str, Any]: ...
    @property
    def overlaid_at(self) -> datetime | None: ...


class Part10(Protocol):
    """A Part 10 file on its way out; the size may be unknown.

    What stands so in a local file comes as its place, good until the next piece is asked for.
    """

    @property
    def size_bytes(self) -> int | None: ...
    @property
    def pieces(self) -> Iterator[Piece]: ...


class Retrieve(Protocol):
    """archive.retrieve"""

    def instances(
        self,
        scope: Scope,
        study_instance_uid: str,
        series_instance_uid: str | None = None,
        sop_instance_uid: str | None = None,
    ) -> Sequence[Any]: ...

    def fits(self, ref: Any, transfer_syntax_uid: str) -> bool: ...
    def size_bytes(self, ref: Any) -> int | None: ...
    def part10(self, ref: Any, transfer_syntax_uid: str | None = None) -> Part10: ...


class MetadataText(Protocol):
    """A whole DICOM JSON array, in pieces."""

    @property
    def size_bytes(self) -> int: ...
    @property
    def chunks(self) -> Sequence[bytes]: ...


class Metadata(Protocol):
    """archive.metadata; `base_url` is the DICOMweb base without trailing slash. Raises PacsdError NOT_FOUND."""

    def study(self, scope: Scope, study: str, *, base_url: str) -> MetadataText: ...
    def series(self, scope: Scope, study: str, series: str, *, base_url: str) -> MetadataText: ...
    def instance(self, scope: Scope, study: str, series: str, sop: str, *, base_url: str) -> MetadataText: ...


class FrameSet(Protocol):
    """Frames in the order asked for: each its size and its bytes."""

    @property
    def transfer_syntax_uid(self) -> str: ...
    @property
    def frames(self) -> Iterator[tuple[int, Iterator[bytes]]]: ...
    @property
    def digest(self) -> bytes:
        """Of the data set the frames are in."""

    @property
    def untouched(self) -> bool:
        """Whether they come byte for byte as a blob has them."""

    @property
    def number(self) -> int:
        """How many there are."""

    def joins(self) -> bool:
        """Whether they make a value of Pixel Data, decoded and one behind the other."""

    def fits(self, transfer_syntax_uid: str) -> bool: ...
    def transcoded(self, transfer_syntax_uid: str) -> "FrameSet": ...


class Bulk(Protocol):
    """One bulk data value."""

    @property
    def size_bytes(self) -> int: ...
    @property
    def media_type(self) -> str: ...
    @property
    def digest(self) -> bytes:
        """Of the data set it is in."""

    def read(self, offset_bytes: int, length_bytes: int) -> bytes: ...


class Frames(Protocol):
    """archive.frames; frame numbers count from 1. Raises PacsdError NOT_FOUND."""

    def read(self, scope: Scope, study: str, series: str, sop: str, numbers: Sequence[int]) -> FrameSet: ...
    def of(self, ref: Any, numbers: Sequence[int] | None = None) -> FrameSet: ...
    def bulk_of(self, ref: Any, path: str) -> Bulk: ...


class Accepted(Protocol):
    """An object that is kept."""

    @property
    def sop_class_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def study_instance_uid(self) -> str: ...
    @property
    def series_instance_uid(self) -> str: ...


class Reception(Protocol):
    """A Part 10 file on its way in. The two UIDs are "" until they are known."""

    @property
    def sop_class_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def commit(self) -> Accepted: ...
    def abort(self) -> None: ...


class Batch(Protocol):
    """Part 10 files of one sender that become durable, and visible, together."""

    def receive_part10(self, *, study_instance_uid: str | None = None) -> Any: ...
    def add(self, reception: Any) -> None: ...
    def commit(self) -> Sequence[Any]:
        """Accepted, or PacsdError, for each file that was added."""

    def abort(self) -> None: ...


class Scratch(Protocol):
    """Room on the disk, appended to and read back by where things stand."""

    @property
    def size_bytes(self) -> int: ...

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def read(self, offset_bytes: int, length_bytes: int) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class Ingest(Protocol):
    """archive.ingest"""

    def scratch(self) -> Scratch: ...
    def receive_part10(self, peer: Peer, *, study_instance_uid: str | None = None) -> Any: ...
    def batch(self, peer: Peer) -> Batch: ...


class Rendition(Protocol):
    """One picture or page, in pieces; `frame` is set where it shows one frame of several."""

    @property
    def ref(self) -> InstanceRef: ...
    @property
    def media_type(self) -> str: ...
    @property
    def content(self) -> Iterator[bytes]: ...
    @property
    def frame(self) -> int | None: ...
    @property
    def warning(self) -> str: ...


class Renderable(Protocol):
    """An instance, and the forms it can be given in: none where it cannot be rendered."""

    @property
    def media_types(self) -> tuple[str, ...]: ...
    @property
    def parts(self) -> int: ...
    @property
    def number_of_frames(self) -> int: ...
    @property
    def is_presentation_state(self) -> bool: ...

    def render(self, media_type: str, parameters: Parameters) -> Iterator[Rendition]: ...
    def presented(self, state: Any, media_type: str, parameters: Parameters) -> Iterator[Rendition]: ...
    def thumbnail(self, media_type: str, parameters: Parameters) -> Iterator[Rendition]: ...
    def frames(self, numbers: Sequence[int], media_type: str, parameters: Parameters) -> Iterator[Rendition]: ...


class Rendered(Protocol):
    """archive.rendered. Raises PacsdError NOT_FOUND."""

    def instances(self, scope: Scope, *uids: str) -> Sequence[Renderable]: ...
    def representatives(self, scope: Scope, *uids: str) -> Sequence[Renderable]: ...


class NonPatientIngest(Ingest, Protocol):
    """archive.non_patient's ingest, as a whole and for one resource."""

    def narrowed(self, models: tuple[InformationModel, ...], sop_instance_uid: str | None) -> Ingest: ...


class NonPatient(Protocol):
    """archive.non_patient. Raises PacsdError NOT_FOUND."""

    @property
    def ingest(self) -> NonPatientIngest: ...
    @property
    def search(self) -> NonPatientSearch: ...

    def instance(self, scope: Scope, models: tuple[InformationModel, ...], sop_instance_uid: str) -> Any: ...
    def metadata(self, ref: Any) -> list[bytes]: ...


class Archive(Protocol):
    """The archive's services as this edge uses them."""

    @property
    def search(self) -> Search: ...
    @property
    def retrieve(self) -> Retrieve: ...
    @property
    def metadata(self) -> Metadata: ...
    @property
    def frames(self) -> Frames: ...
    @property
    def rendered(self) -> Rendered: ...
    @property
    def ingest(self) -> Ingest: ...
    @property
    def non_patient(self) -> NonPatient: ...
    @property
    def commitments(self) -> Commitments: ...


class Counting(Protocol):
    """web.metering.Meter"""

    def __call__(self, transaction: str, answer: Counted) -> None: ...
    def channel(self, opened: float) -> None: ...


class Readers(Protocol):
    """access.Directory, as far as this edge asks it."""

    def web_reader(self) -> Peer: ...


class Admits(Protocol):
    """web.admission.Admission: who a request comes from. Raises PacsdError UNAUTHENTICATED, FORBIDDEN."""

    async def admitted(
        self, scope: MutableMapping[str, Any], operation: Operation, *, deidentifying: bool = False
    ) -> Access: ...
    async def access(self, scope: MutableMapping[str, Any]) -> Access: ...


class Research(Protocol):
    """archive.research: what is made for the project of whoever asks. Raises PacsdError FORBIDDEN."""

    def archive(self, access: Access) -> Archive: ...


class Records(Protocol):
    """web.recording.Recording: what is recorded of a request before it is answered."""

    def asked(self, request: HTTPConnection, transaction: Any) -> None: ...
    def settle(self, request: HTTPConnection) -> "Future[None] | None": ...

    async def before(self, request: HTTPConnection, transaction: Any, answer: Response) -> Response: ...


@dataclass(frozen=True, slots=True)
class WebLimits:
    """What one request may take."""

    max_upload_bytes: int | None = None       # of one store request; None: the free space decides
    max_results: int | None = None            # of one search; None: all
    upload_stall_s: float = 60.0              # without a byte from the client
    min_upload_bytes_per_s: float = 256.0     # on an average of upload_stall_s
    download_stall_s: float = 120.0           # without a byte taken by the client
    commits_in_flight: int = 16               # of one store request of metadata
    batches_in_flight: int = 3                # of one store request of files
    batch_bytes: int = 4 << 20                # about so much becomes durable with one flush of the disk
    batch_files: int = 64                     # or so many small files
    max_dataset_bytes: int = 1 << 20          # of a data set sent as JSON or XML
    max_channels: int = 1_500                 # open event channels of one process
    look_again_s: float = 4.0                 # at who holds a channel on which nothing is sent
    multipart: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a handler may use."""

    archive: Archive
    directory: Readers
    addresses: Addresses
    workflow: Workflow | None = None
    ready: Callable[[], Mapping[str, bool]] = dict
    metrics: Callable[[], bytes | str] = bytes
    count: Counting = field(default_factory=Unmeasured)
    limits: WebLimits = field(default_factory=WebLimits)
    threads: Threads = field(default_factory=Threads)
    codec_threads: Threads = field(default_factory=codec_threads)
    picture_threads: Threads = field(default_factory=picture_threads)
    allowed_origins: Iterable[str] = ()
    viewer_dir: Path | None = None            # where the prebuilt viewer is, if it is installed
    admission: Admits | None = None           # without one everybody is the directory's web reader
    access: Access | None = None              # of the request that is being answered
    bound: dict[int, "Services"] = field(default_factory=dict, repr=False, compare=False)     # by whose access
    recording: Records | None = None          # without one nothing is recorded
    research: Research | None = None          # without one researchers get nothing
    links: Visits | None = None               # without them there are no share links

    def worklist(self) -> Workflow:
        """The workflow. Raises PacsdError UNSUPPORTED where there is none."""
        if self.workflow is None:
            raise PacsdError(Fault.UNSUPPORTED, "there is no worklist here")
        return self.workflow

    def on_behalf_of(self, access: Access) -> "Services":
        """The same for one request, whose asker is known; that of an access is made once, not for each request."""
        if access.deidentified:
            return replace(self, access=access, archive=self._made_for(access))
        found = self.bound.get(id(access))
        if found is None or found.access is not access:
            if len(self.bound) >= _MOST_BOUND:
                self.bound.clear()
            found = self.bound[id(access)] = replace(self, access=access)
        return found

    def _made_for(self, access: Access) -> Archive:
        if self.research is None:
            raise PacsdError(Fault.FORBIDDEN, "there are no research projects here")
        return self.research.archive(access)

    def peer(self) -> Peer:
        """On whose behalf the request writes. Raises PacsdError UNAUTHENTICATED outside a request that was admitted."""
        if self.access is None:
            raise PacsdError(Fault.UNAUTHENTICATED, "nobody was admitted")
        return self.access.peer

    def scope(self) -> Scope:
        """Whose eyes the request looks with."""
        return self.peer().scope
