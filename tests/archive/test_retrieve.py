"""Data sets on their way out: where an edge may let the kernel send them."""

import os
from pathlib import Path

from pacsd.archive.retrieve import DatasetReader, FileRange, InstanceRef
from pacsd.blobs.local import LocalBlobs
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
