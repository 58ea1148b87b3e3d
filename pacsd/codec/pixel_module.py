"""The Image Pixel Module of a stored object, read where it stands (PS3.3 C.7.6.3)."""

from dataclasses import dataclass

from pacsd.codec.image_pixel import DESCRIBING, VALUE_TYPES, PixelDescription
from pacsd.codec.walk import Dataset, Reader

_MAX_VALUE_BYTES = 64


@dataclass(frozen=True, slots=True)
class PixelModule:
    """What describes the frames, and the VR of the value that holds them."""

    description: PixelDescription
    vr: str


def read_pixel_module(
    reader: Reader, *, offset_bytes: int, length_bytes: int, transfer_syntax_uid: str
) -> PixelModule | None:
    """That of the data set at `offset_bytes`; None without pixel data. Raises PacsdError MALFORMED, UNSUPPORTED or
    TOO_MUCH (PixelDescription.check)."""
    dataset = Dataset(
        reader, offset_bytes=offset_bytes, length_bytes=length_bytes, transfer_syntax_uid=transfer_syntax_uid
    )
    values: dict[int, bytes] = {}
    for element in dataset.elements():
        if element.tag in VALUE_TYPES:
            description = PixelDescription.of_elements(
                values, value_type=VALUE_TYPES[element.tag], big_endian=dataset.big_endian
            )
            return PixelModule(description, element.vr)
        if element.tag in DESCRIBING and element.length <= _MAX_VALUE_BYTES:
            values[element.tag] = dataset.read(element.value_at, element.length)
    return None
