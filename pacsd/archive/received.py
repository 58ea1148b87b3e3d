"""Reading back what was received: a Part 10 file of ours, its receipt, and whether the two agree."""

from collections.abc import Callable
from dataclasses import dataclass

from pacsd.archive.pack_file import PieceReader, checksums
from pacsd.codec.header import Header, NeedMoreData, fingerprint, scan
from pacsd.codec.part10 import FileMeta, Receipt, read_meta
from pacsd.faults import Fault, PacsdError
from pacsd.index.described import instance_members
from pacsd.index.records import Arrival, Extent

STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
FIRST_LOOK_BYTES = 1 << 16
MAX_HEADER_BYTES = 64 << 20
_META_LOOK_BYTES = 1 << 11               # group 2 as this archive writes it takes a quarter

CharacterSetOf = Callable[[str, str], str | None]        # organisation code, source AE -> what it really writes


@dataclass(frozen=True, slots=True)
class Received:
    """A complete file: its group 2, its receipt and the indexed part of its data set."""

    extent: Extent
    meta: FileMeta
    receipt: Receipt
    header: Header

    def arrival(self, organisation: int, character_set: str | None) -> Arrival:
        """The same arrival that receiving made of it."""
        return Arrival(
            organisation=organisation,
            assigning_authority=self.receipt.assigning_authority,
            sop_class_uid=self.meta.sop_class_uid,
            sop_instance_uid=self.meta.sop_instance_uid,
            study_instance_uid=self.header.text(STUDY_INSTANCE_UID),
            series_instance_uid=self.header.text(SERIES_INSTANCE_UID),
            transfer_syntax_uid=self.meta.transfer_syntax_uid,
            extent=self.extent,
            dataset_offset_bytes=self.meta.dataset_offset,
            digest=self.receipt.digest,
            received_at=self.receipt.received_at,
            source_ae=self.meta.source_ae,
            header=self.header,
            fingerprint=fingerprint(self.header),
            attributes=instance_members(self.header, character_set),
            character_set=character_set,
        )


def read_receipt(reader: PieceReader) -> FileMeta | None:
    """Group 2 of a file whose receipt is sealed and says how long the file is; None for an incomplete file."""
    try:
        meta = read_meta(reader.pread(FIRST_LOOK_BYTES, 0))
    except PacsdError as error:
        if error.fault is not Fault.MALFORMED:
            raise
        return None
    receipt = meta.receipt
    if receipt is None or receipt.dataset_bytes < 0:
        return None
    return meta if meta.dataset_offset + receipt.dataset_bytes == reader.size_bytes else None


def read_received(reader: PieceReader, extent: Extent, *, verify: bool = True) -> Received | None:
    """A complete file as it was received, or None if its receipt does not verify.

    With `verify` the whole data set is read and its digest compared; without, only the head is read.
    """
    meta = read_receipt(reader)
    if meta is None or meta.receipt is None:
        return None
    if verify and checksums(reader, meta.dataset_offset).digest != meta.receipt.digest:
        return None
    return Received(extent, meta, meta.receipt, read_header(reader, meta))


def as_declared(organisation: str, source_ae: str) -> None:
    """A CharacterSetOf that knows of nobody who declares another character set than it writes."""


def true_character_set(reader: PieceReader, character_set_of: CharacterSetOf) -> str | None:
    """The character set that a file's sender is known to write, None where it is what it declares."""
    try:
        meta = read_meta(reader.pread(_META_LOOK_BYTES, 0))
    except NeedMoreData:
        meta = read_meta(reader.pread(FIRST_LOOK_BYTES, 0))
    return character_set_of(meta.receipt.organisation if meta.receipt is not None else "", meta.source_ae)


def read_header(reader: PieceReader, meta: FileMeta) -> Header:
    """The indexed elements, reading no more of the file than they take. Raises PacsdError MALFORMED, TOO_MUCH."""
    size = reader.size_bytes - meta.dataset_offset
    look = min(FIRST_LOOK_BYTES, size)
    while look < size:
        try:
            return scan(reader.pread(look, meta.dataset_offset), meta.transfer_syntax_uid, complete=False)
        except NeedMoreData as short:
            if look > MAX_HEADER_BYTES:
                raise PacsdError(Fault.TOO_MUCH, "the header does not end within its limit") from short
            look = min(max(2 * look, short.wanted_bytes), size)
    return scan(reader.pread(size, meta.dataset_offset), meta.transfer_syntax_uid)
