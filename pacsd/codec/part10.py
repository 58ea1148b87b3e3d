"""File Meta Information (PS3.10 section 7.1): ours, with a receipt, and other people's."""

import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from pacsd.codec.structure import (
    UNDEFINED,
    Bytes,
    MalformedDataset,
    NeedMoreData,
    element_head,
    looks_implicit,
)
from pacsd.codec.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from pacsd.faults import Fault, PacsdError

IMPLEMENTATION_CLASS_UID = "2.25.39502644292433311427370980868275121105"
IMPLEMENTATION_VERSION_NAME = "PACSD_0_1"
RECEIPT_CREATOR_UID = IMPLEMENTATION_CLASS_UID + ".1"     # 2.25 UIDs may be extended (X.667 6.2)

MAX_META_BYTES = 1024 * 1024
_PREAMBLE = bytes(128) + b"DICM"
_LONG = frozenset(("OB", "UN"))

# Private Information (0002,0102): what is patched at the end stands first.
_SEAL = struct.Struct("<Q16s")            # data set length, digest
_FACTS = struct.Struct("<qHHI")           # received_at in microseconds, lengths of the two names, CRC-32
_UNSEALED_BYTES = 2**64 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Receipt(NamedTuple):
    """What the archive knows about an object beyond its bytes, kept in its own file.

    `digest` is xxh3_128 of the data set's bytes as received, `dataset_bytes` their number; both are unset
    (-1 and zeros) in a file whose writing did not finish.
    """

    organisation: str
    assigning_authority: str
    received_at: datetime
    dataset_bytes: int
    digest: bytes


class Meta(NamedTuple):
    """Preamble, prefix and group 2, and where in it `seal` belongs (None without a receipt)."""

    data: bytes
    patch_offset: int | None


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What a file says about itself; empty text where it says nothing. `dataset_offset` in bytes."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    source_ae: str
    dataset_offset: int
    receipt: Receipt | None


def build_meta(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    source_ae: str = "",
    receiving_ae: str = "",
    receipt: Receipt | None = None,
) -> Meta:
    """Everything of a Part 10 file before its data set (PS3.10 Table 7.1-1).

    With a receipt of `dataset_bytes` < 0 the file is unsealed until `seal` is written at `patch_offset`.
    Raises PacsdError MALFORMED for text that is not of the default repertoire.
    """
    before, behind = _around_instance(sop_class_uid, transfer_syntax_uid, source_ae, receiving_ae)
    body = before + _element(0x0003, "UI", _ascii(sop_instance_uid)) + behind
    patch_offset = None
    if receipt is not None:
        body += _RECEIPT_CREATOR
        patch_offset = len(_PREAMBLE) + 12 + len(body) + 12
        body += _element(0x0102, "OB", _encode_receipt(receipt))
    length = _element(0x0000, "UL", len(body).to_bytes(4, "little"))
    return Meta(_PREAMBLE + length + body, patch_offset)


@lru_cache(maxsize=256)
def _around_instance(
    sop_class_uid: str, transfer_syntax_uid: str, source_ae: str, receiving_ae: str
) -> tuple[bytes, bytes]:
    """What stands before SOP Instance UID and behind it: the same for all objects of a series. Raises as build_meta."""
    before = _element(0x0001, "OB", b"\0\1") + _element(0x0002, "UI", _ascii(sop_class_uid))
    behind = b"".join((
        _element(0x0010, "UI", _ascii(transfer_syntax_uid)),
        _element(0x0012, "UI", IMPLEMENTATION_CLASS_UID.encode()),
        _element(0x0013, "SH", IMPLEMENTATION_VERSION_NAME.encode()),
        _element(0x0016, "AE", _ascii(source_ae)) if source_ae else b"",
        _element(0x0018, "AE", _ascii(receiving_ae)) if receiving_ae else b"",
    ))
    return before, behind


def seal(dataset_bytes: int, digest: bytes) -> bytes:
    """The 24 bytes to patch in at `Meta.patch_offset` once length and digest are known."""
    return _SEAL.pack(dataset_bytes, digest)


