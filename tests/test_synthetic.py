"""The makers of test objects keep their own promises."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.synthetic import (
    NAMES,
    UNCOMPRESSED,
    compressed_object,
    ct_slice,
    dataset_bytes,
    multiframe_frame,
    small_object,
    study,
    write_multiframe,
)


def test_a_slice_has_a_scanners_size_and_header() -> None:
    data = ct_slice(study(1))
    dataset = dcmread(BytesIO(data))
    assert 524_288 < len(data) < 535_000
    assert 115 < len(dataset) < 135
    assert dataset[0x00E11002].value == "Adult"
    assert data.endswith(dataset_bytes(data))
    assert data == ct_slice(study(1))


@pytest.mark.parametrize("syntax", UNCOMPRESSED)
def test_a_small_object_is_read_in_every_uncompressed_syntax(syntax: str) -> None:
    data = small_object(study(1), transfer_syntax_uid=syntax)
    assert dcmread(BytesIO(data)).PatientID == "P010000000"
    assert len(data) <= 2600


@pytest.mark.parametrize("name", NAMES)
def test_names_are_written_as_the_bytes_they_are(name: str) -> None:
    data = small_object(study(1, name=name))
    assert NAMES[name].encoded in data


def test_a_multiframe_object_holds_the_frames_it_promises(tmp_path: Path) -> None:
    size = write_multiframe(tmp_path / "m.dcm", study(2), frames=5, rows=64, columns=32)
    data = (tmp_path / "m.dcm").read_bytes()
    assert len(data) == size
    dataset = dcmread(BytesIO(data))
    frames = [dataset.PixelData[at : at + 4096] for at in range(0, 5 * 4096, 4096)]
    assert frames == [multiframe_frame(n, rows=64, columns=32) for n in range(1, 6)]


def test_an_encapsulated_object_ends_where_it_says() -> None:
    data = compressed_object(study(3), fragments=[b"\xff\xd8abc\xff\xd9", b"\xff\xd8\xff\xd9"])
    assert dcmread(BytesIO(data)).NumberOfFrames == 2
    assert data.endswith(b"\xfe\xff\xdd\xe0\0\0\0\0")
