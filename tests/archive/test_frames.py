"""Frames read from stored objects as explicit VR little endian has them, whatever they are stored in (PS3.18 8.7.3)."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from pacsd.archive.frames import Frames
from pacsd.archive.retrieve import InstanceRef
from pacsd.blobs import LocalBlobs
from pacsd.codec.convert import CONVERTIBLE, converted
from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.pixels import decode_frame
from pacsd.index.records import Extent
from tests.codec.images import EXPLICIT, cells_of, image_of

BIG = "1.2.840.10008.1.2.2"


def frames_of(data: bytes, syntax: str, folder: Path, *, count: int = 2) -> list[bytes]:
    """The frames of a data set, as the archive reads them."""
    blobs = LocalBlobs(folder, reserve_bytes=0)
    blobs.put("spool/one", data)
    ref = InstanceRef("1", "2", "3", "4", syntax, Extent("spool/one", 0, len(data)), 0, {})
    archive: Any = SimpleNamespace()
    found = Frames(archive, blobs, archive).of(ref, range(1, count + 1))
    assert found.transfer_syntax_uid == EXPLICIT
    return [b"".join(chunks) for _, chunks in found.frames]


@pytest.mark.parametrize("syntax", CONVERTIBLE)
@pytest.mark.parametrize(("bits", "vr"), [(1, "OB"), (8, "OB"), (8, "OW"), (16, "OW"), (32, "OW")])
def test_native_frames_are_the_same_in_every_uncompressed_syntax(
    syntax: str, bits: int, vr: str, tmp_path: Path
) -> None:
    """Words of big endian objects change places; a byte in a word (8 bits in OW) goes with it (PS3.5 7.3, 8.1.1)."""
    description = PixelDescription(3, 6, 1, bits, bits, bits - 1)
    cells = [cells_of(description, seed) for seed in (1, 2)]
    stored = image_of(description, cells).read()
    stored["PixelData"].VR = vr
    data = b"".join(converted([written(stored)], source=EXPLICIT, target=syntax))
    for frame, expected in zip(frames_of(data, syntax, tmp_path), cells, strict=True):
        assert np.array_equal(decode_frame(frame, EXPLICIT, description), expected)


def written(dataset: pydicom.Dataset) -> bytes:
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = False, True
    write_dataset(out, dataset)
    return out.getvalue()


def test_real_big_endian_files_are_what_their_little_endian_twins_are(data_folder: Path, tmp_path: Path) -> None:
    small = data_folder / "dicom" / "transfer_syntax" / "small"
    for name, twin in (("MR_small_bigendian", "MR_small"), ("SC_rgb_small_odd_big_endian", "SC_rgb_small_odd")):
        stored = pydicom.dcmread(small / f"{name}.dcm")
        content = (small / f"{name}.dcm").read_bytes()
        start = 144 + stored.file_meta.FileMetaInformationGroupLength
        [frame] = frames_of(content[start:], BIG, tmp_path / name, count=1)
        theirs = pydicom.dcmread(small / f"{twin}.dcm").PixelData
        assert frame == theirs[: len(frame)], name