def read_meta(head: Bytes) -> FileMeta:
    """The File Meta Information at the start of a file, however poor, and where the data set begins.

    Tolerates a missing preamble, group length, whole group 2 or transfer syntax (then guessed from the first
    element). `head` should hold the first 64 KiB. Raises NeedMoreData when group 2 does not end within it,
    PacsdError MALFORMED when this is no DICOM file.
    """
    start = 132 if bytes(head[128:132]) == b"DICM" else 4 if bytes(head[:4]) == b"DICM" else 0
    end = min(len(head), MAX_META_BYTES)
    values: dict[int, bytes] = {}
    at = start
    while at + 8 <= end and head[at] == 2 and head[at + 1] == 0:
        group2 = element_head(head, at, end, implicit=looks_implicit(head[at : at + 8], implicit=False),
                              big_endian=False)
        at = group2.value_at + group2.length
        if group2.length == UNDEFINED:
            raise MalformedDataset("File Meta Information holds a value of undefined length")
        if at > end:
            if at > MAX_META_BYTES:
                raise MalformedDataset("File Meta Information too long")
            raise NeedMoreData(at)
        values[group2.tag & 0xFFFF] = bytes(head[group2.value_at : at])
    syntax = _text(values, 0x0010) or _guess_syntax(head[at : at + 8], marked=start > 0)
    return FileMeta(
        sop_class_uid=_text(values, 0x0002),
        sop_instance_uid=_text(values, 0x0003),
        transfer_syntax_uid=syntax,
        source_ae=_text(values, 0x0016),
        dataset_offset=at,
        receipt=_decode_receipt(values),
    )


def _guess_syntax(first: Bytes, *, marked: bool) -> str:
    """The transfer syntax by the first element: its group number is small in the order it was written."""
    if len(first) < 8:
        if marked:
            return IMPLICIT_VR_LITTLE_ENDIAN
        raise PacsdError(Fault.MALFORMED, "not a DICOM file")
    little, big = int.from_bytes(first[:2], "little"), int.from_bytes(first[:2], "big")
    implicit = looks_implicit(first, implicit=True)
    if not marked and not (0 < little <= 0x20 or 0 < big <= 0x20):
        raise PacsdError(Fault.MALFORMED, "not a DICOM file")
    if implicit:
        return IMPLICIT_VR_LITTLE_ENDIAN
    return EXPLICIT_VR_BIG_ENDIAN if little >= 0x400 else EXPLICIT_VR_LITTLE_ENDIAN


def _element(element: int, vr: str, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB") else b" "
    if vr in _LONG:
        return struct.pack("<HH2sHI", 2, element, vr.encode(), 0, len(value)) + value
    return struct.pack("<HH2sH", 2, element, vr.encode(), len(value)) + value


_RECEIPT_CREATOR = _element(0x0100, "UI", RECEIPT_CREATOR_UID.encode())


def _ascii(text: str) -> bytes:
    if not text.isascii() or len(text) > 0xFF:
        raise PacsdError(Fault.MALFORMED, "a UID or AE title is too long or not of the default repertoire")
    return text.encode("ascii")


def _text(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").decode("ascii", "replace").strip(" \0")


def _encode_receipt(receipt: Receipt) -> bytes:
    names = receipt.organisation.encode(), receipt.assigning_authority.encode()
    received_us = (receipt.received_at - _EPOCH) // timedelta(microseconds=1)
    facts = struct.pack("<qHH", received_us, len(names[0]), len(names[1])) + b"".join(names)
    sealed = receipt.dataset_bytes >= 0
    return b"".join((
        seal(receipt.dataset_bytes if sealed else _UNSEALED_BYTES, receipt.digest if sealed else bytes(16)),
        _FACTS.pack(received_us, len(names[0]), len(names[1]), zlib.crc32(facts)),
        *names,
    ))


def _decode_receipt(values: dict[int, bytes]) -> Receipt | None:
    """Our receipt; None where there is none, it is another program's, or it is torn."""
    raw = values.get(0x0102, b"")
    if _text(values, 0x0100) != RECEIPT_CREATOR_UID or len(raw) < _SEAL.size + _FACTS.size:
        return None
    dataset_bytes, digest = _SEAL.unpack_from(raw)
    received_us, first, second, checksum = _FACTS.unpack_from(raw, _SEAL.size)
    names = raw[_SEAL.size + _FACTS.size :][: first + second]
    if zlib.crc32(struct.pack("<qHH", received_us, first, second) + names) != checksum:
        return None
    return Receipt(
        organisation=names[:first].decode(),
        assigning_authority=names[first:].decode(),
        received_at=_EPOCH + timedelta(microseconds=received_us),
        dataset_bytes=-1 if dataset_bytes == _UNSEALED_BYTES else dataset_bytes,
        digest=digest,
    )
