"""What a sidecar says about a Part 10 file: its metadata as DICOM JSON members and where its frames are."""

import logging
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import orjson

from pacsd.archive.pack_file import CHUNK_BYTES, PieceReader
from pacsd.archive.sidecar import PackedInstance
from pacsd.archive.sidecar_metadata import PIVOT, Member
from pacsd.codec.dicom_json import members
from pacsd.codec.frames import FrameTable, frame_extents
from pacsd.codec.part10 import FileMeta, read_meta
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import LooseInstance

META_BYTES = 1 << 16
MAX_READ_BYTES = 64 << 20                # of a file that cannot be mapped: enough for any header

_UNTELLABLE = frozenset((Fault.MALFORMED, Fault.TOO_MUCH, Fault.UNSUPPORTED))
log = logging.getLogger("pacsd.archive")

CharacterSetOf = Callable[[str], str | None]     # source AE -> what its objects are really written in


def describer(
    loose: LooseInstance, study_instance_uid: str, assigning_authority: str, character_set_of: CharacterSetOf
) -> Callable[[PieceReader, int, bytes], PackedInstance]:
    """Describes one loose instance once its place in the pack and its SHA-256 are known."""

    def describe(reader: PieceReader, offset_bytes: int, sha256: bytes) -> PackedInstance:
        meta = read_meta(reader.pread(META_BYTES, 0))
        receipt = meta.receipt
        found, frames = described(reader, meta, character_set_of(meta.source_ae))
        return PackedInstance(
            loose.sop_instance_uid, loose.sop_class_uid, loose.transfer_syntax_uid, meta.source_ae,
            assigning_authority if receipt is None else receipt.assigning_authority,
            offset_bytes, reader.size_bytes, loose.dataset_offset_bytes, loose.digest, sha256, loose.received_at,
            loose.attributes, frames, _with_study(found, study_instance_uid),
        )

    return describe


def described(
    reader: PieceReader, meta: FileMeta, character_set: str | None
) -> tuple[list[Member], FrameTable | None]:
    """Metadata and frames of one file, in bounded memory also where the file is larger than that.

    A data set that cannot be walked to its end is told as far as it goes: it was received, so it must be findable.
    """
    with _data_set(reader, meta) as view:
        found = _members(view, meta, character_set)
    return found, _frames(reader, meta)


def _members(view: memoryview, meta: FileMeta, character_set: str | None) -> list[Member]:
    try:
        return members(view, meta.transfer_syntax_uid, override=character_set)
    except PacsdError as error:
        if error.fault not in _UNTELLABLE:
            raise
        log.warning("metadata of an object cannot be told", extra={"sop": meta.sop_instance_uid})
        return [("00080016", _uid(meta.sop_class_uid)), ("00080018", _uid(meta.sop_instance_uid))]


def _with_study(found: list[Member], study_instance_uid: str) -> list[Member]:
    """Study Instance UID is in every sidecar, whatever a broken data set shows of it."""
    if any(tag == PIVOT for tag, _ in found):
        return found
    return sorted([*found, (PIVOT, _uid(study_instance_uid))])


def _uid(uid: str) -> bytes:
    return orjson.dumps({"vr": "UI", "Value": [uid]})


def _frames(reader: PieceReader, meta: FileMeta) -> FrameTable | None:
    try:
        return frame_extents(
            reader, offset_bytes=meta.dataset_offset, length_bytes=reader.size_bytes - meta.dataset_offset,
            transfer_syntax_uid=meta.transfer_syntax_uid,
        )
    except PacsdError as error:
        if error.fault not in _UNTELLABLE:
            raise
        return None                      # received all the same; whoever asks for a frame is told why there is none


@contextmanager
def _data_set(reader: PieceReader, meta: FileMeta) -> Iterator[memoryview]:
    """The data set as one buffer: mapped where it is large and local, read otherwise."""
    descriptor = reader.fileno()
    if reader.size_bytes <= CHUNK_BYTES or descriptor is None:
        yield memoryview(reader.pread(min(reader.size_bytes, MAX_READ_BYTES), 0))[meta.dataset_offset :]
        return
    start = reader.base_bytes + meta.dataset_offset
    page = start - start % mmap.ALLOCATIONGRANULARITY
    end = reader.base_bytes + reader.size_bytes
    with mmap.mmap(descriptor, end - page, offset=page, access=mmap.ACCESS_READ) as mapped:
        mapped.madvise(mmap.MADV_RANDOM)         # only headers are touched, never the pixels between them
        with memoryview(mapped) as whole, whole[start - page :] as view:
            yield view
