"""Data sets on their way out: where an edge may let the kernel send them."""

import os
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pacsd.archive.image_headers import ImageHeaders
from pacsd.archive.received import as_declared
from pacsd.archive.retrieve import DatasetReader, FileRange, InstanceRef, read
from pacsd.blobs.local import LocalBlobs
from pacsd.codec.part10 import Receipt, build_meta
from pacsd.index.records import Extent

EXPLICIT = "1.2.840.10008.1.2.1"


def reader(folder: Path, extent: Extent, **overlay: None) -> DatasetReader:
    blobs = LocalBlobs(folder, reserve_bytes=0)
    blobs.put("packs/one", b"before" + b"meta" + b"data set" + b"behind")
    return DatasetReader(blobs, InstanceRef("1", "2", "3", "4", EXPLICIT, extent, 4, overlay))


def test_a_plain_data_set_is_a_range_of_its_file(tmp_path: Path) -> None:
    with reader(tmp_path, Extent("packs/one", 6, 12)) as opened:
        where = opened.file_range
        assert isinstance(where, FileRange)
        data = os.pread(where.descriptor, where.size_bytes, where.offset_bytes)
        assert data == b"data set" == b"".join(opened.chunks())


def test_a_corrected_or_truncated_one_is_not(tmp_path: Path) -> None:
    with reader(tmp_path / "a", Extent("packs/one", 6, 12), **{"00100010": None}) as opened:
        assert opened.file_range is None
    with reader(tmp_path / "b", Extent("packs/one", 6, 999)) as opened:
        assert opened.file_range is None


def cyrillic(folder: Path) -> tuple[LocalBlobs, InstanceRef]:
    """An object of an AE that declares ISO_IR 100 and sends ISO_IR 144, which nobody could tell from its bytes."""
    dataset = b"".join(
        struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value
        for tag, vr, value in (
            (0x00080005, b"CS", b"ISO_IR 100"), (0x00080080, b"LO", "Больница".encode("iso8859_5")),
            (0x00100010, b"PN", b"A^B "), (0x00280010, b"US", b"\1\0"),
        )
    )  # fmt: skip
    dataset += struct.pack("<HH2s2xI", 0x7FE0, 0x0010, b"OW", 2) + b"\x01\x02"
    receipt = Receipt("east", "east", datetime(2026, 1, 1, tzinfo=UTC), len(dataset), bytes(16))
    meta = build_meta(
        sop_class_uid="1.2", sop_instance_uid="1.3", transfer_syntax_uid=EXPLICIT, source_ae="OLD", receipt=receipt
    ).data
    blobs = LocalBlobs(folder, reserve_bytes=0)
    blobs.put("packs/one", meta + dataset)
    extent = Extent("packs/one", 0, len(meta) + len(dataset))
    overlay = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "張三"}]}}
    return blobs, InstanceRef("1", "2", "3", "4", EXPLICIT, extent, len(meta), overlay)


def known(organisation: str, source_ae: str) -> str | None:
    return {("east", "OLD"): "ISO_IR 144"}.get((organisation, source_ae))


def test_what_a_sender_really_writes_counts_when_its_text_is_corrected_and_drawn(tmp_path: Path) -> None:
    blobs, ref = cyrillic(tmp_path)
    with DatasetReader(blobs, ref, known) as opened:
        corrected = b"".join(opened.chunks())
    assert "Больница".encode() in corrected and "張三".encode() in corrected
    assert ImageHeaders(blobs, known)(ref).text("InstitutionName") == "Больница"


def test_behind_a_correction_the_stored_bytes_are_given_as_their_place(tmp_path: Path) -> None:
    for character_set_of in (as_declared, known):
        blobs, ref = cyrillic(tmp_path / character_set_of.__name__)
        overlay = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "C^D"}]}}
        ref = replace(ref, overlay=overlay, overlaid_at=datetime(2026, 1, 2, tzinfo=UTC))
        with DatasetReader(blobs, ref, character_set_of) as opened:
            whole, pieces = b"".join(opened.chunks()), list(opened.pieces())
            places = [one for one in pieces if isinstance(one, FileRange)]
            assert len(places) == 1 and pieces[-1] is places[0] and places[0].size_bytes == 14
            assert b"".join(read(iter(pieces), 3)) == whole
        assert b"C^D" in whole and b"A^B" in whole
