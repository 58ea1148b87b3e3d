"""File Meta Information: ours is read by others, others' is read by us."""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from pacsd.codec.part10 import Receipt, build_meta, read_meta, seal
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.faults import Fault, PacsdError

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
RECEIVED_AT = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
RECEIPT = Receipt("clinic", "医院", RECEIVED_AT, 1234, bytes(range(16)))


def meta_of(receipt: Receipt | None) -> bytes:
    return build_meta(
        sop_class_uid=CT,
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=EXPLICIT,
        source_ae="SENDER",
        receiving_ae="PACSD",
        receipt=receipt,
    ).data


def test_a_receipt_comes_back() -> None:
    data = meta_of(RECEIPT)
    meta = read_meta(data + b"\x08\0\x05\0CS\0\0")
    assert meta.receipt == RECEIPT
    assert (meta.sop_class_uid, meta.sop_instance_uid, meta.source_ae) == (CT, "1.2.3", "SENDER")
    assert meta.dataset_offset == len(data)


def test_an_unsealed_receipt_is_sealed_by_a_patch() -> None:
    unsealed = Receipt("clinic", "authority", RECEIPT.received_at, -1, b"")
    meta = build_meta(
        sop_class_uid=CT, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT, receipt=unsealed
    )
    before = read_meta(meta.data).receipt
    assert before is not None and before.dataset_bytes == -1
    patched = bytearray(meta.data)
    assert meta.patch_offset is not None
    patched[meta.patch_offset : meta.patch_offset + 24] = seal(77, b"x" * 16)
    after = read_meta(bytes(patched)).receipt
    assert after is not None and (after.dataset_bytes, after.digest) == (77, b"x" * 16)
    assert after.organisation == "clinic"


def test_a_torn_receipt_is_none() -> None:
    data = bytearray(meta_of(RECEIPT))
    data[-1] ^= 0xFF
    assert read_meta(bytes(data)).receipt is None


@pytest.mark.parametrize("receipt", [None, RECEIPT])
def test_pydicom_reads_our_meta_strictly(receipt: Receipt | None) -> None:
    parsed = pydicom.dcmread(BytesIO(meta_of(receipt)))
    assert parsed.file_meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert parsed.file_meta.TransferSyntaxUID == EXPLICIT
    assert ("PrivateInformation" in parsed.file_meta) == (receipt is not None)


def test_group_two_from_a_prefix_asks_for_more() -> None:
    data = meta_of(RECEIPT)
    with pytest.raises(PacsdError) as caught:
        read_meta(data[:-10])
    assert caught.value.fault is Fault.MALFORMED


@pytest.mark.parametrize("data", [b"", b"hello world, not DICOM", bytes(500), b"PK\3\4" + bytes(200)])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(PacsdError) as caught:
        read_meta(data)
    assert caught.value.fault is Fault.MALFORMED


def test_agrees_with_pydicom_on_real_files(data_folder: Path) -> None:
    seen = 0
    for path in sorted((data_folder / "dicom").rglob("*")):
        # no_meta.dcm has a stray byte before its first tag: no reader makes sense of it
        if not path.is_file() or path.suffix == ".xml" or path.name == "no_meta.dcm":
            continue
        head = path.read_bytes()[:65536]
        reference = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=["SOPClassUID"])
        meta = read_meta(head)
        declared = reference.file_meta.get("TransferSyntaxUID") if hasattr(reference, "file_meta") else None
        seen += 1
        if declared is not None:
            assert meta.transfer_syntax_uid == declared, path.name
            continue
        guessed = transfer_syntax(meta.transfer_syntax_uid)
        assert (guessed.implicit, not guessed.big_endian) == reference.original_encoding, path.name
    assert seen > 100
