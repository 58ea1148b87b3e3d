"""What the rooms hand to the index and get back from it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pacsd.codec.header import Header


class Extent(NamedTuple):
    """A Part 10 file inside a blob: a whole spool file, or one member of a pack. Bytes from the start of the blob."""

    key: str
    offset_bytes: int
    length_bytes: int


class Arrival(NamedTuple):
    """One durable object that the index does not show yet."""

    organisation: int
    assigning_authority: str             # of patient ids that name no issuer
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    extent: Extent
    dataset_offset_bytes: int            # from the start of the extent
    digest: bytes                        # xxh3_128 of the data set, 16 bytes
    received_at: datetime
    source_ae: str
    header: "Header"
    # of the raw patient, study and series values: equal means nothing new to index above the instance
    fingerprint: bytes
    attributes: str                      # instance-level DICOM JSON members text (described.instance_members)
    character_set: str | None = None     # per-AE override of what the object declares


class Outcome(Enum):
    """What became of an arrival."""

    STORED = "stored"
    DUPLICATE = "duplicate"              # the same bytes are already kept: success, nothing changed
    CONFLICT = "conflict"                # the same SOP Instance UID of this organisation holds other bytes
    REJECTED = "rejected"                # the instance was rejected before and must not come back


class Stored(NamedTuple):
    """The answer for one arrival; `existing` locates what was there before (DUPLICATE, CONFLICT).

    A CONFLICT without `existing` is not decided yet: the instance may be in a pack of the series with the key
    `packed_series`, whose sidecar holds the digest to compare (`locate.by_series`).
    """

    outcome: Outcome
    existing: Extent | None = None
    packed_series: int | None = None


@dataclass(frozen=True, slots=True)
class LooseInstance:
    """A received instance that is not packed yet."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    extent: Extent
    dataset_offset_bytes: int
    digest: bytes
    received_at: datetime
    attributes: str                      # instance-level DICOM JSON members text


@dataclass(frozen=True, slots=True)
class PackRow:
    """One immutable pack of a series."""

    pack: int
    key: str
    sidecar_key: str
    generation: int
    instances: int
    size_bytes: int
    examined: bool = False               # whether an alternate was made of it, or found to be of no use
    alternate_key: str = ""              # of its instances coded otherwise, where there are any
    alternate_sidecar_key: str = ""
    alternate_instances: int = 0
    alternate_bytes: int = 0
    thin: bool | None = None             # whether it was made thin by that; None: nobody decided yet

    @property
    def alternate(self) -> "PackRow | None":
        """The pack of the same series that holds some of its instances in another coding."""
        if not self.alternate_key:
            return None
        return PackRow(
            self.pack, self.alternate_key, self.alternate_sidecar_key, self.generation, self.alternate_instances,
            self.alternate_bytes,
        )


@dataclass(frozen=True, slots=True)
class SeriesContent:
    """One visible series: where its instances are, what must be hidden, what overlays apply."""

    series: int
    study: int
    organisation: int
    study_instance_uid: str
    series_instance_uid: str
    packs: tuple[PackRow, ...]
    loose: tuple[LooseInstance, ...]
    rejected: frozenset[str] = frozenset()                      # SOP Instance UIDs
    # 8-hex tag -> DICOM JSON attribute; None: taken away
    overlay: dict[str, dict[str, object] | None] = field(default_factory=dict)
    # packed SOP Instance UIDs that a loose instance replaces
    replaced: frozenset[str] = frozenset()
    overlaid_at: datetime | None = None                         # when the overlay was last changed
