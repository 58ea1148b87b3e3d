"""Images for the tests of the codecs: real files as transfer syntax and data set, and made-up ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from hypothesis import strategies as st
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from pacsd.codec.image_pixel import PixelDescription, Pixels
from pacsd.codec.part10 import build_meta, read_meta
from pacsd.codec.transcode import transcoded

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4."
LOSSLESS = (
    "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.5", JPEG + "57", JPEG + "70", JPEG + "80",
    JPEG + "81", JPEG + "90", JPEG + "91", JPEG + "201", JPEG + "202", JPEG + "203",
)  # fmt: skip
LOSSY = (JPEG + "50", JPEG + "51")
LONG_SERIES = ("series_ct_phantom_28_slices", "series_mr_128_slices", "study_mr_2series_with_ko")


@dataclass(frozen=True)
class Image:
    """One object: what it is in, its data set, and where it comes from."""

    syntax: str
    data: bytes
    path: Path = Path()

    def into(self, target: str, *, piece: int = 1 << 16) -> "Image":
        pieces = (self.data[at : at + piece] for at in range(0, len(self.data), piece))
        made = transcoded(pieces, source=self.syntax, target=target, length_bytes=len(self.data))
        return Image(target, b"".join(made), self.path)

    def file(self) -> bytes:
        """As a Part 10 file."""
        return build_meta(sop_class_uid="1.2", sop_instance_uid="1.3", transfer_syntax_uid=self.syntax).data + self.data

    def read(self) -> pydicom.Dataset:
        return pydicom.dcmread(BytesIO(self.file()))


def real_images(folder: Path) -> Iterator[Image]:
    """Every whole file with pixels; of long series, which are all alike, one slice in ten."""
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        if "malformed" in path.parts or (set(LONG_SERIES) & set(path.parts) and number % 10):
            continue
        content = path.read_bytes()
        if content[128:132] != b"DICM":
            continue
        meta = read_meta(content)
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        if "Rows" in dataset and "Columns" in dataset and "BitsAllocated" in dataset:
            yield Image(meta.transfer_syntax_uid, content[meta.dataset_offset:], path)


def kind(image: Image) -> tuple[object, ...]:
    """What decides how an image is coded."""
    one = image.read()
    return (
        image.syntax, one.BitsAllocated, one.get("BitsStored"), one.get("PixelRepresentation"), one.SamplesPerPixel,
        one.get("PhotometricInterpretation"), one.get("PlanarConfiguration"), int(one.get("NumberOfFrames") or 1) > 1,
    )  # fmt: skip


@st.composite
def descriptions(draw: st.DrawFn) -> PixelDescription:
    """Images of all depths, odd sizes, signed and unsigned, grey and coloured."""
    allocated = draw(st.sampled_from((1, 8, 16, 16, 16, 32)))
    stored = draw(st.integers(1, allocated))
    colour = draw(st.sampled_from(("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL")))
    return PixelDescription(
        rows=draw(st.integers(1, 40)),
        columns=draw(st.integers(1, 40)),
        samples_per_pixel=3 if colour in ("RGB", "YBR_FULL") else 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1,
        pixel_representation=draw(st.integers(0, int(allocated > 1))),
        photometric_interpretation=colour,
        planar_configuration=draw(st.integers(0, 1)),
    )


def cells_of(description: PixelDescription, seed: int, *, whole: bool = False) -> Pixels:
    """Smooth structure with noise over the whole range of Bits Stored, or of Bits Allocated."""
    bits = description.bits_allocated if whole else description.bits_stored
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[: description.rows, : description.columns]
    plane = (rows * 3 + columns * 5) % 64 / 64 * (1 << bits)
    samples = plane[..., None] + random.integers(0, 1 << bits, (*plane.shape, description.samples_per_pixel)) // 4
    values = samples.astype(np.int64) % (1 << bits)
    if description.pixel_representation:
        values = values - (1 << bits - 1)
    return values.astype(description.dtype).reshape(description.shape)


def image_of(description: PixelDescription, frames: list[Pixels]) -> Image:
    """An explicit VR little endian object of these frames, with something around the pixels."""
    one = pydicom.Dataset()
    one.SOPClassUID, one.SOPInstanceUID, one.ImageType = "1.2.840.10008.5.1.4.1.1.7", "1.2.3", ["ORIGINAL", "PRIMARY"]
    one.add_new(0x00091010, "UN", b"private")
    one.SamplesPerPixel, one.PhotometricInterpretation = (
        description.samples_per_pixel, description.photometric_interpretation,
    )  # fmt: skip
    if description.samples_per_pixel > 1:
        one.PlanarConfiguration = description.planar_configuration
    one.NumberOfFrames, one.Rows, one.Columns = len(frames), description.rows, description.columns
    one.BitsAllocated, one.BitsStored = description.bits_allocated, description.bits_stored
    one.HighBit, one.PixelRepresentation = description.high_bit, description.pixel_representation
    planes = [np.moveaxis(frame, -1, 0) if _by_plane(description) else frame for frame in frames]
    if description.bits_allocated == 1:
        value = np.packbits(np.concatenate([plane.ravel() for plane in planes]), bitorder="little").tobytes()
    else:
        value = b"".join(plane.tobytes() for plane in planes)
    one.add_new(0x7FE00010, "OW" if description.bits_allocated > 8 else "OB", value + b"\0" * (len(value) % 2))
    one.add_new(0xFFFCFFFC, "OB", b"behind")
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = False, True
    write_dataset(out, one)
    return Image(EXPLICIT, out.getvalue())


def _by_plane(description: PixelDescription) -> bool:
    return description.samples_per_pixel > 1 and description.planar_configuration == 1
