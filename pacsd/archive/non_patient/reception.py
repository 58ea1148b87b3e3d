"""Receiving an instance that belongs to no patient: aside, durable under its own name, visible, and then answered.

Blob and row are made while nobody else stores or deletes the same instance. What a process that died left between the
two was never acknowledged: the next one of the same UID takes it away.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
import xxhash

from pacsd.access.directory import Peer
from pacsd.archive.non_patient.models import MODEL_OF_CLASS
from pacsd.archive.pack_file import PieceReader
from pacsd.archive.received import read_receipt
from pacsd.blobs.port import BlobStore
from pacsd.blobs.ulid import Ulids
from pacsd.codec.dicom_json import members
from pacsd.codec.header import Header, scan
from pacsd.codec.part10 import FileMeta, Receipt, build_meta
from pacsd.faults import Fault, PacsdError
from pacsd.index import non_patient as rows
from pacsd.index.connect import Pool
from pacsd.index.non_patient import NonPatientRow
from pacsd.index.records import Extent, Outcome
from pacsd.index.rows import dumps

PREFIX = "non-patient/"
MAX_BYTES = 64 << 20                     # an object is read as a whole, to be searched by and told as JSON
SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
_LAST_TAG = 0x7FDFFFFF                   # scanned for, so that the whole data set has to be there
_ULIDS = Ulids()
_KEYABLE_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


class Scratch(Protocol):
    """Room on the disk while the object arrives."""

    @property
    def size_bytes(self) -> int: ...

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def read(self, offset_bytes: int, length_bytes: int) -> Iterator[bytes]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """An instance that is durable and indexed; it has no study and no series."""

    outcome: Outcome
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What may be received here: some storage classes, and maybe a single instance."""

    classes: frozenset[str]
    sop_instance_uid: str | None = None

    def check(self, sop_class_uid: str, sop_instance_uid: str) -> None:
        """Raises PacsdError UNSUPPORTED, MISMATCH, MALFORMED."""
        if sop_class_uid not in self.classes:
            raise PacsdError(Fault.UNSUPPORTED, "instances of this SOP class are not kept here")
        if self.sop_instance_uid not in (None, sop_instance_uid):
            raise PacsdError(Fault.MISMATCH, "the SOP Instance UID (0008,0018) is not that of the resource")
        if not _KEYABLE_UID.fullmatch(sop_instance_uid):
            raise PacsdError(Fault.MALFORMED, "the SOP Instance UID (0008,0018) is missing or not a UID")


