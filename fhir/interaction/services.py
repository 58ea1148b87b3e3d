"""What interactions and operations work with; pacsd.main puts it together, tests their own."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Protocol

from fhir.audit.desk import AuditDesk
from fhir.interaction.declared import Interaction
from fhir.interaction.patches import PATCHES
from fhir.interaction.request import Answer, Asker, Request
from fhir.operation.declared import Operation
from fhir.outcome import Issue
from fhir.projection.projected import House
from fhir.search.values import Found
from fhir.store.canonicals import Canonicals
from fhir.store.search import Searches
from fhir.store.unit import Units
from fhir.terminology.shelves import Terminology
from fhir.validation.check import Validator
from pacsd.access.grants import Grants
from pacsd.blobs.port import BlobStore
from pacsd.faults import PacsdError
from pacsd.identity.matching import Thresholds
from pacsd.index.connect import Pool
from pacsd.links.links import Links

Extract = Callable[[dict[str, Any]], Sequence[Found]]
Check = Callable[[Mapping[str, Any]], Sequence[Issue]]


def nothing_found(resource: dict[str, Any]) -> Sequence[Found]:
    """Where nothing is searched."""
    return ()


def nothing_wrong(resource: Mapping[str, Any]) -> Sequence[Issue]:
    """Where nothing is validated."""
    return ()


def random_id() -> str:
    """An id of a resource that came without one."""
    return str(uuid.uuid4())


class Records(Protocol):
    """fhir.audit.recording.Recording. Raises PacsdError UNAVAILABLE: then nothing is answered."""

    def done(self, request: Request, meant: Any, answer: Answer) -> None: ...
    def refused(self, request: Request, meant: Any, error: PacsdError) -> None: ...
    def unauthenticated(self, address: str) -> None: ...
    def listens(self, asker: Asker, address: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take."""

    max_body_bytes: int = 64 << 20
    max_entries: int = 10_000            # of one batch or transaction
    bundle_s: float = 300.0              # that the answers of one batch or transaction may take
    conditional_deletes: int = 1         # resources that one conditional delete may take
    max_page: int = 1_000                # entries of one page
    page: int = 50                       # where the client names no number


@dataclass(frozen=True, slots=True)
class Claims:
    """What the CapabilityStatement tells: the tables that requests are performed by."""

    interactions: tuple[Interaction, ...]
    operations: tuple[Operation, ...] = ()
    date: str = "2026-11-29"             # on which it last changed
    formats: tuple[str, ...] = ("application/fhir+json", "json")
    patch_formats: tuple[str, ...] = tuple(PATCHES)
    of_type: Mapping[str, Sequence[Interaction]] = field(default_factory=dict)   # of types kept elsewhere, no others
    searched: Mapping[str, Sequence[str]] = field(default_factory=dict)          # and what they are searched by
    topics: tuple[str, ...] = ()         # what may be subscribed to
    socket: str = ""                     # where below [base] WebSockets are opened; empty: nowhere
    instantiates: tuple[str, ...] = (    # CapabilityStatements of others that hold here
        "https://profiles.ihe.net/ITI/PIXm/CapabilityStatement/IHE.PIXm.Manager",
        "https://profiles.ihe.net/ITI/PDQm/CapabilityStatement/IHE.PDQm.PatientDemographicsSupplier",
    )


@dataclass(frozen=True, slots=True)
class Server:
    """Everything an interaction may use.

    `check` says what is wrong with a resource that is to be kept: an issue of severity error or fatal refuses it.
    `validator` says all there is to say, where a client asks.
    """

    pool: Pool
    units: Units
    perform: Callable[["Server", Request, str], Answer]  # fhir.interaction.dispatch; the path under [base]
    claims: Claims
    extract: Extract = nothing_found
    check: Check = nothing_wrong
    validator: Validator = field(default_factory=Validator)
    new_id: Callable[[], str] = random_id
    limits: Limits = Limits()
    vocabulary: Terminology = field(default_factory=Terminology)
    topics: Canonicals = field(default_factory=Canonicals)       # of subscriptions, that clients keep here
    blobs: BlobStore | None = None       # where files of bulk data are
    thresholds: Thresholds = field(default_factory=Thresholds)   # of evidence that two records are one person
    searches: Searches = field(default_factory=Searches)
    full_text: bool = True               # whether words are kept, for _text and _content
    audit: AuditDesk | None = None       # what was recorded of accesses
    recording: Records | None = None     # without one nothing is recorded
    zone: tzinfo = UTC                   # of dates in searches that name none
    grants: Grants | None = None         # opens one study or patient to others
    links: Links | None = None           # makes share links
    houses: Mapping[int, House] = field(default_factory=dict)    # organisations, by key
