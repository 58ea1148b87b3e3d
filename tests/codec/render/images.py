"""Images for the rendering tests: real files and made ones, as the archive's rendering sees them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from pacsd.codec import walk
from pacsd.codec.convert import converted
from pacsd.codec.decoders import DECODERS
from pacsd.codec.frames import BytesReader, FrameTable, frame_extents, unpacked_bits
from pacsd.codec.part10 import read_meta
from pacsd.codec.pixels import decode_frame
from pacsd.codec.render.image_header import ImageHeader
from pacsd.codec.render.picture import Picture, picture
from pacsd.codec.render.voi_lut import Window
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.faults import PacsdError

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"


class Loaded:
    """One Part 10 file in memory."""

    def __init__(self, file: bytes) -> None:
        meta = read_meta(file[:65536])
        data, self.transfer_syntax_uid = file[meta.dataset_offset :], meta.transfer_syntax_uid
        if transfer_syntax(self.transfer_syntax_uid).big_endian or transfer_syntax(self.transfer_syntax_uid).deflated:
            data = b"".join(converted([data], source=self.transfer_syntax_uid, target=EXPLICIT))
            self.transfer_syntax_uid = EXPLICIT
        where = {"offset_bytes": 0, "length_bytes": len(data), "transfer_syntax_uid": self.transfer_syntax_uid}
        self._reader = BytesReader(data)
        self.table: FrameTable | None = frame_extents(self._reader, **where)
        self.header = ImageHeader(walk.Dataset(self._reader, **where))

    def frame(self, number: int) -> Any:
        """The stored values of a frame, from 1."""
        table = self.table
        raw = b"".join(self._reader.pread(length, at) for at, length in table.frames[number - 1])
        if table.bit_offsets:
            raw = unpacked_bits(raw, bit_offset=table.bit_offsets[number - 1], bits=table.frame_bits)
        return decode_frame(raw, self.transfer_syntax_uid, self.header.description)

    def picture(self, number: int = 1, window: Window | None = None) -> Picture:
        """The picture of a frame."""
        return picture(self.header, self.frame(number), number, self.transfer_syntax_uid, window)


def images_below(folder: Path) -> Iterator[tuple[Path, Loaded]]:
    """The files with pixels that a decoder is there for, each kind of a long series once."""
    for path in sorted(folder.rglob("*")):
        more_of_the_same = path.stem[:6] == "slice1" or path.stem[:2] == "I1"
        if not path.is_file() or path.suffix == ".xml" or "malformed" in path.parts or more_of_the_same:
            continue
        try:
            loaded = Loaded(path.read_bytes())
        except PacsdError:
            continue
        if loaded.table is not None and loaded.transfer_syntax_uid in DECODERS:
            yield path, loaded


def header_of(dataset: Dataset, *, implicit: bool = False) -> ImageHeader:
    """What rendering sees of a data set; where it has no pixels, it gets some."""
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        dataset.add_new(0x7FE00010, "OW", b"\0\0")
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, implicit
    write_dataset(out, dataset)
    data = out.getvalue()
    uid = IMPLICIT if implicit else EXPLICIT
    return ImageHeader(
        walk.Dataset(BytesReader(data), offset_bytes=0, length_bytes=len(data), transfer_syntax_uid=uid)
    )


def gray_image(rows: int = 4, columns: int = 4, **attributes: Any) -> Dataset:
    """The attributes of a 16-bit grey image; pixels are for the test to bring."""
    dataset = Dataset()
    described = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows, "Columns": columns, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11,
        "PixelRepresentation": 0,
    }  # fmt: skip
    for keyword, value in {**described, **attributes}.items():
        setattr(dataset, keyword, value)
    return dataset


def item(**attributes: Any) -> Dataset:
    """A sequence's item."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def lut_item(entries: list[int], *, first: int = 0, bits: int = 8) -> Dataset:
    """An item of a LUT sequence, its words in OW."""
    made = Dataset()
    made.add_new(0x00283002, "US" if first >= 0 else "SS", [len(entries), first, bits])
    made.add_new(0x00283006, "OW", np.array(entries, "<u2").tobytes())
    return made


def shown(made: Dataset, values: list[int] | Any, window: Window | None = None, number: int = 1) -> list[int]:
    """The grey of some stored values of an image."""
    header = header_of(made)
    frame = np.array([values]).astype(header.description.dtype)
    return [int(one) for one in picture(header, frame, number, EXPLICIT, window)[0]]


__all__ = ["EXPLICIT", "Loaded", "gray_image", "header_of", "images_below", "item", "lut_item", "shown"]
