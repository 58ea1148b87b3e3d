"""Writing packs: byte-identical, verified, durable before the sidecar, nothing half."""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import xxhash

from pacsd.archive.pack_file import CHUNK_BYTES, PackWriter, Piece, PieceReader, SeriesHead, WrittenPack
from pacsd.archive.sidecar import PackedInstance, SidecarIndex
from pacsd.blobs import LocalBlobs
from pacsd.blobs.ulid import Ulids
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Extent

AT = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
HEAD = SeriesHead("west", "1.2", "1.2.3", 1)


def piece(blobs: LocalBlobs, number: int, data: bytes, *, dataset_offset: int = 10) -> Piece:
    key = f"spool/west/b/{number}.dcm"
    blobs.put(key, data)
    digest = xxhash.xxh3_128_digest(data[dataset_offset:])

    def describe(reader: PieceReader, offset: int, sha256: bytes) -> PackedInstance:
        assert reader.pread(5, 3) == data[3:8]
        return PackedInstance(
            f"1.2.3.{number}", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.1.2.1", "CT", "west", offset,
            reader.size_bytes, dataset_offset, digest, sha256, AT, "", None, [("0020000D", b'{"vr":"UI"}')],
        )

    return Piece(f"1.2.3.{number}", Extent(key, 0, len(data)), dataset_offset, digest, AT, describe)


def write(blobs: LocalBlobs, pieces: Sequence[Piece], *, most: int = 1 << 30) -> tuple[list[WrittenPack], PackWriter]:
    writer = PackWriter(blobs, HEAD, max_pack_bytes=most, ulids=Ulids())
    return list(writer.write(pieces)), writer


def test_members_are_the_files_bit_by_bit(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    files = [os.urandom(1000 + number) for number in range(5)]
    (pack,), writer = write(blobs, [piece(blobs, number, data) for number, data in enumerate(files)])
    assert writer.damaged == []
    with zipfile.ZipFile(blobs.path(pack.key)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"1.2.3.{number}.dcm": data for number, data in enumerate(files)
        }
    sidecar = SidecarIndex(blobs.read(pack.sidecar_key))
    assert sidecar.head.pack == pack.key and sidecar.head.series_instance_uid == "1.2.3"
    for entry, data in zip(sidecar, files, strict=True):
        assert blobs.read(pack.key, offset_bytes=entry.offset_bytes, length_bytes=entry.length_bytes) == data
        assert entry.sha256 == hashlib.sha256(data).digest()
    assert sidecar.instances() == list(pack.instances)


def test_packs_end_at_their_limit_and_a_larger_object_is_alone(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    sizes = [3000, 3000, 3000, 20_000, 1000]
    packs, _ = write(blobs, [piece(blobs, n, os.urandom(size)) for n, size in enumerate(sizes)], most=8000)
    assert [[one.length_bytes for one in pack.instances] for pack in packs] == [
        [3000, 3000], [3000], [20_000], [1000]
    ]


def test_a_large_file_is_copied_in_bounded_pieces(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    data = os.urandom(2 * CHUNK_BYTES + 12345)
    (pack,), _ = write(blobs, [piece(blobs, 1, data, dataset_offset=CHUNK_BYTES + 5)])
    one = pack.instances[0]
    assert blobs.read(pack.key, offset_bytes=one.offset_bytes, length_bytes=one.length_bytes) == data


def test_a_damaged_file_is_left_out_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    pieces = [piece(blobs, number, os.urandom(1000)) for number in range(4)]
    with open(blobs.path(pieces[1].extent.key), "r+b") as file:
        file.seek(500)
        file.write(b"rot")
    os.truncate(blobs.path(pieces[2].extent.key), 700)
    blobs.delete([pieces[3].extent.key])
    (pack,), writer = write(blobs, pieces)
    assert [one.sop_instance_uid for one in pack.instances] == ["1.2.3.0"]
    assert [(one.sop_instance_uid, one.reason) for one in writer.damaged] == [
        ("1.2.3.1", "digest"), ("1.2.3.2", "truncated"), ("1.2.3.3", "missing")
    ]
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3


def test_only_damaged_files_make_no_pack(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    bad = piece(blobs, 1, b"x" * 100)
    blobs.delete([bad.extent.key])
    assert write(blobs, [bad])[0] == []
    assert list(blobs.list("packs/")) == []


def test_a_failure_leaves_no_half_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    pieces = [piece(blobs, number, os.urandom(1000)) for number in range(3)]
    writer = PackWriter(blobs, HEAD, max_pack_bytes=1 << 30, ulids=Ulids())
    opened = blobs.open

    def fail(key: str) -> object:
        if key == pieces[2].extent.key:
            raise PacsdError(Fault.UNAVAILABLE, "the disk is away")
        return opened(key)

    monkeypatch.setattr(blobs, "open", fail)
    with pytest.raises(PacsdError):
        list(writer.write(pieces))
    assert list(blobs.list("packs/")) == []