class Reception:
    """One instance on its way in. A failure in `write` is kept and raised by `commit`: the sender is heard out."""

    def __init__(
        self, blobs: BlobStore, pool: Pool, scratch: Callable[[], Scratch], peer: Peer, *,
        wanted: Wanted, received_at: datetime, receiving_ae: str = "",
    ) -> None:  # fmt: skip
        self._blobs = blobs
        self._pool = pool
        self._open = scratch
        self._peer = peer
        self._wanted = wanted
        self._received_at = received_at
        self._receiving_ae = receiving_ae
        self._source_ae = peer.title
        self._scratch: Scratch | None = None
        self._digest = xxhash.xxh3_128()
        self._failure: PacsdError | None = None
        self._transfer_syntax_uid = ""
        self.sop_class_uid = ""
        self.sop_instance_uid = ""

    def expect(
        self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, *, source_ae: str | None = None,
        study_instance_uid: str | None = None, header: Header | None = None,
    ) -> None:  # fmt: skip
        """What the envelope says; the data set has to agree."""
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid
        self._transfer_syntax_uid = transfer_syntax_uid
        if source_ae is not None:
            self._source_ae = source_ae
        try:
            self._wanted.check(sop_class_uid, sop_instance_uid)
        except PacsdError as error:
            self.fail(error)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The next bytes of the data set; the buffer may be used again on return."""
        if self._failure is not None:
            return
        try:
            if self._scratch is None:
                self._scratch = self._open()
            if self._scratch.size_bytes + len(data) > MAX_BYTES:
                raise PacsdError(Fault.TOO_MUCH, f"an instance of no patient may have {MAX_BYTES} bytes")
            self._scratch.write(data)
            self._digest.update(data)
        except PacsdError as error:
            self.fail(error)

    def commit(self) -> Accepted:
        """Make it durable, then visible.

        Raises PacsdError: MALFORMED, MISMATCH, UNSUPPORTED, TOO_MUCH, FULL, CONFLICT (other bytes are kept under this
        SOP Instance UID, and stay), UNAVAILABLE.
        """
        try:
            if self._failure is not None:
                raise self._failure
            if self._scratch is None:
                raise PacsdError(Fault.MALFORMED, "the data set is empty")
            return self._commit(self._scratch)
        finally:
            self.abort()

    def abort(self) -> None:
        """Forget the instance (the sender went away)."""
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    def fail(self, error: PacsdError) -> None:
        """Refuse what is coming; `commit` will raise `error`."""
        self._failure = error
        self.abort()

    def _commit(self, scratch: Scratch) -> Accepted:
        dataset = b"".join(scratch.read(0, scratch.size_bytes))
        receipt = Receipt(
            self._peer.organisation_code, self._peer.assigning_authority, self._received_at, len(dataset),
            self._digest.digest(),
        )  # fmt: skip
        meta = build_meta(
            sop_class_uid=self.sop_class_uid, sop_instance_uid=self.sop_instance_uid,
            transfer_syntax_uid=self._transfer_syntax_uid, source_ae=self._source_ae,
            receiving_ae=self._receiving_ae, receipt=receipt,
        ).data  # fmt: skip
        folder = f"{PREFIX}{self._peer.organisation_code}/{self.sop_instance_uid}/"
        row = NonPatientRow(
            self._peer.organisation, self.sop_instance_uid, self.sop_class_uid, self._transfer_syntax_uid,
            f"{folder}{_ULIDS()}.dcm", len(meta) + len(dataset), len(meta), receipt.digest, self._received_at,
            self._understood(dataset),
        )  # fmt: skip
        with rows.holding(self._pool, row.organisation, row.sop_instance_uid) as connection:
            before = rows.kept(connection, row.organisation, row.sop_instance_uid)
            if before is None:
                self._blobs.delete([info.key for info in self._blobs.list(folder)])
                self._write(row.key, meta, dataset)
                rows.insert(connection, row)
        return self._accepted(row, before)

    def _write(self, key: str, meta: bytes, dataset: bytes) -> None:
        writer = self._blobs.create(key)
        try:
            writer.write(meta)
            writer.write(dataset)
            writer.commit()
        finally:
            writer.abort()

    def _accepted(self, row: NonPatientRow, before: NonPatientRow | None) -> Accepted:
        if before is not None and (before.digest, before.transfer_syntax_uid) != (row.digest, row.transfer_syntax_uid):
            raise PacsdError(Fault.CONFLICT, "another object has this SOP Instance UID; the first is kept")
        outcome = Outcome.STORED if before is None else Outcome.DUPLICATE
        return Accepted(outcome, self.sop_class_uid, self.sop_instance_uid)

    def _understood(self, dataset: bytes) -> str:
        """What the index will be told. Raises PacsdError MALFORMED, MISMATCH."""
        tags = frozenset((SOP_CLASS_UID, SOP_INSTANCE_UID, _LAST_TAG))
        header = scan(dataset, self._transfer_syntax_uid, tags=tags, to_pixels=True)
        if header.reaches > len(dataset) + len(dataset) % 2:
            raise PacsdError(Fault.MALFORMED, "the data set ends inside its last value")
        for tag, expected in ((SOP_CLASS_UID, self.sop_class_uid), (SOP_INSTANCE_UID, self.sop_instance_uid)):
            if header.text(tag) != expected:
                raise PacsdError(Fault.MISMATCH, f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is not what was announced")
        return searched(dataset, self.sop_class_uid, self._transfer_syntax_uid, self._peer.character_set)


def searched(dataset: bytes, sop_class_uid: str, transfer_syntax_uid: str, character_set: str | None) -> str:
    """The attributes of its information model, as the text of a DICOM JSON object."""
    model = MODEL_OF_CLASS[sop_class_uid]
    found = members(dataset, transfer_syntax_uid, override=character_set, by_uri=False)
    attributes: Mapping[str, Any] = {tag: orjson.loads(text) for tag, text in found if tag in model.tags}
    return dumps(attributes)


def row_of(blobs: BlobStore, key: str, organisation: int, character_set: str | None) -> NonPatientRow:
    """What the index has to know of a stored blob. Raises PacsdError NOT_FOUND, MALFORMED if it is damaged."""
    with blobs.open(key) as blob:
        extent = Extent(key, 0, blob.size_bytes)
        meta = read_receipt(PieceReader(blob, extent))
        if meta is None or meta.receipt is None or meta.sop_class_uid not in MODEL_OF_CLASS:
            raise PacsdError(Fault.MALFORMED, f"{key} is damaged")
        dataset = blob.pread(blob.size_bytes - meta.dataset_offset, meta.dataset_offset)
    _check(key, dataset, meta)
    return NonPatientRow(
        organisation, meta.sop_instance_uid, meta.sop_class_uid, meta.transfer_syntax_uid, key, extent.length_bytes,
        meta.dataset_offset, meta.receipt.digest, meta.receipt.received_at,
        searched(dataset, meta.sop_class_uid, meta.transfer_syntax_uid, character_set),
    )  # fmt: skip


def _check(key: str, dataset: bytes, meta: FileMeta) -> None:
    if meta.receipt is None or xxhash.xxh3_128(dataset).digest() != meta.receipt.digest:
        raise PacsdError(Fault.MALFORMED, f"{key} is damaged")
